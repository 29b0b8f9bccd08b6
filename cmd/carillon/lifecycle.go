package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
)

// process is what the parts' lives hang on: hooks run in the order they are appended, and backwards at the stop.
type process struct {
	fx.In

	Lifecycle fx.Lifecycle
	Down      fx.Shutdowner
	Log       *zap.Logger
}

// background runs a part from start to stop. A part that ends by itself takes the server down, in order.
func (p process) background(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background()) // not the start's own, which ends with the start
	done := make(chan struct{})
	p.Lifecycle.Append(fx.Hook{
		OnStart: func(context.Context) error {
			go func() {
				defer close(done)
				if err := run(ctx); ctx.Err() == nil {
					p.fail(name, err)
				} else if err != nil && !errors.Is(err, context.Canceled) {
					p.Log.Warn("did not stop cleanly", zap.String("part", name), zap.Error(err))
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

// fail takes the server down because a part of it is gone.
func (p process) fail(part string, err error) {
	p.Log.Error("a part of the server failed", zap.String("part", part), zap.Error(err))
	if err := p.Down.Shutdown(fx.ExitCode(exitFailure)); err != nil {
		p.Log.Debug("asking to stop", zap.Error(err)) // somebody else asked first
	}
}

// serve accepts connections from start to stop. Those that were hijacked are not its concern.
func (p process) serve(srv *listeningServer) {
	done := make(chan struct{})
	p.Lifecycle.Append(fx.Hook{
		OnStart: func(ctx context.Context) error {
			if err := srv.listen(ctx); err != nil {
				return err
			}
			go func() {
				defer close(done)
				if err := srv.serve(); !errors.Is(err, http.ErrServerClosed) {
					p.fail(srv.name, err)
				}
			}()
			return nil
		},
		OnStop: func(ctx context.Context) error {
			finishing := ctx
			if srv.grace > 0 {
				var cancel context.CancelFunc
				finishing, cancel = context.WithTimeout(ctx, srv.grace)
				defer cancel()
			}
			if err := srv.http.Shutdown(finishing); err != nil {
				p.Log.Warn("requests were cut off", zap.String("part", srv.name), zap.Error(err))
				_ = srv.http.Close() // an error of its own would say no more
			}
			return wait(ctx, srv.name, done)
		},
	})
}

// drain ends the streams before anything else stops. It must be appended last, so that it comes first: until the
// streams have ended, the HTTP server would wait for them, and readiness could not be asked.
func (p process) drain(cfg DrainConfig, pub *pubsub.Engine) {
	p.Lifecycle.Append(fx.StopHook(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
		defer cancel()
		p.Log.Info("draining", zap.Int("streams", pub.Streams()), zap.Duration("window", cfg.Window))
		if err := pub.Drain(ctx, cfg.Window); err != nil {
			p.Log.Warn("drain was cut short", zap.Int("streams", pub.Streams()), zap.Error(err))
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
