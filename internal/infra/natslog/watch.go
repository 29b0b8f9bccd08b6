package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

const (
	// checkInterval is how often the stream is looked at while it is used.
	checkInterval = time.Second
	// rollbackTime is for how long the stream must have answered with less than it held before it counts as rolled back. A leader
	// that was replaced and does not know it yet answers like that for a moment.
	rollbackTime = 3 * time.Second
)

// errBehind means that the stream has less than it had.
var errBehind = fmt.Errorf("%w: the stream has less than it had", pubsub.ErrUnavailable)

// inspect asks the stream's leader what it has, and notes it, and the epoch if that is another one. A leader may be some
// moments behind a replica that has already delivered a message, so one that is behind is asked again first.
func (l *Log) inspect(ctx context.Context) (*jetstream.StreamInfo, error) {
	_, last := l.view.now()
	for pause := firstPause; ; pause *= 2 {
		info, behind, err := l.ask(ctx, last)
		switch {
		case err != nil:
			return nil, err
		case behind == 0:
			return info, nil
		case behind >= rollbackTime:
			l.rolledBack(epochOf(info))
		}
		if pause > longestPause {
			return nil, errBehind
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask asks the stream's leader once. The stream held everything up to last before. It reports for how long the answers
// have been behind that.
func (l *Log) ask(ctx context.Context, last uint64) (*jetstream.StreamInfo, time.Duration, error) {
	asked := time.Now()
	info, err := l.info(ctx)
	if err != nil {
		return nil, 0, err
	}
	l.replicated.Store(info.Config.Replicas > 1)
	l.compareClocks(info.TimeStamp, asked, time.Since(asked))
	return info, l.view.note(answer{info, asked, last}), nil
}

// check looks at the stream, and makes it anew if it is gone.
func (l *Log) check(ctx context.Context) {
	_, err := l.inspect(ctx)
	if !errors.Is(err, errNoStream) || !l.cfg.Manage || ctx.Err() != nil {
		return
	}
	l.logger.Warn("the NATS stream is gone: creating it anew", zap.String("stream", l.cfg.Stream))
	if err := l.create(ctx); err != nil {
		l.warnings.warn("cannot create the NATS stream", zap.Error(err))
		return
	}
	_, _ = l.inspect(ctx) // the next check says what is wrong
}

// rolledBack has the epoch changed of a stream that lost its newest messages.
func (l *Log) rolledBack(epoch event.Epoch) {
	select {
	case l.rollbacks <- epoch:
	default: // on its way already
	}
}

// renew changes the epoch of a stream that lost its newest messages, for all nodes, unless another node has done so.
func (l *Log) renew(ctx context.Context, old event.Epoch) {
	if epoch, _ := l.view.now(); epoch != old {
		return
	}
	info, err := l.info(ctx)
	if err == nil && epochOf(info) == old {
		ctx, cancel := context.WithTimeout(ctx, 2*l.cfg.RequestTime)
		defer cancel()
		_, err = l.js.UpdateStream(ctx, renewed(info.Config, newEpoch()))
	}
	if err != nil {
		l.warnings.warn("the NATS stream lost its newest messages, and this node cannot write its metadata: set "+metadataEpoch+" to a new value",
			zap.String("stream", l.cfg.Stream), zap.Error(err))
		return
	}
	l.logger.Warn("the NATS stream lost its newest messages: its epoch is another one now", zap.String("stream", l.cfg.Stream))
	_, _ = l.inspect(ctx) // notes the new epoch; if it fails, the next check does
}

// Clocks that differ by more than clockWarn are told; those that differ by less than clockAgrees are in order again.
const (
	clockWarn   = time.Second
	clockAgrees = 500 * time.Millisecond
)

// compareClocks compares the clock of this node with that of the stream's leader, which read it while it answered a
// question.
func (l *Log) compareClocks(leader, asked time.Time, took time.Duration) {
	if leader.IsZero() || took > clockAgrees {
		return
	}
	offset := asked.Add(took / 2).Sub(leader)
	l.clock.Store(int64(offset))
	distance := offset.Abs()
	switch {
	case distance > clockWarn && l.clockIsOff.CompareAndSwap(false, true):
		l.logger.Warn("the clock of this machine differs from that of the NATS server, so ticks and times of events do too",
			zap.Duration("ahead", offset))
	case distance < clockAgrees && l.clockIsOff.CompareAndSwap(true, false):
		l.logger.Info("the clock of this machine agrees with that of the NATS server again", zap.Duration("ahead", offset))
	}
}

// ClockOffset returns how far the clock of this node is ahead of that of the stream's leader.
func (l *Log) ClockOffset() time.Duration { return time.Duration(l.clock.Load()) }
