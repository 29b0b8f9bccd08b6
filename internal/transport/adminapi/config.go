package adminapi

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Config configures the admin listener. Its keys are in the section "admin".
type Config struct {
	Addr  string // host:port; "" disables the listener
	Token string // the bearer token that every route requires; "" is none
}

// maxToken bounds the length of the token, which must fit into a request header.
const maxToken = 4096

// Enabled reports whether there is an admin listener.
func (c Config) Enabled() bool { return c.Addr != "" }

// Validate returns an error for every key that is out of range. Without a token the address must be a loopback one.
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
		return fmt.Errorf("admin.addr: must be host:port, or empty for no admin listener (got %q)", c.Addr)
	}
	if c.Token == "" && !isLoopback(host) {
		return fmt.Errorf("admin.addr: must be a loopback address such as 127.0.0.1:8079 unless admin.token is set (got %q)", c.Addr)
	}
	return nil
}

func (c Config) checkToken() error {
	if len(c.Token) > maxToken {
		return fmt.Errorf("admin.token: must have at most %d bytes (got %d)", maxToken, len(c.Token))
	}
	for _, b := range []byte(c.Token) {
		if b <= ' ' || b > '~' {
			return errors.New("admin.token: must be printable ASCII without spaces")
		}
	}
	return nil
}

// isLoopback reports whether a host is certainly this machine. A name other than localhost may resolve to any address.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
