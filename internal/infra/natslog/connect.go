package natslog

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/zap"
)

// The connection notices a server that is gone or paused within some seconds, and uses another one if there is one.
const (
	connectTime = 2 * time.Second
	pingTime    = 2 * time.Second
	pings       = 2 // unanswered ones that end the connection
	retryTime   = 250 * time.Millisecond
)

// connect opens the connection. It is kept open and is made anew for ever, until it is closed.
func (l *Log) connect() error {
	options := []nats.Option{
		nats.Name("carillon"),
		nats.Timeout(connectTime),
		nats.PingInterval(pingTime),
		nats.MaxPingsOutstanding(pings),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(retryTime),
		nats.ReconnectJitter(retryTime, retryTime),
		nats.ReconnectBufSize(-1), // what cannot be sent now fails now
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { l.disconnected(err) }),
		nats.ReconnectHandler(l.reconnected),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			l.warnings.warn("NATS refused something", zap.Error(err))
		}),
		nats.ClosedHandler(func(*nats.Conn) { close(l.closed) }),
	}
	credentials, err := l.cfg.options()
	if err != nil {
		return permanent(err)
	}
	l.conn, err = nats.Connect(strings.Join(l.cfg.URL, ","), append(options, credentials...)...)
	if err != nil {
		return fmt.Errorf("history.nats.url: cannot connect to %s: %w", strings.Join(l.cfg.URL, ", "), err)
	}
	return nil
}

func (l *Log) disconnected(err error) {
	l.downSince.CompareAndSwap(0, time.Now().UnixNano())
	if l.closing.Load() {
		return
	}
	l.logger.Warn("connection to NATS lost", zap.Error(err))
}

func (l *Log) reconnected(conn *nats.Conn) {
	l.downSince.Store(0)
	l.logger.Info("connected to NATS again", zap.String("server", conn.ConnectedServerName()), zap.String("version", conn.ConnectedServerVersion()))
	if err := checkVersion(conn.ConnectedServerVersion()); err != nil {
		l.logger.Warn("the NATS server is too old", zap.Error(err))
	}
}

// away reports whether there has been no connection for longer than patience. Requests are not worth a try then.
func (l *Log) away() bool {
	since := l.downSince.Load()
	return since != 0 && time.Since(time.Unix(0, since)) > patience
}

var errVersion = errors.New("must be 2.12.15 or later, or 2.14.5 or later: earlier ones lose or repeat messages after a restart")

// checkVersion returns an error for a server without the repairs that the log relies on.
func checkVersion(version string) error {
	var numbers [3]int
	plain, _, _ := strings.Cut(version, "-")
	for i, part := range strings.SplitN(plain, ".", len(numbers)) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return fmt.Errorf("NATS server: %w (got %q)", errVersion, version)
		}
		numbers[i] = n
	}
	major, minor, patch := numbers[0], numbers[1], numbers[2]
	good := major > 2 || major == 2 && (minor > 14 || minor == 14 && patch >= 5 || minor == 12 && patch >= 15)
	if !good {
		return fmt.Errorf("NATS server: %w (got %s)", errVersion, version)
	}
	return nil
}

// Conn returns the connection, so that other components can use the same servers until the log is closed.
func (l *Log) Conn() *nats.Conn { return l.conn }

// Prefix returns the first words of all subjects of the stream.
func (l *Log) Prefix() string { return l.prefix }
