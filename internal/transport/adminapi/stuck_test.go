package adminapi_test

import (
	"context"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// stuck is an engine whose shards do not get to answer.
type stuck struct{}

func (stuck) Inspect(context.Context, int) (pubsub.Snapshot, error) {
	return pubsub.Snapshot{}, context.DeadlineExceeded
}

func (stuck) End(context.Context, pubsub.EndReason, func(pubsub.Subscription) bool) (int, error) {
	return 0, context.DeadlineExceeded
}

func (stuck) Draining() bool { return false }

func nopLog() *zap.Logger { return zap.NewNop() }
