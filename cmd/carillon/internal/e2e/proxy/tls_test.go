package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

// startTLS starts a node with a certificate of its own.
func startTLS(t *testing.T, settings ...string) (*servertest.Process, keyPair) {
	t.Helper()
	cert := certificate(t)
	return startNode(t, append(settings, "HTTP_TLS_CERT_FILE="+cert.crt, "HTTP_TLS_KEY_FILE="+cert.key)...), cert
}

// With TLS the server speaks HTTP/2 or HTTP/1.1, as the client negotiates, with headers that fit the version.
func TestClockOverTLS(t *testing.T) {
	needs(t)
	t.Parallel()
	n, cert := startTLS(t, "CLOCK_INTERVAL=100ms")
	for version, connection := range map[int]string{1: "keep-alive", 2: ""} {
		tr := transport(t, version, clientA)
		tr.TLSClientConfig.InsecureSkipVerify, tr.TLSClientConfig.RootCAs = false, cert.pool
		s := open(t, tr, "https://"+n.Addr+"/events", nil)
		assertStream(t, s, version)
		assert.Equal(t, connection, s.head.Header.Get("Connection"), "HTTP/2 forbids the header")
		assert.Equal(t, "2006-01-02 15:04:05", layoutOf(s.next(t).Data))
		assert.NotEqual(t, s.next(t).ID, s.next(t).ID)
	}
}

// layoutOf returns the layout of the clock if the text has it, else the error.
func layoutOf(text string) string {
	const layout = "2006-01-02 15:04:05"
	if _, err := time.Parse(layout, text); err != nil {
		return err.Error()
	}
	return layout
}

// HTTP/2 without TLS and prior knowledge, as proxies use it; the same port serves HTTP/1.1, too.
func TestClockOverH2C(t *testing.T) {
	needs(t)
	t.Parallel()
	n := startNode(t, "HTTP_H2C=true", "CLOCK_INTERVAL=100ms")
	tr := transport(t, 0, clientA)
	tr.Protocols.SetUnencryptedHTTP2(true)
	s := open(t, tr, "http://"+n.Addr+"/events", nil)
	assertStream(t, s, 2)
	assert.Empty(t, s.head.Header.Get("Connection"))
	assert.Equal(t, "2006-01-02 15:04:05", layoutOf(s.next(t).Data))
	assertStream(t, open(t, transport(t, 1, clientA), "http://"+n.Addr+"/events", nil), 1)
}

func TestHealthcheckOfTLSServer(t *testing.T) {
	needs(t)
	t.Parallel()
	n, cert := startTLS(t)
	settings := []string{"HTTP_ADDR=" + n.Addr, "HTTP_TLS_CERT_FILE=" + cert.crt, "HTTP_TLS_KEY_FILE=" + cert.key}
	for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--ready"}} {
		result := program.Run(t, "", args, settings...)
		assert.Zero(t, result.Code, result.Stderr)
	}
	result := program.Run(t, "", []string{"healthcheck"}, "HTTP_ADDR="+n.Addr)
	assert.Equal(t, 1, result.Code, "an HTTP request to an HTTPS server")
	assert.Equal(t, 1, strings.Count(result.Stderr, "\n"), result.Stderr)
}

// A stream that is not read ends after stream.write_timeout. Another one on the same connection receives everything.
func TestStalledHTTP2StreamDelaysNoOther(t *testing.T) {
	needs(t)
	t.Parallel()
	n, _ := startTLS(t, "STREAM_WRITE_TIMEOUT=1s", "CLOCK_INTERVAL=1h")
	base, tr := "https://"+n.Addr, transport(t, 2, clientA)
	tr.Protocols.SetHTTP1(false)

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?topic=news", http.NoBody)
	require.NoError(t, err)
	stalled, err := tr.RoundTrip(req) // its body is not read
	require.NoError(t, err)
	defer stalled.Body.Close()

	reader := open(t, tr, base+"/events?topic=news", nil)
	assertStream(t, reader, 2)
	data := strings.Repeat("x", 100_000)
	publishing := transport(t, 2, clientB)
	for i := range 120 { // 12 MB; the client buffers 4 MiB for a stream that is not read
		publish(t, publishing, base, fmt.Sprint(i, data))
		require.Equal(t, fmt.Sprint(i, data), reader.next(t).Data)
	}
	n.Await(t, "the end of the stalled stream", closedBecause("dead"))
	publish(t, publishing, base, "last")
	assert.Equal(t, "last", reader.next(t).Data)
	_, err = io.Copy(io.Discard, stalled.Body)
	assert.Error(t, err, "it is aborted, not ended like a complete response")
}

// Certificates that cannot be used prevent the start, with an error of one line that names the key.
func TestInvalidCertificatesPreventTheStart(t *testing.T) {
	needs(t)
	t.Parallel()
	good, other := certificate(t), certificate(t)
	garbage := write(t, t.TempDir(), "garbage.pem", "no certificate")
	for name, settings := range map[string][]string{
		"one of two":      {"HTTP_TLS_CERT_FILE=" + good.crt},
		"missing":         {"HTTP_TLS_CERT_FILE=/nowhere.crt", "HTTP_TLS_KEY_FILE=" + good.key},
		"garbage":         {"HTTP_TLS_CERT_FILE=" + garbage, "HTTP_TLS_KEY_FILE=" + good.key},
		"of another pair": {"HTTP_TLS_CERT_FILE=" + good.crt, "HTTP_TLS_KEY_FILE=" + other.key},
		"swapped":         {"HTTP_TLS_CERT_FILE=" + good.key, "HTTP_TLS_KEY_FILE=" + good.crt},
		"together":        {"HTTP_TLS_CERT_FILE=" + good.crt, "HTTP_TLS_KEY_FILE=" + good.key, "HTTP_H2C=true"},
	} {
		t.Run(name, func(t *testing.T) {
			result := program.Run(t, "", []string{"serve"}, append(settings, "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0")...)
			t.Log(result.Stderr)
			assert.Equal(t, 1, result.Code)
			assert.Regexp(t, `^carillon: http\.(tls|h2c): [^\n]+\n$`, result.Stderr)
		})
	}
}
