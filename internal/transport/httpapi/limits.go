package httpapi

import (
	"crypto/sha256"
	"net/netip"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// streamLimiter counts streams, in all and for each client address.
type streamLimiter struct {
	mu     sync.Mutex
	max    int // 0 is no limit
	perIP  int // 0 is no limit
	total  int
	byAddr map[netip.Prefix]int
}

func newStreamLimiter(total, perIP int) *streamLimiter {
	return &streamLimiter{max: total, perIP: perIP, byAddr: make(map[netip.Prefix]int)}
}

// admit counts a stream in and answers how to count it out; or says why there is no room.
func (l *streamLimiter) admit(ip string) (release func(), err error) {
	client := clientPrefix(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.max > 0 && l.total >= l.max:
		return nil, errStreams
	case l.perIP > 0 && l.byAddr[client] >= l.perIP:
		return nil, errStreamsClient
	}
	l.total++
	l.byAddr[client]++
	return func() { l.release(client) }, nil
}

func (l *streamLimiter) release(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.byAddr[client]--; l.byAddr[client] == 0 {
		delete(l.byAddr, client)
	}
}

// clientPrefix is what counts as one client: an IPv4 address, or the /64 that an IPv6 customer is given.
func clientPrefix(ip string) netip.Prefix {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{} // all unknown addresses together
	}
	bits := 64
	if addr = addr.Unmap().WithZone(""); addr.Is4() {
		bits = 32
	}
	prefix, _ := addr.Prefix(bits) // the bits fit the address
	return prefix
}

// rateKeys bounds how many tokens' rates are remembered; the ones used longest ago are forgotten first.
const rateKeys = 10_000

// rateLimiter holds each publisher's token to a rate of events.
type rateLimiter struct {
	rate    rate.Limit
	burst   int
	mu      sync.Mutex
	buckets *lru.Cache[[sha256.Size]byte, *rate.Limiter]
}

func newRateLimiter(perSecond float64, burst int) (*rateLimiter, error) {
	buckets, err := lru.New[[sha256.Size]byte, *rate.Limiter](rateKeys)
	if err != nil {
		return nil, err
	}
	return &rateLimiter{rate: rate.Limit(perSecond), burst: burst, buckets: buckets}, nil
}

// take spends n events of a token's allowance, or says when there will be enough.
func (l *rateLimiter) take(token string, n int) error {
	if l.rate == 0 {
		return nil
	}
	key := sha256.Sum256([]byte(token))
	l.mu.Lock()
	bucket, found := l.buckets.Get(key)
	if !found {
		bucket = rate.NewLimiter(l.rate, l.burst)
		l.buckets.Add(key, bucket)
	}
	l.mu.Unlock()
	reservation := bucket.ReserveN(time.Now(), n)
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return &waitError{err: errTooMany, wait: wait}
	}
	return nil
}
