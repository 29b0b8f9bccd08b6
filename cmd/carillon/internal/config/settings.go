package config

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/timefeed"
	"carillon/internal/domain/access"
	"carillon/internal/infra/telemetry"
	"carillon/internal/infra/tokens"
	"carillon/internal/transport/adminapi"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/sockopt"
)

// Settings are all settings, in the sections of the configuration file. Each component is given its own section and no
// other.
type Settings struct {
	HTTP     httpapi.Config      `mapstructure:"http"`
	Clock    timefeed.Config     `mapstructure:"clock"`
	Stream   Stream              `mapstructure:"stream"`
	Window   pubsub.WindowConfig `mapstructure:"window"`
	History  History             `mapstructure:"history"`
	Limits   Limits              `mapstructure:"limits"`
	Presence presence.Config     `mapstructure:"presence"`
	Auth     tokens.Config       `mapstructure:"auth"`
	Admin    Admin               `mapstructure:"admin"`
	Drain    Drain               `mapstructure:"drain"`
	Log      Log                 `mapstructure:"log"`
	Node     Node                `mapstructure:"node"`

	Telemetry telemetry.Config `mapstructure:"telemetry"`
}

// Node identifies this node among those of a cluster. Its keys live under "node".
type Node struct {
	Name string `mapstructure:"name"` // empty: the host name
}

// maxNodeName bounds the length of a node's name in bytes.
const maxNodeName = 64

// Validate returns an error if the name is too long or has characters that are not printable.
func (n Node) Validate() error {
	printable := !strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) })
	if len(n.Name) > maxNodeName || !printable || !utf8.ValidString(n.Name) {
		return fmt.Errorf("node.name: must be printable text of at most %d bytes (got %q)", maxNodeName, n.Name)
	}
	return nil
}

// Stream holds all settings of a stream, whichever component applies them. Its keys live under "stream".
type Stream struct {
	delivery.Config `mapstructure:",squash"`
	sockopt.Options `mapstructure:",squash"`

	Heartbeat time.Duration     `mapstructure:"heartbeat"`
	Slow      pubsub.SlowPolicy `mapstructure:"slow"`
	Shards    int               `mapstructure:"shards"`
}

// Validate returns an error for every key that is out of range, as far as the components report them.
func (s Settings) Validate() error {
	return errors.Join(
		s.HTTP.Validate(),
		s.Clock.Validate(),
		s.Stream.Config.Validate(),
		s.Stream.Options.Validate(),
		s.Engine().Validate(), // includes the window
		s.validateHistory(),
		s.Limits.Validate(),
		s.Presence.Validate(),
		s.Auth.Validate(),
		s.Admin.API().Validate(),
		s.Drain.Validate(),
		s.Log.Validate(),
		s.Node.Validate(),
		s.Telemetry.Validate(),
	)
}

// Engine returns the configuration of the engine, which spans two sections.
func (s Settings) Engine() pubsub.Config {
	return pubsub.Config{Window: s.Window, Heartbeat: s.Stream.Heartbeat, Slow: s.Stream.Slow, Shards: s.Stream.Shards, Fill: s.Window.Events}
}

// ShortHistory reports whether the window may reach as far back as the history. A stream that falls out of the window is
// fed from the history, which then no longer has what it needs either.
func (s Settings) ShortHistory() bool {
	w, h := s.Window, s.History
	return w.Events >= h.Events || w.Bytes >= h.Bytes || w.Age >= h.Age
}

// ShortGrace reports whether a client may be told to reconnect after the time that members are given to do so.
func (s Settings) ShortGrace() bool { return s.Presence.Grace <= 2*s.Stream.Retry }

// Admin configures the admin listener. Its keys live under "admin".
type Admin struct {
	Addr  string        `mapstructure:"addr"`
	Token access.Secret `mapstructure:"token"`
}

// API returns the configuration of the admin interface.
func (a Admin) API() adminapi.Config {
	return adminapi.Config{Addr: a.Addr, Token: a.Token.Reveal()}
}

// Drain configures how the server stops. Its keys live under "drain".
type Drain struct {
	Rate    int           `mapstructure:"rate"` // streams ended per second; 0: as many as the window needs
	Window  time.Duration `mapstructure:"window"`
	Timeout time.Duration `mapstructure:"timeout"`
}

// Validate returns an error for the first key that is out of range.
func (d Drain) Validate() error {
	switch {
	case d.Rate < 0 || d.Rate > 1_000_000:
		return fmt.Errorf("drain.rate: must be between 0 and 1000000 (got %d)", d.Rate)
	case d.Window < 0 || d.Window > time.Hour:
		return fmt.Errorf("drain.window: must be between 0s and 1h (got %s)", d.Window)
	case d.Timeout <= d.Window:
		return fmt.Errorf("drain.timeout: must be longer than drain.window, which is %s (got %s)", d.Window, d.Timeout)
	}
	return nil
}

// Period returns how long ending a number of streams takes. A few streams end at once: their clients cannot overload
// another node, and the sooner the process ends, the sooner its successor serves them.
func (d Drain) Period(streams int) time.Duration {
	if d.Rate == 0 {
		return d.Window
	}
	return min(d.Window, time.Duration(float64(streams)/float64(d.Rate)*float64(time.Second)))
}

// Log configures the log records of the server. Its keys live under "log".
type Log struct {
	Level    string `mapstructure:"level"`
	Encoding string `mapstructure:"encoding"`
}

// Encodings of log records.
const (
	EncodingAuto    = "auto" // console if the output is a terminal, else JSON
	EncodingJSON    = "json"
	EncodingConsole = "console"
)

// Validate returns an error for the first key that is out of range.
func (l Log) Validate() error {
	switch l.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level: must be debug, info, warn or error (got %q)", l.Level)
	}
	switch l.Encoding {
	case EncodingAuto, EncodingJSON, EncodingConsole:
	default:
		return fmt.Errorf("log.encoding: must be auto, json or console (got %q)", l.Encoding)
	}
	return nil
}
