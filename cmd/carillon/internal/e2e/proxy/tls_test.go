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
)

// startTLS starts a node with a certificate of its own.
func startTLS(t *testing.T, settings ...string) (*node, pair) {
	t.Helper()
	cert := certificate(t)
	return startNode(t, append(settings, "HTTP_TLS_CERT_FILE="+cert.crt, "HTTP_TLS_KEY_FILE="+cert.key)...), cert
}

// Carillon's own TLS speaks HTTP/2 to those who can and HTTP/1.1 to the others, with heads as each of them wants it.
func TestTheClockOverTLS(t *testing.T) {
	needs(t)
	t.Parallel()
	n, cert := startTLS(t, "CLOCK_INTERVAL=100ms")
	for version, connection := range map[int]string{1: "keep-alive", 2: ""} {
		tr := transport(t, version, there)
		tr.TLSClientConfig.InsecureSkipVerify, tr.TLSClientConfig.RootCAs = false, cert.pool
		s := open(t, tr, "https://"+n.addr+"/events", nil)
		isStream(t, s, version)
		assert.Equal(t, connection, s.head.Header.Get("Connection"), "HTTP/2 forbids the header")
		assert.Equal(t, "2006-01-02 15:04:05", layoutOf(s.next(t).Data))
		assert.NotEqual(t, s.next(t).ID, s.next(t).ID)
	}
}

// layoutOf gives the clock's layout for a text that has it.
func layoutOf(text string) string {
	const layout = "2006-01-02 15:04:05"
	if _, err := time.Parse(layout, text); err != nil {
		return err.Error()
	}
	return layout
}

// HTTP/2 without TLS, as a proxy speaks it that knows beforehand; HTTP/1.1 is still spoken on the same port.
func TestTheClockOverH2C(t *testing.T) {
	needs(t)
	t.Parallel()
	n := startNode(t, "HTTP_H2C=true", "CLOCK_INTERVAL=100ms")
	tr := transport(t, 0, there)
	tr.Protocols.SetUnencryptedHTTP2(true)
	s := open(t, tr, "http://"+n.addr+"/events", nil)
	isStream(t, s, 2)
	assert.Empty(t, s.head.Header.Get("Connection"))
	assert.Equal(t, "2006-01-02 15:04:05", layoutOf(s.next(t).Data))
	isStream(t, open(t, transport(t, 1, there), "http://"+n.addr+"/events", nil), 1)
}

func TestHealthcheckOfATLSServer(t *testing.T) {
	needs(t)
	t.Parallel()
	n, cert := startTLS(t)
	settings := []string{"HTTP_ADDR=" + n.addr, "HTTP_TLS_CERT_FILE=" + cert.crt, "HTTP_TLS_KEY_FILE=" + cert.key}
	for _, args := range [][]string{{"healthcheck"}, {"healthcheck", "--ready"}} {
		code, said := run(t, args, settings...)
		assert.Zero(t, code, said)
	}
	code, said := run(t, []string{"healthcheck"}, "HTTP_ADDR="+n.addr)
	assert.Equal(t, 1, code, "HTTP asked of a server that speaks HTTPS")
	assert.Equal(t, 1, strings.Count(said, "\n"), said)
}

// A stream whose reader stopped is ended after stream.write_timeout; another one, on the same connection, gets everything.
func TestAReaderThatStopsOnHTTP2StopsNobodyElse(t *testing.T) {
	needs(t)
	t.Parallel()
	n, _ := startTLS(t, "STREAM_WRITE_TIMEOUT=1s", "CLOCK_INTERVAL=1h")
	base, tr := "https://"+n.addr, transport(t, 2, there)
	tr.Protocols.SetHTTP1(false)

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?topic=news", http.NoBody)
	require.NoError(t, err)
	stalled, err := tr.RoundTrip(req) // and nobody reads its body
	require.NoError(t, err)
	defer stalled.Body.Close()

	reader := open(t, tr, base+"/events?topic=news", nil)
	isStream(t, reader, 2)
	data := strings.Repeat("x", 100_000)
	publishing := transport(t, 2, away)
	for i := range 120 { // 12 MB, where the client takes 4 MiB for a stream that is not read
		publish(t, publishing, base, fmt.Sprint(i, data))
		require.Equal(t, fmt.Sprint(i, data), reader.next(t).Data)
	}
	n.await(t, "that the stalled stream ended", func(r record) bool { return r.Msg == "stream closed" && r.Reason == "dead" })
	publish(t, publishing, base, "last")
	assert.Equal(t, "last", reader.next(t).Data)
	_, err = io.Copy(io.Discard, stalled.Body)
	assert.Error(t, err, "it is cut, not ended as if it were whole")
}

// What cannot be served is refused at the start, in one line that names the key.
func TestBadCertificatesAreRefusedAtTheStart(t *testing.T) {
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
			code, said := run(t, []string{"serve"}, append(settings, "HTTP_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0")...)
			t.Log(said)
			assert.Equal(t, 1, code)
			assert.Regexp(t, `^carillon: http\.(tls|h2c): [^\n]+\n$`, said)
		})
	}
}
