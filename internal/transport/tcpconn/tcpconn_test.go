package tcpconn_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/nettest"

	"carillon/internal/transport/tcpconn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the two ends of a connection, of which the listener accepted the first one.
func pair(t testing.TB) (accepted, dialed net.Conn) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	listener := tcpconn.Listen(inner)
	defer listener.Close()
	dialed, err = net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	accepted, err = listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close(); dialed.Close() })
	return accepted, dialed
}

// A connection passes the suite that golang.org/x/net has for every net.Conn: deadlines, concurrency, closing.
func TestConnIsANetConn(t *testing.T) {
	nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
		accepted, dialed := pair(t)
		other := tcpconn.Wrap(dialed)
		return accepted, other, func() { accepted.Close(); other.Close() }, nil
	})
}

// Errors are those that the net package returns, since callers compare and log them.
func TestErrorsAreThoseOfTheNetPackage(t *testing.T) {
	for name, fail := range map[string]func(t *testing.T, local, peer net.Conn) error{
		"read after the deadline": func(_ *testing.T, local, _ net.Conn) error {
			_ = local.SetReadDeadline(time.Unix(1, 0))
			_, err := local.Read(make([]byte, 1))
			return err
		},
		"write after the deadline": func(_ *testing.T, local, _ net.Conn) error {
			_ = local.SetWriteDeadline(time.Unix(1, 0))
			_, err := local.Write(make([]byte, 1))
			return err
		},
		"read after close": func(_ *testing.T, local, _ net.Conn) error {
			_ = local.Close()
			_, err := local.Read(make([]byte, 1))
			return err
		},
		"write after close": func(_ *testing.T, local, _ net.Conn) error {
			_ = local.Close()
			_, err := local.Write(make([]byte, 1))
			return err
		},
		"read after the peer's end": func(t *testing.T, local, peer net.Conn) error {
			require.NoError(t, peer.Close())
			_, err := local.Read(make([]byte, 1))
			return err
		},
		"read after a reset": func(t *testing.T, local, peer net.Conn) error {
			require.NoError(t, peer.(interface{ SetLinger(int) error }).SetLinger(0))
			require.NoError(t, peer.Close())
			_, err := local.Read(make([]byte, 1))
			return err
		},
		"write after a reset": func(t *testing.T, local, peer net.Conn) error {
			require.NoError(t, peer.(interface{ SetLinger(int) error }).SetLinger(0))
			require.NoError(t, peer.Close())
			_, _ = local.Read(make([]byte, 1)) // returns once the reset has arrived
			_, err := local.Write(make([]byte, 1))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			accepted, dialed := pair(t)
			got := fail(t, accepted, dialed)
			local, peer := pair(t)
			want := fail(t, local.(interface{ NetConn() net.Conn }).NetConn(), peer)
			require.Error(t, want)
			assert.IsType(t, want, got)
			for _, target := range []error{io.EOF, os.ErrDeadlineExceeded, net.ErrClosed} {
				assert.Equal(t, errors.Is(want, target), errors.Is(got, target), "%v: %v, want %v", target, got, want)
			}
			if operation, ok := errors.AsType[*net.OpError](want); ok {
				failed, _ := errors.AsType[*net.OpError](got)
				require.NotNil(t, failed)
				assert.Equal(t, operation.Op, failed.Op)
				assert.Equal(t, operation.Err, failed.Err)
				assert.Equal(t, operation.Timeout(), failed.Timeout())
				assert.Equal(t, accepted.RemoteAddr(), failed.Addr)
			}
		})
	}
}

// A write that the socket takes only in part waits for the reader and then continues.
func TestLargeWriteWaitsForItsReader(t *testing.T) {
	accepted, dialed := pair(t)
	content := make([]byte, 8<<20)
	for i := range content {
		content[i] = byte(i >> 8)
	}
	written := make(chan error, 1)
	go func() {
		n, err := accepted.Write(content)
		if err == nil && n != len(content) {
			err = io.ErrShortWrite
		}
		written <- errors.Join(err, accepted.Close())
	}()
	got, err := io.ReadAll(dialed)
	require.NoError(t, err)
	require.NoError(t, <-written)
	assert.Equal(t, content, got)
}

// A connection that is no TCP connection stays as it is.
func TestOtherConnectionsStay(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	assert.Same(t, a, tcpconn.Wrap(a))
}

// BenchmarkRoundTrip is a request of 200 bytes and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"net":    func(c net.Conn) net.Conn { return c.(interface{ NetConn() net.Conn }).NetConn() },
		"direct": func(c net.Conn) net.Conn { return c },
	} {
		b.Run(name, func(b *testing.B) {
			accepted, dialed := pair(b)
			served := make(chan struct{})
			go func() {
				defer close(served)
				buf := make([]byte, 200)
				for conn := wrap(accepted); ; {
					if _, err := io.ReadFull(conn, buf); err != nil {
						return
					}
					if _, err := conn.Write(buf); err != nil {
						return
					}
				}
			}()
			buf := make([]byte, 200)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dialed.Write(buf); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(dialed, buf); err != nil {
					b.Fatal(err)
				}
			}
			_ = dialed.Close()
			<-served
		})
	}
}
