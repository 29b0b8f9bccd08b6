package publish

import (
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxPublishers bounds how many publishers' rates are remembered; the least recently used is dropped first.
const maxPublishers = 10_000

// rateLimiter limits the rate of events of each publisher.
type rateLimiter struct {
	mu      sync.Mutex
	rate    rate.Limit // 0 is no limit
	burst   int
	buckets *lru.Cache[string, *rate.Limiter]
}

func newRateLimiter() (*rateLimiter, error) {
	buckets, err := lru.New[string, *rate.Limiter](maxPublishers)
	if err != nil {
		return nil, err
	}
	return &rateLimiter{buckets: buckets}, nil
}

// set changes the rate and refills all buckets.
func (l *rateLimiter) set(perSecond float64, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rate, l.burst = rate.Limit(perSecond), burst
	l.buckets.Purge()
}

// take removes n events from a publisher's bucket, or returns a [*RateError] with the time until it will hold enough.
func (l *rateLimiter) take(publisher string, n int) error {
	bucket := l.bucket(publisher)
	if bucket == nil {
		return nil
	}
	reservation := bucket.ReserveN(time.Now(), n)
	if wait := reservation.Delay(); wait > 0 {
		reservation.Cancel()
		return &RateError{Wait: wait}
	}
	return nil
}

// bucket returns a publisher's bucket, or nil if there is no limit.
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
