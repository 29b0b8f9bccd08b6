package delivery_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
)

// The kernel reuses descriptors at once, so a write that came too late would reach another connection. Here the process
// has many others, whose clients check every byte.
func TestNoWriteReachesAForeignConnection(t *testing.T) {
	for _, kind := range connKinds() {
		if kind.secure || kind.gzip {
			continue // the clients of this test speak neither
		}
		t.Run(kind.name, func(t *testing.T) {
			testReuse(t, newTestServer(t, kind))
			testReuse(t, newTestServer(t, kind, func(_ *delivery.Config, engine *pubsub.Config) {
				engine.Window.Bytes = 100_000 // streams are also ended from inside
				engine.Heartbeat = 100 * time.Millisecond
			}))
		})
	}
}

func testReuse(t *testing.T, s *testServer) {
	t.Helper()
	const clients, rounds = 8, 250
	s.dialOnce()
	files := descriptors(t)
	stop := make(chan struct{})
	var background, churn sync.WaitGroup
	background.Go(func() { s.publishUntil(stop) })
	echoes := startEcho(t, stop, &background)
	for range clients {
		churn.Go(func() {
			for round := range rounds {
				s.openAndLeave(round)
			}
		})
	}
	churn.Wait()
	for range clients * rounds {
		s.waitEnded()
	}
	close(stop)
	background.Wait()
	echoes.close()
	s.waitStreams(0)
	waitDescriptors(t, files)
	assert.Positive(t, echoes.done.Load())
	assert.Zero(t, echoes.wrong.Load(), "bytes of a stream reached another connection")
	// One more has been ended by dialOnce.
	assert.EqualValues(t, clients*rounds+1, s.calls.Load(), "the end of a stream was reported twice, or not at all")
	s.stop()
	assert.EqualValues(t, clients*rounds+1, s.calls.Load())
}

// publishUntil publishes until it is stopped.
func (s *testServer) publishUntil(stop <-chan struct{}) {
	text := incompressible()[:8000]
	for {
		select {
		case <-stop:
			return
		default:
			s.publish("a", text, "small")
		}
	}
}

// openAndLeave opens a stream, reads a little or nothing, and leaves in one of several ways.
func (s *testServer) openAndLeave(round int) {
	conn, err := net.Dial("tcp", s.web.Listener.Addr().String())
	if !assert.NoError(s, err) {
		return
	}
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
	assert.NoError(s, err)
	head := make([]byte, 1)
	_, err = io.ReadFull(conn, head) // it is a stream from here on
	assert.NoError(s, err)
	switch round % 4 {
	case 0:
		_ = conn.(*net.TCPConn).SetLinger(0)
	case 1:
		_, _ = io.CopyN(io.Discard, conn, 30_000)
	case 2:
		_ = conn.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	}
}

// echo is a server that sends back what it receives, with clients that open and close connections all the time.
type echo struct {
	listener    net.Listener
	served      sync.WaitGroup
	done, wrong atomic.Int64
}

func startEcho(t *testing.T, stop <-chan struct{}, running *sync.WaitGroup) *echo {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &echo{listener: listener}
	s.served.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			s.served.Go(func() {
				defer conn.Close()
				_, _ = io.Copy(conn, conn)
			})
		}
	})
	for n := range 4 {
		running.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					s.exchange(fmt.Appendf(nil, "client %d, message %d", n, i))
				}
			}
		})
	}
	return s
}

// exchange sends a message and expects exactly the same back.
func (s *echo) exchange(message []byte) {
	conn, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		s.wrong.Add(1)
		return
	}
	defer conn.Close()
	_, _ = conn.Write(message)
	_ = conn.(*net.TCPConn).CloseWrite()
	back, err := io.ReadAll(conn)
	if err != nil || !bytes.Equal(back, message) {
		s.wrong.Add(1)
	}
	s.done.Add(1)
}

func (s *echo) close() {
	_ = s.listener.Close()
	s.served.Wait()
}
