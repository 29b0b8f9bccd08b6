package loadgen

import (
	"sync/atomic"
	"time"
)

// Phase is a phase of a run.
type Phase string

// The phases of a run, in order.
const (
	PhaseOpening    Phase = "opening"
	PhaseIdle       Phase = "idle"
	PhasePublishing Phase = "publishing"
	PhaseSettling   Phase = "settling"
)

// Progress is the progress of a run.
type Progress struct {
	Phase     Phase
	Opened    int64
	Published int64
	Delivered int64
	Elapsed   time.Duration // since the run began
}

// watch reports the progress until the function that it returns is called.
func (r *run) watch() (stop func()) {
	if r.progress == nil {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			select {
			case <-done:
				return
			case <-every.C:
				r.progress(Progress{
					Phase: r.phase.get(), Opened: r.streams.opened.Load(), Published: r.published.ok.Load(),
					Delivered: r.streams.delivered.Load(), Elapsed: time.Since(r.began),
				})
			}
		}
	}()
	return func() { close(done); <-gone }
}

// atomicPhase holds the phase for the goroutine that reports the progress.
type atomicPhase struct{ phase atomic.Value }

func (b *atomicPhase) set(p Phase) { b.phase.Store(p) }

func (b *atomicPhase) get() Phase {
	p, _ := b.phase.Load().(Phase)
	return p
}
