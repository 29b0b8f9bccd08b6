//go:build !linux

package sse

import (
	"context"
	"net/http"

	"carillon/internal/app/pubsub"
)

// taker takes nothing over where there is no poller for it: every stream is written by its handler's goroutine.
type taker struct{}

func (*taker) open() error              { return nil }
func (*taker) takes(*http.Request) bool { return false }

func (*taker) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (*Server) takeOver(http.ResponseWriter, coding, *pubsub.Stream, Observer) error {
	return http.ErrNotSupported
}
