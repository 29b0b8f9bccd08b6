package adminapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Config is where the admin listener stands and who may use it. Its keys live under "admin".
type Config struct {
	Addr  string // host:port; "" is no admin listener
	Token string // the bearer token that every route needs; "" needs none
}

// maxToken bounds the token; longer ones do not fit the head of a request.
const maxToken = 4096

// Enabled reports whether there is an admin listener.
func (c Config) Enabled() bool { return c.Addr != "" }

// Validate names every key that is out of range. Without a token only an address of this machine's own will do.
func (c Config) Validate() error {
	return errors.Join(c.checkAddr(), c.checkToken())
}

func (c Config) checkAddr() error {
	if !c.Enabled() {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("admin.addr: got %q, takes host:port, or nothing for no admin listener", c.Addr)
	}
	if c.Token == "" && !isLoopback(host) {
		return fmt.Errorf("admin.addr: got %q without admin.token, takes an address of this machine's own, such as 127.0.0.1:9090", c.Addr)
	}
	return nil
}

func (c Config) checkToken() error {
	if len(c.Token) > maxToken {
		return fmt.Errorf("admin.token: got %d bytes, takes at most %d", len(c.Token), maxToken)
	}
	for _, b := range []byte(c.Token) {
		if b <= ' ' || b > '~' {
			return errors.New("admin.token: got something with spaces or characters that no header can carry, takes printable ASCII")
		}
	}
	return nil
}

// isLoopback reports whether a host can only be this machine. A name other than localhost could be anything.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
