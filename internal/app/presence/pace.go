package presence

import (
	"sync"
	"time"
)

// pace numbers the ticks, so that a stream is told of a topic once an interval however late it takes what it is told.
type pace struct {
	interval time.Duration

	mu   sync.RWMutex
	n    int64
	last time.Time // of the last tick
}

func (p *pace) start(interval time.Duration) { p.interval, p.last = interval, time.Now() }

func (p *pace) tick(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	p.last = now
}

// current returns the number of the last tick.
func (p *pace) current() int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.n
}

// next returns the first tick that is an interval after now. What is told right after a tick belongs to that tick.
func (p *pace) next(now time.Time) int64 {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if now.Sub(p.last) <= p.interval/10 {
		return p.n + 1
	}
	return p.n + 2
}
