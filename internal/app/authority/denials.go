package authority

import (
	"errors"
	"sync"
	"time"
)

// maxDenied bounds how many subjects are denied at a time.
const maxDenied = 10_000

// ErrTooManyDenied means that no more subjects can be denied now.
var ErrTooManyDenied = errors.New("too many subjects are denied at present")

// denials are the subjects that are kept out, each until a time.
type denials struct {
	mu    sync.RWMutex
	until map[string]time.Time
}

func newDenials() *denials { return &denials{until: make(map[string]time.Time)} }

// set denies a subject for a period from now, or no longer if that is zero.
func (d *denials) set(subject string, period time.Duration) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.until, subject)
	if period <= 0 {
		return nil
	}
	now := time.Now()
	if len(d.until) >= maxDenied {
		for other, until := range d.until {
			if !now.Before(until) {
				delete(d.until, other)
			}
		}
	}
	if len(d.until) >= maxDenied {
		return ErrTooManyDenied
	}
	d.until[subject] = now.Add(period)
	return nil
}

// left returns how much longer a subject is denied; 0 if it is not.
func (d *denials) left(subject string) time.Duration {
	if subject == "" {
		return 0
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	until, denied := d.until[subject]
	if !denied {
		return 0
	}
	return max(0, time.Until(until))
}
