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
		`url is "", must be an address such as http://localhost:8080`:                    func(c *client.Config) { c.URL = "" },
		`url is "localhost:8080", must be an address such as http://localhost:8080`:      func(c *client.Config) { c.URL = "localhost:8080" },
		`url is "ftp://host", must be an address such as http://localhost:8080`:          func(c *client.Config) { c.URL = "ftp://host" },
		`url is "http://host?topic=a", must be an address such as http://localhost:8080`: func(c *client.Config) { c.URL = "http://host?topic=a" },
		`url is "ftp://me:xxxxx@host", must be an address such as http://localhost:8080`: func(c *client.Config) { c.URL = "ftp://me:secret@host" },
		`url cannot be parsed, must be an address such as http://localhost:8080`:         func(c *client.Config) { c.URL = "http://me:secret@host:port" },
		`timeout is 0s, must be more than 0`:                                             func(c *client.Config) { c.Timeout = 0 },
		`silence is -1s, must be more than 0`:                                            func(c *client.Config) { c.Silence = -time.Second },
		`retry is 0s, must be more than 0`:                                               func(c *client.Config) { c.Retry = 0 },
		`max_retry is 0s, must be more than 0`:                                           func(c *client.Config) { c.MaxRetry = 0 },
		`max_retry is 10ms, must not be less than retry, which is 1s`:                    func(c *client.Config) { c.MaxRetry = 10 * time.Millisecond },
		`max_event is 0, must be more than 0 bytes`:                                      func(c *client.Config) { c.MaxEvent = 0 },
		`token holds a character that no header can carry`:                               func(c *client.Config) { c.Token = "secret\r\nX: y" },
	} {
		cfg := config("http://localhost:8080")
		change(&cfg)
		_, err := client.New(cfg, nil)
		require.EqualError(t, err, want)
		assert.NotContains(t, err.Error(), "secret")
	}
}
