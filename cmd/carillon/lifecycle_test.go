package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/fx"
	"go.uber.org/fx/fxtest"
	"go.uber.org/zap"
)

func TestPartThatFailsTakesTheServerDown(t *testing.T) {
	for name, cause := range map[string]error{"with an error": errors.New("broken"), "without a word": nil} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log, _, err := newLogger(LogConfig{Level: "info", Encoding: "json"}, &out)
			require.NoError(t, err)
			app := fxtest.New(t, fx.Supply(log), fx.Invoke(func(p process) {
				p.background("healthy part", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
				p.background("bell", func(context.Context) error { return cause })
			}))
			down := app.Wait()
			app.RequireStart()
			assert.Equal(t, exitFailure, (<-down).ExitCode)
			app.RequireStop()
			assert.Contains(t, out.String(), `"msg":"a part of the server failed","part":"bell"`)
			assert.Equal(t, 1, strings.Count(out.String(), "\n"), "and nothing else")
		})
	}
}

func TestPartThatDoesNotStop(t *testing.T) {
	release := make(chan struct{})
	app := fxtest.New(t, fx.Supply(zap.NewNop()), fx.Invoke(func(p process) {
		p.background("bell", func(context.Context) error { <-release; return nil })
	}))
	app.RequireStart()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, app.Stop(ctx))
	close(release)
}

func TestListenerThatFailsTakesTheServerDown(t *testing.T) {
	c := defaults(t)
	c.HTTP.Addr, c.Admin.Addr = "127.0.0.1:0", ""
	var srv *listeningServer
	app := fxtest.New(t, options(c.Settings, capacity{}, zap.NewNop()), fx.Populate(&srv))
	down := app.Wait()
	app.RequireStart()
	require.NoError(t, srv.listener.Close())
	assert.Equal(t, exitFailure, (<-down).ExitCode)

	w := watch{log: zap.NewNop()}
	reason, failed := w.awaitEnd(t.Context(), app.App, nil, nil) // without a signal from anywhere
	assert.Equal(t, "failure", reason)
	assert.True(t, failed)
	app.RequireStop()
}

func TestPartsFitTogether(t *testing.T) {
	require.NoError(t, fx.ValidateApp(options(defaults(t).Settings, capacity{}, zap.NewNop())))
}
