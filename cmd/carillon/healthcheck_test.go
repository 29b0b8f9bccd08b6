package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/httpapi"
)

func TestCheckHealth(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/readyz", r.URL.Path)
		w.WriteHeader(status)
	}))
	defer srv.Close()
	addr := strings.TrimPrefix(srv.URL, "http://")
	require.NoError(t, checkHealth(t.Context(), httpapi.Config{Addr: addr}, "/readyz"))
	require.NoError(t, checkHealth(t.Context(), httpapi.Config{Addr: addr[strings.LastIndex(addr, ":"):]}, "/readyz"), "an address without a host")
	status = http.StatusServiceUnavailable
	assert.EqualError(t, checkHealth(t.Context(), httpapi.Config{Addr: addr}, "/readyz"), srv.URL+"/readyz: 503 Service Unavailable")
	srv.Close()
	assert.ErrorContains(t, checkHealth(t.Context(), httpapi.Config{Addr: addr}, "/readyz"), "connection refused")
}

func TestLocalHost(t *testing.T) {
	for addr, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80",
		"10.0.0.1:80": "10.0.0.1:80", "[::1]:80": "[::1]:80", "localhost:80": "localhost:80",
	} {
		got, err := localHost(addr)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := localHost("8080")
	assert.EqualError(t, err, `http.addr: must be host:port or :port (got "8080")`)
}
