package natslog

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"carillon/internal/app/pubsub"
)

// Look implements [pubsub.Log].
func (l *Log) Look(ctx context.Context) (pubsub.Extent, error) {
	info, err := l.inspect(ctx)
	if err == nil {
		err = quorum(info)
	}
	if err != nil {
		return pubsub.Extent{}, ended(ctx, err)
	}
	first, last := bounds(info)
	return pubsub.Extent{Epoch: epochOf(info), Oldest: first, Newest: last}, nil
}

// ended returns the context's error if the context has ended, else the error.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// replicaTimeout is how long a replica may be silent before it counts as away.
const replicaTimeout = 5 * time.Second

// quorum returns an error unless the stream's leader is in touch with most replicas. One that is not still answers.
func quorum(info *jetstream.StreamInfo) error {
	if info.Cluster == nil || info.Config.Replicas == 1 {
		return nil
	}
	reached := 1
	for _, r := range info.Cluster.Replicas {
		if !r.Offline && r.Active < replicaTimeout {
			reached++
		}
	}
	if reached <= info.Config.Replicas/2 {
		return fmt.Errorf("%w: only %d of %d replicas of the stream can be reached", pubsub.ErrUnavailable, reached, info.Config.Replicas)
	}
	return nil
}
