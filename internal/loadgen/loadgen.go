// Package loadgen measures a server that pushes Server-Sent Events over HTTP/1.1: Carillon or any other.
//
// It opens streams, publishes events that carry the time they were due at, and reads the stamps back out of the streams.
// What it promises: an event counts as delivered only when its whole stamp arrived; latency counts from when an event
// was due, so a server that holds up its publisher does not look quick; and what it costs itself is in the report.
// On Linux one goroutine reads all plain streams, so that the load disturbs little of what it measures.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says what to do to which server.
type Config struct {
	URL        *url.URL      // scheme and host; http or https
	Streams    int           // how many streams to open
	Stalled    int           // how many of them are never read
	Topics     int           // {n} in paths and body runs from 0 to Topics-1
	Rate       float64       // events a second; 0 is as fast as the server answers
	Publishers int           // connections that publish
	Size       int           // bytes of padding in place of {pad}
	Duration   time.Duration // of publishing; 0 publishes nothing
	Idle       time.Duration // to watch the open streams before publishing

	SubscribePath   string // path and query
	SubscribeHeader http.Header
	PublishPath     string
	PublishMethod   string
	PublishHeader   http.Header
	Body            string // each {stamp} becomes a stamp, {pad} the padding, {n} the number of the topic

	PID int // of the server, to read its processor time and memory; 0 is unknown
}

// Validate names the first flag that is out of range.
func (c Config) Validate() error {
	switch {
	case c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "http" && c.URL.Scheme != "https":
		return errors.New("url: must be http://host:port or https://host:port")
	case c.Streams < 1:
		return fmt.Errorf("streams: must be above 0 (got %d)", c.Streams)
	case c.Stalled < 0 || c.Stalled >= c.Streams:
		return fmt.Errorf("stalled: must be at least 0 and less than streams, %d (got %d)", c.Streams, c.Stalled)
	case c.Topics < 1 || c.Topics > c.Streams:
		return fmt.Errorf("topics: must be between 1 and streams, %d (got %d)", c.Streams, c.Topics)
	case c.Publishers < 1:
		return fmt.Errorf("publishers: must be above 0 (got %d)", c.Publishers)
	case c.Rate < 0 || c.Size < 0 || c.Duration < 0 || c.Idle < 0:
		return errors.New("rate, size, duration and idle must not be negative")
	case !strings.HasPrefix(c.SubscribePath, "/") || !strings.HasPrefix(c.PublishPath, "/"):
		return errors.New("paths must begin with /")
	case c.Duration > 0 && !strings.Contains(c.Body, stampWord):
		return errors.New("body: must contain {stamp}, by which a delivery is recognised")
	}
	return nil
}

// Phase is what a run is doing.
type Phase string

// The phases of a run, in order.
const (
	PhaseOpening    Phase = "opening"
	PhaseIdle       Phase = "idle"
	PhasePublishing Phase = "publishing"
	PhaseSettling   Phase = "settling"
)

// Progress is how far a run is.
type Progress struct {
	Phase     Phase
	Opened    int64
	Published int64
	Delivered int64
	Elapsed   time.Duration // since the run began
}

// settleTime is how long after the last delivery the run waits for another one before it counts what is missing as lost.
const settleTime = time.Second

// Run does it. progress, which may be nil, is called about once a second. What could be measured before the context
// ended is in the report.
func Run(ctx context.Context, cfg Config, progress func(Progress)) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{cfg: cfg, began: time.Now(), tell: progress}
	streams, err := newSubscribers(cfg)
	if err != nil {
		return Report{}, err
	}
	defer streams.close()
	r.streams = streams
	stop := r.watch()
	defer stop()

	steps := []func(context.Context) error{r.open, r.idle, r.publish}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return r.report, err
		}
	}
	r.report.Loader = usageOf(selfPID)
	return r.report, nil
}

type run struct {
	cfg       Config
	began     time.Time
	tell      func(Progress)
	streams   *subscribers
	published counter
	phase     phaseBox
	report    Report
}

// watch tells the progress until the function it answers is called.
func (r *run) watch() (stop func()) {
	if r.tell == nil {
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
				r.tell(Progress{
					Phase: r.phase.get(), Opened: r.streams.opened.Load(), Published: r.published.ok.Load(),
					Delivered: r.streams.delivered.Load(), Elapsed: time.Since(r.began),
				})
			}
		}
	}()
	return func() { close(done); <-gone }
}

func (r *run) open(ctx context.Context) error {
	r.phase.set(PhaseOpening)
	before, start := usageOf(r.cfg.PID), time.Now()
	if err := r.streams.open(ctx); err != nil {
		return err
	}
	took := time.Since(start)
	after := usageOf(r.cfg.PID)
	r.report.Streams = r.cfg.Streams
	r.report.Stalled = r.cfg.Stalled
	r.report.OpenSeconds = took.Seconds()
	r.report.OpenRate = float64(r.cfg.Streams) / took.Seconds()
	if r.cfg.PID != 0 {
		r.report.OpenCPUMicros = (after.CPU - before.CPU).Seconds() * 1e6 / float64(r.cfg.Streams)
	}
	// The server's memory is read once it has rested from the openings.
	if err := sleep(ctx, 1500*time.Millisecond); err != nil {
		return err
	}
	if r.cfg.PID != 0 {
		r.report.StreamBytes = float64(usageOf(r.cfg.PID).RSS-before.RSS) / float64(r.cfg.Streams)
	}
	return nil
}

func (r *run) idle(ctx context.Context) error {
	if r.cfg.Idle == 0 {
		return nil
	}
	r.phase.set(PhaseIdle)
	before := usageOf(r.cfg.PID)
	if err := sleep(ctx, r.cfg.Idle); err != nil {
		return err
	}
	if r.cfg.PID != 0 {
		r.report.IdleCPUPercent = (usageOf(r.cfg.PID).CPU - before.CPU).Seconds() / r.cfg.Idle.Seconds() * 100
	}
	return nil
}

func (r *run) publish(ctx context.Context) error {
	if r.cfg.Duration == 0 {
		return nil
	}
	r.phase.set(PhasePublishing)
	r.streams.measure()
	before, start := usageOf(r.cfg.PID), time.Now()
	err := publishAll(ctx, r.cfg, start, &r.published)
	took := time.Since(start)
	r.phase.set(PhaseSettling)
	wanted := func(stream int) int64 { return r.published.wanted(r.cfg, stream) }
	r.settle(ctx, wanted)

	after := usageOf(r.cfg.PID)
	delivered := r.streams.delivered.Load()
	r.report.Published = r.published.ok.Load()
	r.report.PublishErrors = r.published.failed.Load()
	r.report.PublishRate = float64(r.report.Published) / took.Seconds()
	r.report.Wanted, r.report.Lost, r.report.Repeated = r.streams.missed(wanted)
	r.report.Delivered = delivered
	r.report.Closed = r.streams.ended.Load()
	r.report.DeliveryRate = float64(delivered) / max(r.streams.last().Sub(start), time.Millisecond).Seconds()
	r.report.Latency = r.streams.latency()
	if r.cfg.PID != 0 && delivered > 0 {
		r.report.DeliveryCPUMicros = (after.CPU - before.CPU).Seconds() * 1e6 / float64(delivered)
	}
	return err
}

// settle waits until everything wanted has come, or nothing more does.
func (r *run) settle(ctx context.Context, wanted func(int) int64) {
	for before := int64(-1); ; {
		have := r.streams.delivered.Load()
		if _, lost, _ := r.streams.missed(wanted); lost == 0 || have == before || sleep(ctx, settleTime) != nil {
			return
		}
		before = have
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
