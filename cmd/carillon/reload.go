package main

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"carillon/internal/infra/tokens"
	"carillon/internal/transport/httpapi"
)

// reloadable are the sections and keys that may change while the server runs. All others need a restart.
var reloadable = []string{"log.level", "auth.", "http.cors.", "limits."}

// reloader reads the configuration again when it is told to. Streams do not notice.
type reloader struct {
	current *configuration
	file    string // as the command line had it
	level   zap.AtomicLevel
	tokens  *tokens.Verifier
	api     *httpapi.API
	log     *zap.Logger
}

// reload takes what may change, and says in the log what it took and what needs a restart. On an error everything
// stays as it was.
func (r *reloader) reload() {
	fresh, err := load(r.file, os.Environ())
	if err != nil {
		r.log.Error("configuration not reloaded: it is wrong", zap.Error(err))
		return
	}
	taken, waiting, err := changes(r.current.Settings, fresh.Settings)
	if err == nil {
		err = r.apply(fresh)
	}
	if err != nil {
		r.log.Error("configuration not reloaded", zap.Error(err))
		return
	}
	// What waits for a restart is compared with the next time as well, or it would be forgotten.
	r.current.Log.Level, r.current.Auth, r.current.Limits = fresh.Log.Level, fresh.Auth, fresh.Limits
	r.current.HTTP.CORS = fresh.HTTP.CORS
	r.log.Info("configuration reloaded", zap.Strings("taken", taken), zap.Strings("needs_restart", waiting))
	if slices.Contains(taken, "auth.publish_token") {
		announceToken(r.log, r.tokens)
	}
}

// apply hands each part what is new for it. Keys first: they are the only ones that can fail, because a file is read
// again.
func (r *reloader) apply(fresh *configuration) error {
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
	if err := r.api.Reload(fresh.HTTP.CORS, limits); err != nil {
		return err
	}
	r.level.SetLevel(level)
	return nil
}

// changes names the keys whose values differ: those that a running server takes, and those that need a restart.
func changes(before, after Settings) (taken, waiting []string, err error) {
	was, errWas := leaves(before)
	is, errIs := leaves(after)
	if err := errors.Join(errWas, errIs); err != nil {
		return nil, nil, err
	}
	for key, value := range is {
		switch {
		case reflect.DeepEqual(was[key], value):
		case slices.ContainsFunc(reloadable, func(prefix string) bool { return strings.HasPrefix(key, prefix) }):
			taken = append(taken, key)
		default:
			waiting = append(waiting, key)
		}
	}
	slices.Sort(taken)
	slices.Sort(waiting)
	return taken, waiting, nil
}
