package server

import (
	"go.uber.org/zap"

	"carillon/internal/infra/metrics"
)

// clockObserver counts ticks, and logs when publishing them starts to fail and when it succeeds again.
type clockObserver struct {
	*metrics.Metrics

	logger *zap.Logger
}

func (o clockObserver) Failing(err error) {
	o.logger.Error("ticks cannot be published", zap.Error(err))
}

func (o clockObserver) Recovered(lost uint64) {
	o.logger.Info("ticks are published again", zap.Uint64("lost", lost))
}
