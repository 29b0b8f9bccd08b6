package sockopt_test

import (
	"crypto/tls"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"carillon/internal/transport/sockopt"
)

// accepted is the server's end of a TCP connection.
func accepted(t *testing.T) *net.TCPConn {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	client, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { client.Close() })
	server, err := listener.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { server.Close() })
	return server.(*net.TCPConn)
}

func option(t *testing.T, conn *net.TCPConn, level, name int) int {
	t.Helper()
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var value int
	require.NoError(t, raw.Control(func(fd uintptr) { value, err = unix.GetsockoptInt(int(fd), level, name) }))
	require.NoError(t, err)
	return value
}

func TestTune(t *testing.T) {
	options := sockopt.Options{DeadAfter: 20*time.Second + time.Microsecond, SendBuffer: 65536}
	for name, wrap := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return tls.Server(c, &tls.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			conn := accepted(t)
			require.NoError(t, sockopt.Tune(wrap(conn), options))
			assert.Equal(t, 20001, option(t, conn, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT), "milliseconds, rounded up")
			assert.Equal(t, 2*65536, option(t, conn, unix.SOL_SOCKET, unix.SO_SNDBUF), "the kernel doubles it")
		})
	}
}

func TestTuneLeavesTheSystemsOwn(t *testing.T) {
	conn := accepted(t)
	before := option(t, conn, unix.SOL_SOCKET, unix.SO_SNDBUF)
	require.NoError(t, sockopt.Tune(conn, sockopt.Options{}))
	assert.Equal(t, 0, option(t, conn, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT))
	assert.Equal(t, before, option(t, conn, unix.SOL_SOCKET, unix.SO_SNDBUF))
}

func TestTuneLeavesOtherConnectionsAlone(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	require.NoError(t, sockopt.Tune(a, sockopt.Options{DeadAfter: time.Second, SendBuffer: 4096}))
}

func TestTuneSaysWhatFailed(t *testing.T) {
	conn := accepted(t)
	require.NoError(t, conn.Close())
	err := sockopt.Tune(conn, sockopt.Options{DeadAfter: time.Second, SendBuffer: 4096})
	require.ErrorIs(t, err, net.ErrClosed)
	assert.ErrorContains(t, err, "TCP_USER_TIMEOUT")
	assert.ErrorContains(t, err, "the send buffer")
}

func TestValidate(t *testing.T) {
	assert.NoError(t, sockopt.Options{}.Validate())
	assert.NoError(t, sockopt.Options{DeadAfter: 20 * time.Second, SendBuffer: 65536}.Validate())
	assert.EqualError(t, sockopt.Options{DeadAfter: time.Millisecond}.Validate(),
		"stream.dead_after: must be between 1s and 1h, or 0s for the system default (got 1ms)")
	assert.EqualError(t, sockopt.Options{SendBuffer: 1}.Validate(),
		"stream.send_buffer: must be between 4096 and 16777216 bytes, or 0 for the system default (got 1)")
}
