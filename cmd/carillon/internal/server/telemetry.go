package server

import (
	"context"

	"go.opentelemetry.io/otel/trace"
	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/telemetry"
)

// traces are the traces of requests. The zero value is that of a server that sends none.
type traces struct{ *telemetry.Traces }

// telemetryModule sends traces, if that is configured.
func telemetryModule(s config.Settings) fx.Option {
	return fx.Module("telemetry",
		fx.Provide(func(b Build, logger *zap.Logger) (traces, error) {
			if !s.Telemetry.Enabled() {
				return traces{}, nil
			}
			logger = logger.Named("telemetry")
			t, err := telemetry.New(context.Background(), s.Telemetry, telemetry.Service{Version: b.Version, Node: nodeName(s.Node)}, telemetry.Events{
				Failing:   func(err error) { logger.Warn("traces cannot be sent", zap.Error(err)) },
				Recovered: func(lost int) { logger.Info("traces are sent again", zap.Int("lost", lost)) },
			})
			return traces{t}, err
		}),
	)
}

// tracer returns what records requests, or nil if none are.
func (t traces) tracer() trace.Tracer {
	if t.Traces == nil {
		return nil
	}
	return t.Tracer()
}
