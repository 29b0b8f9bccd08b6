package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/transport/httpapi"
)

func healthcheckCommand(file *string) *cobra.Command {
	var ready bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Check the health of a server on this machine",
		Long: `Sends a request to the server that runs with the same configuration on this machine, and exits with
0 if it is healthy, else with 1. It is meant for containers, which have no shell and no curl.`,
		Example: `  carillon healthcheck            is the server alive?
  carillon healthcheck --ready    does it accept streams?`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(*file, os.Environ())
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return checkHealth(ctx, c.HTTP, path)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "check readiness, which fails while the server is stopping")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for the response")
	return cmd
}

// checkHealth returns an error unless the server responds to a request for path with 200.
func checkHealth(ctx context.Context, cfg httpapi.Config, path string) error {
	host, err := localHost(cfg.Addr)
	if err != nil {
		return err
	}
	target := url.URL{Scheme: "http", Host: host, Path: path}
	// No proxy, even if the environment has one: the server is on this machine.
	direct := &http.Transport{DisableKeepAlives: true}
	if cfg.TLS.Enabled() {
		target.Scheme = "https"
		// The certificate is for the public name of the server, and the connection does not leave this machine.
		direct.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: direct}
	response, err := client.Do(request)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", target.String(), response.Status)
	}
	return nil
}

// localHost returns the address at which this machine reaches a server that listens on addr.
func localHost(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("http.addr: must be host:port or :port (got %q)", addr)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // a server that listens on all IPv6 addresses listens here, too
	}
	return net.JoinHostPort(host, port), nil
}
