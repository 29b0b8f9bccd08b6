package main

import (
	"cmp"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/client"
)

// defaultURL is the server that the client commands talk to when nobody says which.
const defaultURL = "http://localhost:8080"

func serverURL() string { return cmp.Or(os.Getenv(envURL), defaultURL) }

// remote is what every command that talks to a server takes.
type remote struct{ url, token string }

func (r *remote) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&r.url, "url", serverURL(), "`URL` of the server; also CARILLON_URL")
	cmd.Flags().StringVar(&r.token, "token", "", "bearer `TOKEN`; better given as CARILLON_TOKEN, which no list of processes shows")
}

// bearer is the token. It is no flag's default, because those are shown by --help.
func (r *remote) bearer() string { return cmp.Or(r.token, os.Getenv(envToken)) }

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
