package natslog

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
)

// Config says where the log is and bounds it.
type Config struct {
	Connection

	// Bounds are those of the stream when the log manages it, and what the stream must at least keep otherwise. JetStream
	// does not bound the number of keys.
	Bounds pubsub.HistoryBounds
	// EventBytes and EventTopics are the largest event that may be appended: bytes of data, and number of topics. Larger
	// data of other programs is skipped.
	EventBytes  int
	EventTopics int
	// RequestTime bounds one request to NATS, which does not fail a request whose connection breaks. 0 means one second.
	RequestTime time.Duration
}

// Connection names the NATS servers and the stream. Its keys live under "history.nats".
type Connection struct {
	URL       []string      `mapstructure:"url"`
	Stream    string        `mapstructure:"stream"`
	Prefix    string        `mapstructure:"prefix"` // of the subjects; empty: the stream's name in lower case
	Manage    bool          `mapstructure:"manage"` // create and update the stream
	Replicas  int           `mapstructure:"replicas"`
	User      string        `mapstructure:"user"`
	Password  access.Secret `mapstructure:"password"`
	Token     access.Secret `mapstructure:"token"`
	CredsFile string        `mapstructure:"creds_file"`
	NKeyFile  string        `mapstructure:"nkey_file"`
	TLS       TLS           `mapstructure:"tls"`
}

// TLS configures the connection to NATS. Its keys live under "history.nats.tls".
type TLS struct {
	CAFile   string `mapstructure:"ca_file"`
	CertFile string `mapstructure:"cert_file"`
	KeyFile  string `mapstructure:"key_file"`
}

// What JetStream takes at most: messages in one atomic batch, and bytes of one message's headers.
const (
	MaxBatch  = 1000
	MaxTopics = 64 // their headers stay below 64 KiB
)

// shortest is the shortest age and duplicate window of a stream.
const shortest = 100 * time.Millisecond

// maxName is the longest name of a stream.
const maxName = 255

// Validate returns an error that names every key whose value is out of range.
func (c Config) Validate() error {
	problems := []error{c.Bounds.Validate()}
	check := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	check(len(c.URL) == 0, "history.nats.url: must name a server, such as nats://127.0.0.1:4222 (got nothing)")
	for i, text := range c.URL {
		if problem := checkURL(text); problem != "" {
			problems = append(problems, fmt.Errorf("history.nats.url[%d]: %s", i, problem))
		}
	}
	check(c.Stream == "" || len(c.Stream) > maxName || strings.ContainsFunc(c.Stream, notInName),
		"history.nats.stream: must be 1 to %d letters, digits, - and _ (got %q)", maxName, c.Stream)
	check(!validPrefix(c.subjectPrefix()),
		"history.nats.prefix: must be words of letters, digits, - and _, separated by dots (got %q)", c.Prefix)
	check(!slices.Contains([]int{1, 3, 5}, c.Replicas), "history.nats.replicas: must be 1, 3 or 5 (got %d)", c.Replicas)
	check(c.Bounds.Age > 0 && c.Bounds.Age < shortest, "history.age: must be at least %s with history.backend nats (got %s)", shortest, c.Bounds.Age)
	check(c.Bounds.KeyWindow > 0 && (c.Bounds.KeyWindow < shortest || c.Bounds.KeyWindow > c.Bounds.Age),
		"history.key_window: must be between %s and history.age, which is %s, with history.backend nats (got %s)",
		shortest, c.Bounds.Age, c.Bounds.KeyWindow)
	problems = append(problems, c.checkCredentials())
	check((c.TLS.CertFile == "") != (c.TLS.KeyFile == ""), "history.nats.tls.key_file: must be set together with history.nats.tls.cert_file (got %q and %q)",
		c.TLS.KeyFile, c.TLS.CertFile)
	check(c.EventTopics > MaxTopics, "limits.topics_per_event: must be at most %d with history.backend nats (got %d)", MaxTopics, c.EventTopics)
	return errors.Join(problems...)
}

// checkCredentials returns an error unless at most one kind of credentials is set.
func (c Connection) checkCredentials() error {
	var set []string
	for key, value := range map[string]string{
		"user": c.User, "token": c.Token.Reveal(), "creds_file": c.CredsFile, "nkey_file": c.NKeyFile,
	} {
		if value != "" {
			set = append(set, "history.nats."+key)
		}
	}
	slices.Sort(set)
	switch {
	case len(set) > 1:
		return fmt.Errorf("%s: must be the only credentials (got also %s)", set[0], strings.Join(set[1:], " and "))
	case c.Password.Reveal() != "" && c.User == "":
		return errors.New("history.nats.user: must be set together with history.nats.password (got nothing)")
	}
	return nil
}

// checkURL returns what is wrong with the address of a server. It does not repeat an address with a password.
func checkURL(text string) string {
	u, err := url.Parse(text)
	if err == nil && u.User != nil {
		return "must not contain a user or a token: set history.nats.user and history.nats.password, or history.nats.token"
	}
	if err != nil || !slices.Contains([]string{"nats", "tls", "ws", "wss"}, u.Scheme) || u.Hostname() == "" {
		return fmt.Sprintf("must be a URL such as nats://127.0.0.1:4222 or tls://nats.example.com (got %q)", text)
	}
	return ""
}

func notInName(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_'
}

func validPrefix(prefix string) bool {
	for word := range strings.SplitSeq(prefix, ".") {
		if word == "" || strings.ContainsFunc(word, notInName) {
			return false
		}
	}
	return len(prefix) <= maxName
}

// subjectPrefix returns the first words of all subjects.
func (c Connection) subjectPrefix() string {
	if c.Prefix == "" {
		return strings.ToLower(c.Stream)
	}
	return c.Prefix
}

// subjects returns the subjects of the stream.
func (c Connection) subjects() string { return c.subjectPrefix() + ".>" }

// maxMessage returns how many bytes the message of the largest event takes, with its headers.
func (c Config) maxMessage() int {
	const fixed, topic = 2048, 800 // type, key and what a batch adds; a topic of which every byte is escaped
	return c.EventBytes + fixed + c.EventTopics*topic
}
