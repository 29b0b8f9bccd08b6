package main

import (
	"errors"
	"fmt"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/access"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/adminapi"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/sockopt"
	"carillon/internal/transport/sse"
)

// Settings are all there are, in the sections of the configuration file. Each part is given its own and no more.
type Settings struct {
	HTTP    httpapi.Config      `mapstructure:"http"`
	Clock   timefeed.Config     `mapstructure:"clock"`
	Stream  StreamSettings      `mapstructure:"stream"`
	Window  pubsub.WindowConfig `mapstructure:"window"`
	History memlog.Config       `mapstructure:"history"`
	Limits  httpapi.Limits      `mapstructure:"limits"`
	Auth    tokens.Config       `mapstructure:"auth"`
	Admin   AdminSettings       `mapstructure:"admin"`
	Drain   DrainConfig         `mapstructure:"drain"`
	Log     LogConfig           `mapstructure:"log"`
}

// StreamSettings are what one stream is to its operator, whichever part of the server holds to it.
type StreamSettings struct {
	sse.Config      `mapstructure:",squash"`
	sockopt.Options `mapstructure:",squash"`

	Heartbeat time.Duration     `mapstructure:"heartbeat"`
	Slow      pubsub.SlowPolicy `mapstructure:"slow"`
	Shards    int               `mapstructure:"shards"`
}

// Validate names every key that is out of range, as far as the parts do.
func (s Settings) Validate() error {
	return errors.Join(
		s.HTTP.Validate(),
		s.Clock.Validate(),
		s.Stream.Config.Validate(),
		s.Stream.Options.Validate(),
		s.engine().Validate(), // window among it
		s.History.Validate(),
		s.Limits.Validate(),
		s.Auth.Validate(),
		s.Admin.config().Validate(),
		s.Drain.Validate(),
		s.Log.Validate(),
	)
}

// engine is what the fan-out engine takes, whose settings stand in two sections.
func (s Settings) engine() pubsub.Config {
	return pubsub.Config{Window: s.Window, Heartbeat: s.Stream.Heartbeat, Slow: s.Stream.Slow, Shards: s.Stream.Shards}
}

// shortHistory reports whether the window may reach as far back as the history: a client that was too slow for the one
// would then find nothing in the other.
func (s Settings) shortHistory() bool {
	w, h := s.Window, s.History
	return w.Events >= h.Events || w.Bytes >= h.Bytes || w.Age >= h.Age
}

// AdminSettings are where the admin listener stands and the secret it takes. Its keys live under "admin".
type AdminSettings struct {
	Addr  string        `mapstructure:"addr"`
	Token access.Secret `mapstructure:"token"`
}

func (s AdminSettings) config() adminapi.Config {
	return adminapi.Config{Addr: s.Addr, Token: s.Token.Reveal()}
}

// DrainConfig is how the server stops. Its keys live under "drain".
type DrainConfig struct {
	Window  time.Duration `mapstructure:"window"`
	Timeout time.Duration `mapstructure:"timeout"`
}

// Validate names the first key that is out of range.
func (c DrainConfig) Validate() error {
	switch {
	case c.Window < 0 || c.Window > time.Hour:
		return fmt.Errorf("drain.window: got %s, takes a duration from 0s to 1h", c.Window)
	case c.Timeout <= c.Window:
		return fmt.Errorf("drain.timeout: got %s, takes a duration longer than drain.window (%s)", c.Timeout, c.Window)
	}
	return nil
}
