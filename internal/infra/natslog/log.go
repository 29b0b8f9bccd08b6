package natslog

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

var _ pubsub.Log = (*Log)(nil)

// Log is the log on a stream of NATS JetStream. Its methods may be called concurrently.
type Log struct {
	cfg    Config
	prefix string
	logger *zap.Logger

	conn      *nats.Conn
	js        jetstream.JetStream
	closed    chan struct{} // closed when the connection is, for good
	closing   atomic.Bool
	downSince atomic.Int64 // when the connection was lost, in nanoseconds since 1970; zero: it is there

	view      view
	rollbacks chan event.Epoch // the epoch of a stream that was found to have lost its newest messages
	batches   chan struct{}    // a place for each batch in flight

	skips    skips
	warnings warnings
	durable  bool

	replicated atomic.Bool // the stream has more than one replica

	clock      atomic.Int64 // how far this node's clock is ahead, in nanoseconds
	clockIsOff atomic.Bool
}

const (
	// openTime bounds how long Open waits for the servers.
	openTime = 10 * time.Second
	// maxBatches is how many batches a node has in flight. JetStream takes 50 for a stream, from all nodes together.
	maxBatches = 16
)

// Open connects to the servers, and creates, updates or checks the stream. It waits some seconds for servers that are
// starting; what an operator must change it returns at once.
//
// The log notices changes of the stream while [Log.Run] runs. It is to be closed by [Log.Close].
func Open(cfg Config, logger *zap.Logger) (*Log, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.RequestTime = cmp.Or(cfg.RequestTime, time.Second)
	l := &Log{cfg: cfg, prefix: cfg.subjectPrefix(), logger: logger, rollbacks: make(chan event.Epoch, 1), batches: make(chan struct{}, maxBatches)}
	l.warnings.logger = logger
	l.skips.warnings.logger = logger
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	if err := attempt(ctx, l.open); err != nil {
		return nil, err
	}
	return l, nil
}

// attempt calls open until it succeeds, fails for good, or the context ends.
func attempt(ctx context.Context, open func(context.Context) error) error {
	for {
		err := open(ctx)
		if err == nil || isPermanent(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(retryTime):
		}
	}
}

// open connects and prepares the stream. After an error nothing is open.
func (l *Log) open(ctx context.Context) (err error) {
	l.closed = make(chan struct{})
	if err := l.connect(); err != nil {
		if isRefusal(err) {
			return permanent(err)
		}
		return err
	}
	defer func() {
		if err != nil {
			l.shut()
		}
	}()
	if l.js, err = jetstream.New(l.conn); err != nil {
		return err
	}
	if err = l.prepare(ctx); err != nil {
		return err
	}
	info, err := l.inspect(ctx)
	if err != nil {
		return err
	}
	l.durable = info.Config.Storage == jetstream.FileStorage
	l.logger.Info("history opened",
		zap.String("stream", l.cfg.Stream), zap.String("subjects", l.cfg.subjects()), zap.Int("replicas", info.Config.Replicas),
		zap.String("server", l.conn.ConnectedServerName()), zap.String("version", l.conn.ConnectedServerVersion()),
		zap.Uint64("events", info.State.Msgs), zap.Uint64("bytes", info.State.Bytes), zap.String("epoch", string(epochOf(info))))
	if info.Cluster != nil && info.Config.Replicas == 1 && l.conn.ConnectedClusterName() != "" {
		l.logger.Warn("the history is on one server of a NATS cluster only: while that server is away, nothing can be published; set history.nats.replicas to 3")
	}
	return nil
}

// isRefusal reports whether the servers refused the connection for a reason that does not pass by itself.
func isRefusal(err error) bool {
	for _, reason := range []error{nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrSecureConnRequired, nats.ErrSecureConnWanted, nats.ErrNkeysNotSupported} {
		if errors.Is(err, reason) {
			return true
		}
	}
	_, distrusted := errors.AsType[*tls.CertificateVerificationError](err)
	return distrusted
}

// Run watches the stream until the context ends.
func (l *Log) Run(ctx context.Context) error {
	ticker := time.NewTicker(checkInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			l.check(ctx)
		case epoch := <-l.rollbacks:
			l.renew(ctx, epoch)
		}
	}
}

// Close closes the connection. Run must have returned. The other methods fail from then on.
func (l *Log) Close() error {
	l.shut()
	return nil
}

func (l *Log) shut() {
	l.closing.Store(true)
	l.conn.Close()
	<-l.closed
	l.closing.Store(false)
}

// Durable reports whether the stream stores messages in files.
func (l *Log) Durable() bool { return l.durable }

// Extent implements [pubsub.Log].
func (l *Log) Extent() pubsub.Extent { return l.view.extent() }
