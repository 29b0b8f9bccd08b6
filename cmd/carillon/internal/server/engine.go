package server

import (
	"time"

	"go.uber.org/zap"
	"golang.org/x/time/rate"

	"carillon/internal/domain/event"
	"carillon/internal/infra/metrics"
)

// engineObserver counts what the engine does, and logs what becomes of its log: once when it cannot be used any more, and
// once when it can again.
type engineObserver struct {
	*metrics.Metrics

	logger *zap.Logger
	reads  *rate.Sometimes // limits the records of reads that fail, which are tried again every second
}

func newEngineObserver(count *metrics.Metrics, logger *zap.Logger) engineObserver {
	return engineObserver{count, logger, &rate.Sometimes{First: 1, Interval: 10 * time.Second}}
}

func (o engineObserver) ReadFailed(cause error) {
	o.Metrics.ReadFailed(cause)
	o.reads.Do(func() {
		o.logger.Error("the history cannot be read although the log takes events: streams that need it wait", zap.Error(cause))
	})
}

func (o engineObserver) LogUnavailable(cause error) {
	o.Metrics.LogUnavailable(cause)
	o.logger.Error("the log of events is unavailable: publishing fails, streams wait", zap.Error(cause))
}

func (o engineObserver) LogAvailable(after time.Duration) {
	o.Metrics.LogAvailable(after)
	o.logger.Info("the log of events is available again", zap.Duration("after", after))
}

func (o engineObserver) LogReplaced(old, replacement event.Epoch) {
	o.Metrics.LogReplaced(old, replacement)
	o.logger.Error("the log of events was replaced: all streams are reset",
		zap.String("epoch", string(replacement)), zap.String("old_epoch", string(old)))
}

func (o engineObserver) LogOvertook(entries uint64) {
	o.Metrics.LogOvertook(entries)
	o.logger.Error("the log trimmed events before this node received them: streams are reset; raise history.* or find what slows the node down",
		zap.Uint64("events", entries))
}
