package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/certificate/certificatetest"
)

// freezing is a connection whose client stops reading it.
type freezing struct {
	net.Conn

	frozen atomic.Bool
	ended  chan struct{}
}

func (f *freezing) Read(p []byte) (int, error) {
	if f.frozen.Load() {
		<-f.ended
		return 0, net.ErrClosed
	}
	return f.Conn.Read(p)
}

// A client of HTTP/2 that takes nothing of its connection any more does not hold up the stop, although no deadline of a
// stream ends the write of a connection.
func TestAStuckHTTP2ClientDoesNotHoldUpTheStop(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	pair := certificatetest.New(t, "stuck")
	require.NoError(t, os.WriteFile(crt, pair.Cert, 0o600))
	require.NoError(t, os.WriteFile(key, pair.Key, 0o600))
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"HTTP_TLS_CERT_FILE=" + crt, "HTTP_TLS_KEY_FILE=" + key, "AUTH_PUBLISH_TOKEN=" + token, "CLOCK_ENABLED=false",
		"STREAM_WRITE_TIMEOUT=500ms", "STREAM_DEAD_AFTER=1h", "STREAM_SEND_BUFFER=65536", "DRAIN_TIMEOUT=2s", "DRAIN_WINDOW=0s",
	}})
	client := func(wrap func(net.Conn) net.Conn) *http.Client {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: pair.Pool(t), MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return wrap(conn), conn.(*net.TCPConn).SetReadBuffer(64 << 10)
			},
		}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	stuck := &freezing{ended: make(chan struct{})}
	subscribe, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr()+"/events?topic=news", nil)
	require.NoError(t, err)
	stream, err := client(func(c net.Conn) net.Conn {
		stuck.Conn = c
		return stuck
	}).Do(subscribe)
	require.NoError(t, err)
	t.Cleanup(func() { close(stuck.ended); _ = stream.Body.Close(); _ = stuck.Close() })
	require.Equal(t, 2, stream.ProtoMajor)
	_, err = bufio.NewReader(stream.Body).ReadString('\n')
	require.NoError(t, err)

	stuck.frozen.Store(true)
	publisher := client(func(c net.Conn) net.Conn { return c })
	for range 4 { // more than the sockets take
		publish, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.Addr()+"/events?topic=news", strings.NewReader(strings.Repeat("x", 900_000)))
		require.NoError(t, err)
		publish.Header.Set("Authorization", "Bearer "+token)
		response, err := publisher.Do(publish)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusCreated, response.StatusCode)
	}
	assert.NoError(t, s.Stop())
}
