package server_test

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
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/cmd/carillon/internal/server"
	"carillon/cmd/carillon/internal/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPartThatFailsTakesTheServerDown(t *testing.T) {
	for name, cause := range map[string]error{"with an error": errors.New("broken"), "without an error": nil} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			records, logger, _, err := server.NewLogger(config.Log{Level: "info", Encoding: "json"}, &out)
			require.NoError(t, err)
			failure := server.NewFailure()
			app := fxtest.New(t, fx.Supply(logger, failure), fx.Invoke(func(l server.Lifecycle) {
				l.AppendRunner("healthy part", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
				l.AppendRunner("broken part", func(context.Context) error { return cause })
			}))
			app.RequireStart()
			<-failure.Failed()
			app.RequireStop()
			require.NoError(t, records.Close(t.Context()))
			assert.Contains(t, out.String(), `"msg":"a part of the server failed","part":"broken part"`)
			assert.Equal(t, 1, strings.Count(out.String(), "\n"), "no other record")
		})
	}
}

func TestPartThatDoesNotStop(t *testing.T) {
	release := make(chan struct{})
	app := fxtest.New(t, fx.Supply(zap.NewNop(), server.NewFailure()), fx.Invoke(func(l server.Lifecycle) {
		l.AppendRunner("stuck part", func(context.Context) error { <-release; return nil })
	}))
	app.RequireStart()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, app.Stop(ctx))
	close(release)
}

func TestListenerThatFailsTakesTheServerDown(t *testing.T) {
	s := servertest.Start(t, servertest.Options{Settings: []string{"ADMIN_ADDR="}})
	require.NoError(t, s.CloseListener())
	<-s.Failed()
	require.EqualError(t, s.Run(t.Context(), nil, nil), "a part of the server failed")
	assert.Equal(t, "failure", s.AwaitMessage(t, "carillon stopped")["reason"])
}
