package httpapi

import (
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

func newStreamLimiter() *streamLimiter { return &streamLimiter{byAddr: make(map[netip.Prefix]int)} }

// limit sets how many streams there may be. Those there are stay, even if they are more.
func (l *streamLimiter) limit(total, perIP int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.max, l.perIP = total, perIP
}

// admit counts a stream in and answers whose it is, for [streamLimiter.release]; or says why there is no room.
func (l *streamLimiter) admit(ip string) (client netip.Prefix, err error) {
	client = clientPrefix(ip)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.max > 0 && l.total >= l.max:
		return client, errStreams
	case l.perIP > 0 && l.byAddr[client] >= l.perIP:
		return client, errStreamsClient
	}
	l.total++
	l.byAddr[client]++
	return client, nil
}

// release counts a stream out.
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

// rateKeys bounds how many publishers' rates are remembered; the ones used longest ago are forgotten first.
const rateKeys = 10_000

// rateLimiter holds each publisher to a rate of events.
type rateLimiter struct {
	mu      sync.Mutex
	rate    rate.Limit // 0 is no limit
	burst   int
	buckets *lru.Cache[string, *rate.Limiter]
}

func newRateLimiter() (*rateLimiter, error) {
	buckets, err := lru.New[string, *rate.Limiter](rateKeys)
	if err != nil {
		return nil, err
	}
	return &rateLimiter{buckets: buckets}, nil
}

// limit sets the rate, and forgets what was spent.
func (l *rateLimiter) limit(perSecond float64, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.burst = rate.Limit(perSecond), burst
	l.buckets.Purge()
}

// take spends n events of a publisher's allowance, or says when there will be enough.
func (l *rateLimiter) take(publisher string, n int) error {
	bucket := l.bucket(publisher)
	if bucket == nil {
		return nil
	}
	reservation := bucket.ReserveN(time.Now(), n)
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return &waitError{err: errTooMany, wait: wait}
	}
	return nil
}

// bucket is a publisher's allowance, nil where there is no limit.
func (l *rateLimiter) bucket(publisher string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate == 0 {
		return nil
	}
	bucket, found := l.buckets.Get(publisher)
	if !found {
		bucket = rate.NewLimiter(l.rate, l.burst)
		l.buckets.Add(publisher, bucket)
	}
	return bucket
}
