// Package loadgen measures a server that pushes Server-Sent Events over HTTP/1.1: Carillon or any other.
//
// It opens streams, publishes events that contain the time at which they were due, and finds these stamps in the
// streams. An event counts as delivered only when its whole stamp has arrived; latency is measured from when an event
// was due, so that a server that delays its publisher does not look fast; the cost of the load generator is in the
// report. On Linux one goroutine reads all plain streams, so that the load generator influences the measurement little.
package loadgen

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config configures a run.
type Config struct {
	URL        *url.URL       // scheme and host; http or https
	Roots      *x509.CertPool // authorities that a server with https is verified with; nil: the system's
	Streams    int            // how many streams to open; 0: only publish
	Stalled    int            // how many of them are never read
	Topics     int            // {n} in paths and body runs from 0 to Topics-1
	Rate       float64        // events per second; 0: as fast as the server responds
	Publishers int            // number of publishing connections
	Size       int            // bytes of padding in place of {pad}
	Duration   time.Duration  // of publishing; 0: publish nothing
	Idle       time.Duration  // time to observe the open streams before publishing

	SubscribePath   string // path and query
	SubscribeHeader http.Header
	PublishPath     string
	PublishMethod   string
	PublishHeader   http.Header
	Body            string // each {stamp} becomes a stamp, {pad} the padding, {n} the number of the topic

	PID int // of the server, to read its processor time and memory; 0: unknown
}

// Validate returns an error that names the first flag that is out of range.
func (c Config) Validate() error {
	switch {
	case c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "http" && c.URL.Scheme != "https":
		return errors.New("url: must be http://host:port or https://host:port")
	case c.URL.Path != "" && c.URL.Path != "/" || c.URL.RawQuery != "":
		return fmt.Errorf("url: must have no path and no query, which --subscribe and --publish set (got %q)", c.URL.Redacted())
	case c.Streams < 0:
		return fmt.Errorf("streams: must not be negative (got %d)", c.Streams)
	case c.Streams == 0 && c.Duration == 0:
		return errors.New("duration: must be above 0 without streams")
	case c.Streams == 0 && c.Stalled != 0:
		return fmt.Errorf("stalled: must be 0 without streams (got %d)", c.Stalled)
	case c.Stalled < 0 || c.Streams > 0 && c.Stalled >= c.Streams:
		return fmt.Errorf("stalled: must be at least 0 and less than streams, %d (got %d)", c.Streams, c.Stalled)
	case c.Streams == 0 && c.Topics < 1:
		return fmt.Errorf("topics: must be above 0 (got %d)", c.Topics)
	case c.Streams > 0 && (c.Topics < 1 || c.Topics > c.Streams):
		return fmt.Errorf("topics: must be between 1 and streams, %d (got %d)", c.Streams, c.Topics)
	case c.Publishers < 1:
		return fmt.Errorf("publishers: must be above 0 (got %d)", c.Publishers)
	case c.Rate < 0 || c.Size < 0 || c.Duration < 0 || c.Idle < 0:
		return errors.New("rate, size, duration and idle must not be negative")
	case !strings.HasPrefix(c.SubscribePath, "/") || !strings.HasPrefix(c.PublishPath, "/"):
		return errors.New("paths must begin with /")
	case c.Duration > 0 && !strings.Contains(c.Body, stampPlaceholder):
		return errors.New("body: must contain {stamp}, by which a delivery is recognised")
	}
	return nil
}

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

// settleTime is how long the run waits for further deliveries before it counts missing ones as lost.
const settleTime = time.Second

// Run performs a run. It calls progress, which may be nil, about once a second. If the context ends early, the report
// has what was measured until then.
func Run(ctx context.Context, cfg Config, progress func(Progress)) (Report, error) {
	if err := cfg.Validate(); err != nil {
		return Report{}, err
	}
	r := &run{cfg: cfg, began: time.Now(), progress: progress}
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
	progress  func(Progress)
	streams   *subscribers
	published counter
	phase     atomicPhase
	report    Report
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

func (r *run) open(ctx context.Context) error {
	if r.cfg.Streams == 0 {
		return nil
	}
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
	// The server's memory is read after it has finished the work of opening.
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
	switches := switchesOf(r.cfg.PID)
	before, start := usageOf(r.cfg.PID), time.Now()
	err := publishAll(ctx, r.cfg, start, &r.published)
	took := time.Since(start)
	r.phase.set(PhaseSettling)
	wanted := func(stream int) int64 { return r.published.wanted(r.cfg, stream) }
	r.waitDelivered(ctx, wanted)

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
	r.report.PublishLatency = r.published.latency()
	if r.cfg.PID != 0 && r.report.Published > 0 {
		r.report.PublishCPUMicros = (after.CPU - before.CPU).Seconds() * 1e6 / float64(r.report.Published)
		r.report.PublishSwitches = float64(switchesOf(r.cfg.PID).since(switches)) / float64(r.report.Published)
	}
	if r.cfg.PID != 0 && delivered > 0 {
		r.report.DeliveryCPUMicros = (after.CPU - before.CPU).Seconds() * 1e6 / float64(delivered)
	}
	return err
}

// waitDelivered waits until every expected delivery has arrived, or no more arrive.
func (r *run) waitDelivered(ctx context.Context, wanted func(int) int64) {
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
