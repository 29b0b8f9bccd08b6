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

	"carillon/internal/transport/httpapi"
)

func healthcheckCommand(file *string) *cobra.Command {
	var ready bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask a running server on this machine whether it is well",
		Long: `Asks the server that runs with the same configuration on this machine, and exits 0 if
it is well, else 1. For containers, which have no shell and no curl.`,
		Example: `  carillon healthcheck            is it alive?
  carillon healthcheck --ready    should clients be sent to it?`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := load(*file, os.Environ())
			if err != nil {
				return err
			}
			path := "/healthz"
			if ready {
				path = "/readyz"
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			return askHealth(ctx, c.HTTP, path)
		},
	}
	cmd.Flags().BoolVar(&ready, "ready", false, "ask for readiness: fails while the server is stopping")
	cmd.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long to wait for the answer")
	return cmd
}

func askHealth(ctx context.Context, cfg httpapi.Config, path string) error {
	host, err := localHost(cfg.Addr)
	if err != nil {
		return err
	}
	where := url.URL{Scheme: "http", Host: host, Path: path}
	// Straight to the server, whatever proxy the environment names.
	straight := &http.Transport{DisableKeepAlives: true}
	if cfg.TLS.Enabled() {
		where.Scheme = "https"
		// The certificate is for the server's public name; nobody sits between us and this machine's own port.
		straight.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where.String(), nil)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: straight}
	answer, err := client.Do(request)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", where.String(), answer.Status)
	}
	return nil
}

// localHost is where to reach, from this machine, a server that listens on addr.
func localHost(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("http.addr: got %q, takes host:port or :port", addr)
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1" // also where the server listens on all addresses of IPv6
	}
	return net.JoinHostPort(host, port), nil
}
