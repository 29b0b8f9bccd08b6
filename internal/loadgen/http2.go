package loadgen

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
)

const (
	// StreamsPerConnection is the number of streams on each connection over HTTP/2. A browser holds those of all its tabs
	// on one connection.
	StreamsPerConnection = 10
	// http2Window is the flow-control window of a stream over HTTP/2 (RFC 9113, 5.2), in bytes. It bounds what is kept here
	// of a stream that is not read.
	http2Window = 64 << 10
)

// http2Streams opens streams over HTTP/2 and reads each from a goroutine of its own. With https the server agrees to
// HTTP/2 in the handshake (ALPN); with http it must accept it without an upgrade (prior knowledge; RFC 9113, 3.3).
type http2Streams struct {
	streams   *subscribers
	transport *http.Transport
	conns     []*http.ClientConn
	done      chan struct{} // closed by close
	running   sync.WaitGroup
}

func newHTTP2Streams(s *subscribers) *http2Streams {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSClientConfig:     tlsConfig(s.cfg),
		TLSHandshakeTimeout: dialTimeout,
		DisableCompression:  true, // stamps cannot be found in a compressed stream
		Protocols:           new(http.Protocols),
		HTTP2:               &http.HTTP2Config{MaxReceiveBufferPerStream: http2Window},
	}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	return &http2Streams{streams: s, transport: t, done: make(chan struct{})}
}

// open opens stream i, on a new connection if the latest has all its streams. It does not wait for the response. The
// stream lasts until close, also when the context ends before.
func (h *http2Streams) open(ctx context.Context, i int) error {
	u := h.streams.cfg.URL
	if i%StreamsPerConnection == 0 {
		conn, err := h.transport.NewClientConn(ctx, u.Scheme, addressOf(u))
		if err != nil {
			return fmt.Errorf("connecting over HTTP/2: %w", err)
		}
		h.conns = append(h.conns, conn)
	}
	conn := h.conns[len(h.conns)-1]
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, u.Scheme+"://"+u.Host+h.streams.path(i), http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "text/event-stream")
	for name, values := range h.streams.cfg.SubscribeHeader {
		request.Header[name] = append(request.Header[name], values...)
	}
	h.running.Go(func() { h.run(conn, request, i) })
	return nil
}

// run sends the request of stream i and reads the response, or only keeps it if the stream is stalled.
func (h *http2Streams) run(conn *http.ClientConn, request *http.Request, i int) {
	s, one := h.streams, h.streams.all[i]
	response, err := conn.RoundTrip(request)
	if err != nil {
		s.fail(fmt.Errorf("a subscription failed; the server must speak HTTP/2 (http.tls or http.h2c): %w", err))
		return
	}
	defer response.Body.Close()
	s.responded(one, response.Proto+" "+response.Status, response.ProtoMajor == 2 && response.StatusCode == http.StatusOK)
	if i < s.cfg.Stalled {
		<-h.done
		return
	}
	s.readWithGo(one, response.Body)
}

// close ends all streams, and waits for it.
func (h *http2Streams) close() {
	close(h.done)
	for _, conn := range h.conns {
		_ = conn.Close()
	}
	h.running.Wait()
}
