package client_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/client"
)

func TestNewNamesTheWrongKeyAndNotTheSecret(t *testing.T) {
	for want, change := range map[string]func(*client.Config){
		`url: must be an address such as http://localhost:8080 (got "")`:                    func(c *client.Config) { c.URL = "" },
		`url: must be an address such as http://localhost:8080 (got "localhost:8080")`:      func(c *client.Config) { c.URL = "localhost:8080" },
		`url: must be an address such as http://localhost:8080 (got "ftp://host")`:          func(c *client.Config) { c.URL = "ftp://host" },
		`url: must be an address such as http://localhost:8080 (got "http://host?topic=a")`: func(c *client.Config) { c.URL = "http://host?topic=a" },
		`url: must be an address such as http://localhost:8080 (got "ftp://me:xxxxx@host")`: func(c *client.Config) { c.URL = "ftp://me:secret@host" },
		`url: must be an address such as http://localhost:8080`:                             func(c *client.Config) { c.URL = "http://me:secret@host:port" },
		`timeout: must be above 0s (got 0s)`:                                                func(c *client.Config) { c.Timeout = 0 },
		`silence: must be above 0s (got -1s)`:                                               func(c *client.Config) { c.Silence = -time.Second },
		`retry: must be above 0s (got 0s)`:                                                  func(c *client.Config) { c.Retry = 0 },
		`max_retry: must be above 0s (got 0s)`:                                              func(c *client.Config) { c.MaxRetry = 0 },
		`max_retry: must be at least retry, 1s (got 10ms)`:                                  func(c *client.Config) { c.MaxRetry = 10 * time.Millisecond },
		`max_event: must be above 0 (got 0)`:                                                func(c *client.Config) { c.MaxEvent = 0 },
		`token: must not contain a character that a header cannot carry`:                    func(c *client.Config) { c.Token = "secret\r\nX: y" },
	} {
		t.Run(want, func(t *testing.T) {
			cfg := config("http://localhost:8080")
			change(&cfg)
			_, err := client.New(cfg, nil)
			require.EqualError(t, err, want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}
