package main

import (
	"context"
	"os"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// watch is what the process does while its parts run: hear signals, and tell its service manager that it is well.
type watch struct {
	log      *zap.Logger
	reloader reloader
	engine   *pubsub.Publisher
}

// awaitEnd waits for a signal to stop, or for a part to fail.
func (w *watch) awaitEnd(ctx context.Context, app *fx.App, signals, hangups <-chan os.Signal) (reason string, failed bool) {
	manager, interval := newManager()
	tell := func(state string) {
		if err := manager.tell(state); err != nil {
			w.log.Warn("service manager not told", zap.Error(err))
		}
	}
	tell("READY=1")
	defer tell("STOPPING=1")
	var watchdog <-chan time.Time
	if interval > 0 {
		every := time.NewTicker(interval)
		defer every.Stop()
		watchdog = every.C
	}
	for {
		select {
		case sig := <-signals:
			return sig.String(), false
		case down := <-app.Wait():
			if down.Signal == nil {
				return "failure", true
			}
			<-signals // fx hears signals as well; ours is the same one, and must not count as the second
			return down.Signal.String(), false
		case <-hangups:
			tell(reloading())
			w.reloader.reload()
			tell("READY=1")
		case <-watchdog:
			if w.alive(ctx, interval) {
				tell("WATCHDOG=1")
			}
		}
	}
}

// alive reports whether every shard of the engine answers in time.
func (w *watch) alive(ctx context.Context, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := w.engine.Answers(ctx)
	if err != nil {
		w.log.Error("the engine does not answer", zap.Error(err))
	}
	return err == nil
}
