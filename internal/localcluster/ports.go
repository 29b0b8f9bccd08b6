package localcluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// FreeAddrs returns loopback addresses that were free a moment ago: the programs must know each other's addresses before
// they start.
func FreeAddrs(n int) ([]string, error) {
	var addrs []string
	var listeners []net.Listener
	var failed error
	for range n {
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			failed = err
			break
		}
		listeners = append(listeners, l)
		addrs = append(addrs, l.Addr().String())
	}
	for _, l := range listeners {
		failed = errors.Join(failed, l.Close())
	}
	return addrs, failed
}

// responds returns a check of readiness: that a GET of a URL has the status 200.
func responds(url string) func(context.Context) error {
	client := &http.Client{Timeout: time.Second}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close() // nothing of it is read
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", url, response.Status)
		}
		return nil
	}
}
