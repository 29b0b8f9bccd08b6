package adminapi_test

import (
	"context"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// hangingEngine is an engine whose shards never handle a call.
type hangingEngine struct{}

func (hangingEngine) Inspect(context.Context, int) (pubsub.Snapshot, error) {
	return pubsub.Snapshot{}, context.DeadlineExceeded
}

func (hangingEngine) End(context.Context, pubsub.EndReason, func(pubsub.Subscription) bool) (int, error) {
	return 0, context.DeadlineExceeded
}

func (hangingEngine) Draining() bool { return false }

func (hangingEngine) LogAvailable() bool { return true }

func nopLog() *zap.Logger { return zap.NewNop() }
