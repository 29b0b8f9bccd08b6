package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/pubsub"
	"carillon/internal/transport/ws"
)

// lifecycle starts and stops components: in the order they are appended, and in the reverse order at the stop.
type lifecycle struct {
	fx.In

	Lifecycle fx.Lifecycle
	Failure   *failure
	Logger    *zap.Logger
}

// failure is set when a component fails.
type failure struct {
	once   sync.Once
	failed chan struct{} // closed at the first failure
}

func newFailure() *failure { return &failure{failed: make(chan struct{})} }

// fail reports that a component has failed, which ends the server.
func (l lifecycle) fail(part string, err error) {
	l.Logger.Error("a part of the server failed", zap.String("part", part), zap.Error(err))
	l.Failure.once.Do(func() { close(l.Failure.failed) })
}

// appendRunner runs a component from start to stop. If it returns before the stop, the server fails.
func (l lifecycle) appendRunner(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background()) // not the context of the start, which ends with the start
	done := make(chan struct{})
	l.Lifecycle.Append(fx.Hook{
		OnStart: func(context.Context) error {
			go func() {
				defer close(done)
				if err := run(ctx); ctx.Err() == nil {
					l.fail(name, err)
				} else if err != nil && !errors.Is(err, context.Canceled) {
					l.Logger.Warn("did not stop cleanly", zap.String("part", name), zap.Error(err))
				}
			}()
			return nil
		},
		OnStop: func(stop context.Context) error {
			cancel()
			return wait(stop, name, done)
		},
	})
}

// appendListener accepts connections from start to stop. Hijacked connections are not affected by the stop.
func (l lifecycle) appendListener(listener *listener) {
	done := make(chan struct{})
	l.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := listener.listen(ctx); err != nil {
				return err
			}
			go func() {
				defer close(done)
				if err := listener.serve(); !errors.Is(err, http.ErrServerClosed) {
					l.fail(listener.name, err)
				}
			}()
			return nil
		},
		OnStop: func(ctx context.Context) error {
			finishing := ctx
			if listener.grace > 0 {
				var cancel context.CancelFunc
				finishing, cancel = context.WithTimeout(ctx, listener.grace)
				defer cancel()
			}
			if err := listener.shutdown(finishing); err != nil {
				l.Logger.Warn("requests were cut off", zap.String("part", listener.name), zap.Error(err))
			}
			return wait(ctx, listener.name, done)
		},
	})
}

// appendDrain ends the streams before anything else stops. It must be appended last, so that it runs first: the HTTP
// server would wait for open streams, and readiness could not be queried meanwhile.
func (l lifecycle) appendDrain(cfg config.Drain, engine *pubsub.Engine, sockets *ws.Server) {
	l.Lifecycle.Append(fx.StopHook(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		streams := engine.Streams()
		period := cfg.Period(streams + sockets.Sockets())
		l.Logger.Info("draining", zap.Int("streams", streams), zap.Duration("period", period), zap.Duration("window", cfg.Window))
		var closing sync.WaitGroup
		defer closing.Wait()
		closing.Go(func() {
			if err := sockets.Drain(ctx, period); err != nil {
				l.Logger.Warn("drain was cut short", zap.Int("websockets", sockets.Sockets()), zap.Error(err))
			}
		})
		if err := engine.Drain(ctx, period); err != nil {
			l.Logger.Warn("drain was cut short", zap.Int("streams", engine.Streams()), zap.Error(err))
		}
	}))
}

func wait(ctx context.Context, name string, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s did not stop: %w", name, ctx.Err())
	}
}
