package proxy_test

import (
	"context"
	"fmt"
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

// edit is a change of the settings in deploy/ for a test: one that an operator would make, too.
type edit struct{ from, to string }

// proxy is one that has settings in deploy/. start starts it in front of one or two nodes and returns its address.
type proxy struct {
	name  string
	start func(t *testing.T, nodes []string, edits ...edit) string
}

var proxies = []proxy{{"nginx", startNginx}, {"haproxy", startHAProxy}}

// ready checks that the proxy is installed, and lets the test run in parallel with others.
func (p proxy) ready(t *testing.T) {
	t.Helper()
	needs(t, p.name)
	t.Parallel()
}

// startNginx starts nginx in front of one or two nodes and returns its address.
func startNginx(t *testing.T, nodes []string, edits ...edit) string {
	t.Helper()
	dir, addr, cert := t.TempDir(), freeAddr(t), certificate(t)
	text := settingsOf(t, "nginx/carillon.conf", nodes, append(edits,
		edit{"listen 443", "listen " + addr},
		edit{"/etc/nginx/carillon.crt", cert.crt},
		edit{"/etc/nginx/carillon.key", cert.key},
	))
	write(t, dir, "carillon.conf", text)
	user := ""
	if os.Getuid() == 0 {
		user = "user root;"
	}
	main := write(t, dir, "nginx.conf", fmt.Sprintf(`daemon off; master_process off; worker_rlimit_nofile 20000; %s
pid %[2]s/pid;
events { worker_connections 16000; }
http {
	access_log off;
	client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy;
	fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
	include %[2]s/carillon.conf;
}
`, user, dir))
	runProxy(t, addr, exec.CommandContext(context.Background(), find("nginx"), "-p", dir, "-e", "stderr", "-c", main))
	return addr
}

// startHAProxy starts HAProxy in front of one or two nodes and returns its address.
func startHAProxy(t *testing.T, nodes []string, edits ...edit) string {
	t.Helper()
	dir, addr, cert := t.TempDir(), freeAddr(t), certificate(t)
	text := settingsOf(t, "haproxy/haproxy.cfg", nodes, append(edits,
		edit{"bind :443", "bind " + addr},
		edit{"/etc/haproxy/carillon.pem", cert.both},
		edit{"maxconn 20000", "maxconn 5000"}, // more may exceed the file limit of the machine
	))
	runProxy(t, addr, exec.CommandContext(context.Background(), find("haproxy"), "-db", "-f", write(t, dir, "haproxy.cfg", text)))
	return addr
}

// settingsOf returns a file of deploy/ with its example addresses replaced, and without the second instance if there is only
// one node.
func settingsOf(t *testing.T, name string, nodes []string, edits []edit) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../../../../deploy", name))
	require.NoError(t, err)
	text := string(content)
	require.LessOrEqual(t, len(nodes), 2)
	if len(nodes) == 1 {
		var kept []string
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "# second instance") {
				kept = append(kept, line)
			}
		}
		text = strings.Join(kept, "")
	}
	for i, node := range nodes {
		edits = append(edits, edit{fmt.Sprintf("127.0.0.1:%d", 8080+i), node})
	}
	for _, e := range edits {
		require.Contains(t, text, e.from, name)
		text = strings.ReplaceAll(text, e.from, e.to)
	}
	return text
}

// runProxy starts a proxy and waits until it listens. It is stopped at the end of the test.
func runProxy(t *testing.T, addr string, cmd *exec.Cmd) {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	cmd.Stdout, cmd.Stderr = file, file
	require.NoError(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is ended by a signal
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(waitTimeout):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = file.Close()
		if output, err := os.ReadFile(file.Name()); err == nil && t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(cmd.Path), output[:min(len(output), 4000)])
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
			require.FailNow(t, filepath.Base(cmd.Path)+" did not start")
		case <-limit:
			require.FailNow(t, filepath.Base(cmd.Path)+" does not listen")
		}
	}
}

// freeAddr returns a loopback address that was free a moment ago: proxies cannot report which port they were given.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// write writes a file and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}
