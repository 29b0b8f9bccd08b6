// Package loadgen measures a server that pushes Server-Sent Events over HTTP/1.1 or HTTP/2: Carillon or any other.
//
// It opens streams, publishes events that contain the time at which they were due, and finds these stamps in the
// streams. An event counts as delivered only when its whole stamp has arrived; latency is measured from when an event
// was due, so that a server that delays its publisher does not look fast; the cost of the load generator is in the
// report. On Linux one goroutine reads all streams over HTTP/1.1 without TLS, so that the load generator influences the
// measurement little.
package loadgen

import (
	"context"
	"time"
)

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
	used := max(after.CPU-before.CPU, 0) // the process may have ended
	if r.cfg.PID != 0 && r.report.Published > 0 {
		r.report.PublishCPUMicros = used.Seconds() * 1e6 / float64(r.report.Published)
		r.report.PublishSwitches = float64(switchesOf(r.cfg.PID).since(switches)) / float64(r.report.Published)
	}
	if r.cfg.PID != 0 && delivered > 0 {
		r.report.DeliveryCPUMicros = used.Seconds() * 1e6 / float64(delivered)
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
