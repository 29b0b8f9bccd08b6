package doctor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// waitTimeout bounds every wait for something that should happen soon.
const waitTimeout = 20 * time.Second

// secret may do everything on every server of these tests.
const secret = "sesame-for-tests"

// startCarillon starts a server with settings as KEY=VALUE, and returns its address.
func startCarillon(t *testing.T, settings ...string) string {
	t.Helper()
	if program == "" {
		t.Skip("starts whole programs")
	}
	cmd := exec.CommandContext(context.Background(), program)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "CARILLON_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	for _, setting := range append([]string{
		"HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0", "LOG_ENCODING=json", "AUTH_PUBLISH_TOKEN=" + secret,
		"CLOCK_INTERVAL=100ms", "DRAIN_WINDOW=100ms", "DRAIN_TIMEOUT=1s",
	}, settings...) {
		cmd.Env = append(cmd.Env, "CARILLON_"+setting)
	}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	addr, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		readAddr(out, addr)
		_ = cmd.Wait() // it is ended by a signal
	}()
	t.Cleanup(func() { stop(cmd, ended) })
	select {
	case a := <-addr:
		return a
	case <-ended:
	case <-time.After(waitTimeout):
	}
	require.FailNow(t, "the server did not start")
	return ""
}

// readAddr reads records to their end and sends the address of the start.
func readAddr(out io.Reader, addr chan<- string) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var record struct{ Msg, Addr string }
		if json.Unmarshal(lines.Bytes(), &record) == nil && record.Msg == "carillon started" {
			addr <- record.Addr
		}
	}
}

// startNginx starts nginx in front of servers. Lines go into the one location it has; what they do not set stays at
// nginx's defaults, HTTP/1.0 to the server among them, without which it passes chunks on although it buffers.
func startNginx(t *testing.T, lines string, servers ...string) string {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	var upstream strings.Builder
	for _, server := range servers {
		fmt.Fprintf(&upstream, "server %s max_fails=0; ", server)
	}
	file := write(t, dir, "nginx.conf", fmt.Sprintf(`daemon off; master_process off; %s
pid %[2]s/pid;
events { worker_connections 200; }
http {
	access_log off;
	client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
	upstream servers { %[3]s }
	server {
		listen %[4]s;
		location = /oops { internal; return 200 "<html>oops</html>"; }
		location / {
			proxy_set_header Host $http_host;
			proxy_pass http://servers;
			%[5]s
		}
	}
}
`, user, dir, upstream.String(), addr, lines))
	startProxy(t, addr, "nginx", "-p", dir, "-e", "stderr", "-c", file)
	return addr
}

// startHAProxy starts HAProxy in front of a server, with a limit on silence.
func startHAProxy(t *testing.T, silence time.Duration, server string) string {
	t.Helper()
	addr := freeAddr(t)
	file := write(t, t.TempDir(), "haproxy.cfg", fmt.Sprintf(`defaults
    mode http
    timeout connect 2s
    timeout client %[1]dms
    timeout server %[1]dms
frontend public
    bind %[2]s
    default_backend servers
backend servers
    server one %[3]s
`, silence.Milliseconds(), addr, server))
	startProxy(t, addr, "haproxy", "-db", "-f", file)
	return addr
}

// startProxy starts a proxy, waits until it listens, and ends it with the test.
func startProxy(t *testing.T, addr, name string, args ...string) {
	t.Helper()
	if program == "" {
		t.Skip("starts whole programs")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name) // where only root's PATH looks
	}
	require.NoError(t, err, "`make test` installs what the tests need")
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd := exec.CommandContext(context.Background(), path, args...)
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is ended by a signal
	}()
	t.Cleanup(func() {
		stop(cmd, ended)
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s wrote:\n%s", name, text[:min(len(text), 4000)])
		}
	})
	limit, again := time.After(waitTimeout), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for {
		if conn, err := net.Dial("tcp", addr); err == nil {
			require.NoError(t, conn.Close())
			return
		}
		select {
		case <-again.C:
		case <-ended:
			require.FailNow(t, name+" did not start")
		case <-limit:
			require.FailNow(t, name+" does not listen")
		}
	}
}

func stop(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended already
	select {
	case <-ended:
	case <-time.After(waitTimeout):
		_ = cmd.Process.Kill()
		<-ended
	}
}

// freeAddr is an address of the loopback that was free a moment ago: proxies cannot tell which port they were given.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
