package main

import (
	"go.uber.org/zap"

	"carillon/internal/infra/metrics"
)

// clockObserver counts ticks and says in the log how their publishing goes.
type clockObserver struct {
	*metrics.Metrics

	log *zap.Logger
}

func (o clockObserver) Failing(err error) {
	o.log.Error("ticks cannot be published", zap.Error(err))
}

func (o clockObserver) Recovered(lost uint64) {
	o.log.Info("ticks are published again", zap.Uint64("lost", lost))
}
