package subscribe

import (
	"net/netip"
	"sync"
)

// limiter counts streams, in total and for each client address.
type limiter struct {
	mu     sync.Mutex
	max    int // 0 is no limit
	perIP  int // 0 is no limit
	total  int
	byAddr map[netip.Prefix]int
}

func newLimiter() *limiter { return &limiter{byAddr: make(map[netip.Prefix]int)} }

// set changes how many streams there may be. Open streams stay, even if they are more.
func (l *limiter) set(total, perIP int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max, l.perIP = total, perIP
}

// admit counts a stream, or returns the limit that it would exceed.
func (l *limiter) admit(address string) (Admission, error) {
	client := clientPrefix(address)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.max > 0 && l.total >= l.max:
		return Admission{}, ErrTooManyStreams
	case l.perIP > 0 && l.byAddr[client] >= l.perIP:
		return Admission{}, ErrTooManyClientStreams
	}
	l.total++
	l.byAddr[client]++
	return Admission{limiter: l, client: client}, nil
}

// Admission is a stream's place within the limits. It is a value, because there are as many as streams. The zero Admission
// is that of a stream which shares the place of another.
type Admission struct {
	limiter *limiter
	client  netip.Prefix
}

// Release makes room for another stream. It must be called once, when the stream has ended.
func (a Admission) Release() {
	l := a.limiter
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.byAddr[a.client]--; l.byAddr[a.client] == 0 {
		delete(l.byAddr, a.client)
	}
}

// clientPrefix returns what counts as one client: an IPv4 address, or the /64 that an IPv6 customer is assigned.
func clientPrefix(address string) netip.Prefix {
	addr, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{} // all unknown addresses together
	}
	bits := 64
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // never fails: the bits fit the address
	return prefix
}
