package client_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"carillon/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "the-secret-token"

func config(url string) client.Config {
	return client.Config{
		URL: url, Token: token,
		Timeout: 10 * time.Second, Silence: 45 * time.Second,
		Retry: time.Second, MaxRetry: 30 * time.Second, MaxEvent: 1 << 20,
	}
}

func newClient(t *testing.T, cfg client.Config, transport http.RoundTripper) *client.Client {
	t.Helper()
	c, err := client.New(cfg, transport)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}
