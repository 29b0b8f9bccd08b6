package proxy_test

import (
	"context"
	"crypto/tls"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

// transport returns a transport for one version of HTTP only, as a browser would use it, from a loopback address.
func transport(t *testing.T, version int, from string) *http.Transport {
	t.Helper()
	protocols := &http.Protocols{}
	protocols.SetHTTP1(version == 1)
	protocols.SetHTTP2(version == 2)
	tr := &http.Transport{
		Protocols:          protocols,
		DisableCompression: true, // a decompressor may delay an event
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
		DialContext:        (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
	}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

// stream is an open event stream.
type stream struct {
	head   *http.Response
	events chan sse.Message // closed at the stream's end
	beats  chan struct{}    // an element for each comment, unless it is full
	leave  context.CancelFunc
}

// open opens a stream and reads it until the end of the test, or until leave is called.
func open(t *testing.T, tr http.RoundTripper, address string, header http.Header) *stream {
	t.Helper()
	ctx, leave := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Accept", "text/event-stream")
	maps.Copy(req.Header, header)
	timeout := time.AfterFunc(waitTimeout, leave)
	resp, err := tr.RoundTrip(req)
	timeout.Stop()
	require.NoError(t, err)
	s := &stream{head: resp, events: make(chan sse.Message), beats: make(chan struct{}, 100), leave: leave}
	done := make(chan struct{})
	t.Cleanup(func() { leave(); <-done })
	go func() {
		defer close(done)
		s.read(ctx)
	}()
	return s
}

func (s *stream) read(ctx context.Context) {
	defer close(s.events)
	defer s.head.Body.Close()
	d := sse.NewDecoder(s.head.Body, 1<<20, "")
	d.Comment = func(string) {
		select {
		case s.beats <- struct{}{}:
		default:
		}
	}
	for {
		m, err := d.Next()
		if err != nil {
			return
		}
		select {
		case s.events <- m:
		case <-ctx.Done():
			return
		}
	}
}

// next waits for the next event.
func (s *stream) next(t *testing.T) sse.Message {
	t.Helper()
	select {
	case m, ok := <-s.events:
		require.True(t, ok, "the stream ended")
		return m
	case <-time.After(waitTimeout):
		require.FailNow(t, "no event arrived")
	}
	return sse.Message{}
}

// publish publishes an event on the topic news.
func publish(t *testing.T, tr http.RoundTripper, base, data string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/events?topic=news", strings.NewReader(data))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+secret)
	resp, err := tr.RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, resp.StatusCode, "%s", body)
}

// assertStream checks that a response is an event stream.
func assertStream(t *testing.T, s *stream, version int) {
	t.Helper()
	require.Equal(t, http.StatusOK, s.head.StatusCode)
	assert.Equal(t, version, s.head.ProtoMajor)
	assert.Equal(t, "text/event-stream", s.head.Header.Get("Content-Type"))
}
