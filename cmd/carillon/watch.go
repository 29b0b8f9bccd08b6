package main

import (
	"context"
	"os"
	"sync"
	"time"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// watch is what the process does while its parts run: hear signals, and tell its service manager that it is well.
type watch struct {
	log      *zap.Logger
	reloader reloader
	engine   *pubsub.Engine
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
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	if interval > 0 {
		watching.Go(func() { w.watchdog(ctx, interval, func() { tell("WATCHDOG=1") }) })
	}
	for down := app.Wait(); ; {
		select {
		case sig := <-signals:
			return sig.String(), false
		case end := <-down:
			if end.ExitCode != 0 {
				return "failure", true
			}
			<-signals // fx hears signals as well; ours is the same one, and must not count as the second
			return end.Signal.String(), false
		case <-hangups:
			tell(reloading())
			w.reloader.reload()
			tell("READY=1")
		}
	}
}

// watchdog tells, at each interval, that every shard of the engine answers; when one does not in time, it tells nothing.
func (w *watch) watchdog(ctx context.Context, interval time.Duration, alive func()) {
	every := time.NewTicker(interval)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		asking, cancel := context.WithTimeout(ctx, interval)
		err := w.engine.Ping(asking)
		cancel()
		switch {
		case err == nil:
			alive()
		case ctx.Err() == nil:
			w.log.Error("the engine does not answer", zap.Error(err))
		}
	}
}
