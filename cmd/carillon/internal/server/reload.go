package server

import (
	"errors"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/publish"
	"carillon/internal/app/subscribe"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/httpapi"
)

// reloader applies changes of the configuration to a running server. Streams continue, except those whose rights are gone.
type reloader struct {
	current    *config.Configuration
	read       func() (*config.Configuration, error)
	level      zap.AtomicLevel
	tokens     *tokens.Verifier
	api        *httpapi.API
	publisher  *publish.Publisher
	subscriber *subscribe.Subscriber
	pair       serverCertificate
	logger     *zap.Logger
}

// reload applies what may change, and logs what it applied and what needs a restart. On an error nothing changes, except
// for the certificate, which is renewed whether or not the rest is valid.
func (r *reloader) reload() {
	r.pair.reload()
	fresh, err := r.read()
	if err != nil {
		r.logger.Error("configuration not reloaded: it is invalid", zap.Error(err))
		return
	}
	changes, err := config.Compare(r.current.Settings, fresh.Settings)
	if err == nil {
		err = r.apply(fresh.Settings)
	}
	if err != nil {
		r.logger.Error("configuration not reloaded", zap.Error(err))
		return
	}
	r.current.ApplyReloadable(fresh.Settings)
	r.logger.Info("configuration reloaded", zap.Strings("taken", changes.Reloadable), zap.Strings("needs_restart", changes.NeedsRestart))
	if slices.Contains(changes.Reloadable, "auth.publish_token") {
		logGeneratedToken(r.logger, r.tokens)
	}
}

// apply passes the new settings to the components. Keys come first: they are the only ones that can fail, because files
// are read again.
func (r *reloader) apply(fresh config.Settings) error {
	level, err := zapcore.ParseLevel(fresh.Log.Level)
	if err != nil {
		return err
	}
	if err := r.tokens.Reload(fresh.Auth); err != nil {
		return err
	}
	limits := fresh.Limits
	limit, limited := fileLimit()
	limits.MaxStreams = newCapacity(limits.MaxStreams, limit, limited).streams
	if err := errors.Join(
		r.api.Reload(fresh.HTTP.CORS), r.publisher.Reload(limits.PublishLimits), r.subscriber.Reload(limits.SubscribeLimits),
	); err != nil {
		return err
	}
	r.level.SetLevel(level)
	return nil
}
