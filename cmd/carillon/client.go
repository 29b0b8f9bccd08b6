package main

import (
	"cmp"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/client"
)

// defaultURL is the server that the client commands use by default.
const defaultURL = "http://localhost:8080"

func serverURL() string { return cmp.Or(os.Getenv(config.EnvURL), defaultURL) }

// remote holds the options of every command that sends requests to a server.
type remote struct{ url, token string }

func (r *remote) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.url, "url", serverURL(), "`URL` of the server, with or without /events; also set by CARILLON_URL")
	cmd.Flags().StringVar(&r.token, "token", "", "bearer `TOKEN`; prefer CARILLON_TOKEN, which lists of processes do not show")
}

// bearer returns the token. The variable is not the default of the flag, because --help shows defaults.
func (r *remote) bearer() string { return cmp.Or(r.token, os.Getenv(config.EnvToken)) }

// dial returns a client of the server.
func (r *remote) dial() (*client.Client, error) {
	c, err := client.New(client.Config{
		URL:      r.url,
		Token:    r.bearer(),
		Timeout:  15 * time.Second,
		Silence:  45 * time.Second, // three heartbeats
		Retry:    2 * time.Second,
		MaxRetry: time.Minute,
		MaxEvent: 64 << 20,
	}, nil)
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
}
