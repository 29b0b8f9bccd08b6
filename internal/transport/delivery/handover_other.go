//go:build !linux

package delivery

import (
	"context"
	"net/http"

	"carillon/internal/app/pubsub"
)

// handover takes over no connections where there is no poller for them: every stream is written by goroutines.
type handover struct{}

func (*handover) open() error                 { return nil }
func (*handover) supports(*http.Request) bool { return false }

func (*handover) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*Transport) takeOver(http.ResponseWriter, *http.Request, body, *pubsub.Stream, Observer) error {
	return http.ErrNotSupported
}
