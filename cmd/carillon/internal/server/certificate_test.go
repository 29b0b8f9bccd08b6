package server_test

import (
	"bufio"
	"crypto/tls"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/infra/certificate/certificatetest"
)

// A reload presents a renewed certificate to new connections and keeps the streams of old ones. One that cannot be used
// changes nothing.
func TestCertificateIsRenewed(t *testing.T) {
	dir := t.TempDir()
	crt, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(pair certificatetest.Pair) {
		require.NoError(t, os.WriteFile(crt, pair.Cert, 0o600))
		require.NoError(t, os.WriteFile(key, pair.Key, 0o600))
	}
	first, second := certificatetest.New(t, "first"), certificatetest.New(t, "second")
	write(first)
	s := servertest.Start(t, servertest.Options{Settings: []string{
		"HTTP_TLS_CERT_FILE=" + crt, "HTTP_TLS_KEY_FILE=" + key, "CLOCK_INTERVAL=20ms",
	}})
	// get sends a request on a connection of its own that trusts the certificate of the pair only.
	get := func(pair certificatetest.Pair, path string) *http.Response {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pair.Pool(t), MinVersion: tls.VersionTLS12}}
		t.Cleanup(transport.CloseIdleConnections)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+s.Addr()+path, nil)
		require.NoError(t, err)
		response, err := transport.RoundTrip(request)
		require.NoError(t, err)
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	stream := bufio.NewReader(get(first, "/events").Body)
	servertest.NextData(t, stream)

	write(second)
	s.Reload()
	renewed := s.AwaitMessage(t, "certificate renewed")
	assert.NotEmpty(t, renewed["not_after"])
	s.AwaitMessage(t, "configuration reloaded")
	assert.Equal(t, http.StatusOK, get(second, "/healthz").StatusCode)
	for range 3 {
		servertest.NextData(t, stream)
	}

	require.NoError(t, os.WriteFile(key, first.Key, 0o600))
	s.Reload()
	broken := s.AwaitMessage(t, "certificate not renewed: its files cannot be used; the previous one stays in use")
	assert.Contains(t, broken["error"], "must be a certificate and its key in PEM")
	s.AwaitMessage(t, "configuration not reloaded: it is invalid")
	assert.Equal(t, http.StatusOK, get(second, "/healthz").StatusCode)
	_, metrics := adminGet(t, s, "/metrics", "")
	assert.Contains(t, metrics, "carillon_tls_certificate_renewal_failures_total 1\n")
	assert.Contains(t, metrics, "carillon_tls_certificate_not_after_timestamp_seconds ")
	_, err := io.CopyN(io.Discard, stream, 100)
	require.NoError(t, err, "the stream goes on")
}
