package certificate

import (
	"context"
	"time"
)

// Interval is the time between two readings of the files. They are read rather than watched: that works on every file
// system, and a certificate and its key have a few kilobytes.
const Interval = 10 * time.Second

// Run reads the files at every [Interval] until ctx ends, whose error it returns.
func (p *Pair) Run(ctx context.Context) error {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			p.reload(true)
		}
	}
}

// Reload reads the files now.
func (p *Pair) Reload() { p.reload(false) }

// reload uses what the files hold if it is new, or reports that it cannot be used. With patience it reports that only if
// the files are the same at the next reading: they may have been read between the writing of one and that of the other.
func (p *Pair) reload(patience bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	found, loaded, err := p.read()
	if found == p.inUse {
		p.failed, p.doubt = content{}, content{}
		return
	}
	if err != nil {
		wait := patience && found != p.doubt
		p.doubt = found
		if !wait && found != p.failed {
			p.failed = found
			p.failures.Add(1)
			if p.events.Failed != nil {
				p.events.Failed(err)
			}
		}
		return
	}
	p.inUse, p.failed, p.doubt = found, content{}, content{}
	p.current.Store(loaded)
	if p.events.Renewed != nil {
		p.events.Renewed(loaded.Leaf)
	}
}
