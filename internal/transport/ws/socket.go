package ws

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/coder/websocket"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// socket is one connection.
type socket struct {
	server *Server
	host   Host
	conn   *websocket.Conn
	wire   *wire
	ctx    context.Context //nolint:containedctx // ends with the connection, not with a request
	cancel context.CancelFunc
	ping   *time.Timer
	first  *time.Timer // ends a connection that sends nothing and has nothing

	// What follows belongs to the goroutine in run.

	credential *credential   // replaced as a whole: events wait to be published with the rights of their time
	rights     access.Rights // of the credential, for subscribing
	buffer     []byte

	mu         sync.Mutex // guards what follows
	outbox     outbox
	publishing publishing
	subs       map[string]*subscription
	awaiting   *subscribe.Request // the query's subscription, which needs a token first
	spoken     bool               // the client has sent a frame
	placeTaken bool               // a subscription shares the connection's place within the limits
	closing    *closing
	finished   bool
	changed    chan struct{}  // signalled when there is room for more answers
	background sync.WaitGroup // goroutines besides run
	published  int64
}

func newSocket(server *Server, conn *websocket.Conn, wire *wire, host Host, start Start) *socket {
	s := &socket{
		server: server, host: host, conn: conn, wire: wire,
		credential: newCredential(start.Token, start.Rights), rights: start.Rights,
		subs: make(map[string]*subscription), changed: make(chan struct{}, 1),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// run reads frames until the connection ends, and then ends all that belongs to it.
func (s *socket) run(start Start) {
	s.mu.Lock()
	s.ping = time.AfterFunc(s.server.cfg.Heartbeat, func() { s.inBackground(s.sendPing) })
	if start.Token == "" && start.Opened == nil {
		s.awaiting = start.Request
		s.first = time.AfterFunc(s.server.cfg.FirstFrame, s.endUnlessSpoken)
	}
	s.mu.Unlock()
	if start.Opened != nil {
		s.attach("", *start.Request, *start.Opened, s.takePlace())
	}
	for s.read() {
		s.waitForRoom()
	}
	s.finish()
}

// read reads one frame and does what it asks for. It reports false at the end of the connection.
func (s *socket) read() bool {
	kind, in, err := s.conn.Reader(s.ctx)
	if err != nil {
		return false
	}
	s.wire.inFrame.Store(true)
	s.buffer, err = readAll(in, s.buffer[:0])
	s.wire.inFrame.Store(false)
	if err != nil {
		return false
	}
	s.mu.Lock()
	s.spoken = true
	s.mu.Unlock()
	if kind != websocket.MessageText {
		s.shut(newClosing(websocket.StatusUnsupportedData, pubsub.EndGone, "binary", 0))
		return true // until the client has closed its side
	}
	s.handle(s.buffer)
	if cap(s.buffer) > keptBuffer {
		s.buffer = nil
	}
	return true
}

// keptBuffer is how large a buffer for frames may be to be kept between them.
const keptBuffer = 4 << 10

func readAll(in io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := in.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// handle does what a frame asks for.
func (s *socket) handle(text []byte) {
	f, about, err := parseFrame(text)
	switch {
	case s.isClosing(): // no answer would be written
	case err != nil:
		s.refuse(about, Speaking, err)
	case f.Publish != nil:
		s.queuePublish(f.Publish, len(text))
	case f.Subscribe != nil:
		if err := s.subscribe(f.Subscribe); err != nil {
			s.refuse(subject{sub: f.Subscribe.Name}, Subscribing, err)
		}
	case f.Unsubscribe != nil:
		if err := s.unsubscribe(f.Unsubscribe.Name); err != nil {
			s.refuse(subject{sub: f.Unsubscribe.Name}, Subscribing, err)
		}
	case f.Token != nil:
		s.authenticate(f.Token.Value)
	}
}

// refuse answers that something was refused.
func (s *socket) refuse(about subject, what Kind, err error) {
	if checkName(about.sub) != nil {
		about.sub = ""
	}
	s.answer(problemFrame(about, s.host.Refused(what, err)))
}

// refuseEvent answers that an event was refused. It has been counted as unacknowledged.
func (s *socket) refuseEvent(ref json.RawMessage, err error) []byte {
	return problemFrame(subject{ref: ref}, s.host.Refused(Publishing, err))
}

// endUnlessSpoken ends a connection that has no use yet and whose client sends nothing, or no token where one is needed.
func (s *socket) endUnlessSpoken() {
	s.mu.Lock()
	waiting := s.awaiting != nil
	useless := waiting || !s.spoken && len(s.subs) == 0
	s.mu.Unlock()
	if !useless {
		return
	}
	if waiting {
		s.inBackground(func() { s.refuse(subject{}, Subscribing, ErrNoToken) })
	}
	s.shut(newClosing(websocket.StatusPolicyViolation, pubsub.EndExpired, "unauthorized", 0))
}

// inBackground calls a function in this goroutine, which is not the one in run, unless the connection has ended; the
// end waits for it.
func (s *socket) inBackground(do func()) {
	s.mu.Lock()
	if s.finished {
		s.mu.Unlock()
		return
	}
	s.background.Add(1)
	s.mu.Unlock()
	defer s.background.Done()
	do()
}

// finish ends all that belongs to the connection.
func (s *socket) finish() {
	reason := s.wire.reason()
	s.mu.Lock()
	if s.closing != nil {
		reason = s.closing.why
	}
	s.finished = true
	s.ping.Stop()
	if s.first != nil {
		s.first.Stop()
	}
	for _, sub := range s.subs {
		sub.stream.End(reason)
	}
	s.mu.Unlock()
	s.cancel()
	_ = s.conn.CloseNow()
	s.background.Wait()
	s.host.Closed(Summary{Reason: reason, Published: s.published, Bytes: s.wire.written.Load()})
}

// sendPing asks whether the client is still there, if nothing was written for a while.
func (s *socket) sendPing() {
	interval := s.server.cfg.Heartbeat
	silent := s.wire.silent()
	if silent < interval {
		s.ping.Reset(interval - silent)
		return
	}
	limit := s.server.cfg.DeadAfter
	if limit == 0 {
		limit = interval
	}
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	err := s.conn.Ping(ctx)
	if err != nil && s.ctx.Err() == nil && s.server.cfg.DeadAfter > 0 && s.wire.silent() >= limit {
		s.lost(pubsub.EndDead)
		return
	}
	s.ping.Reset(interval)
}

// lost ends a connection whose client is no longer there.
func (s *socket) lost(why pubsub.EndReason) {
	s.mu.Lock()
	if s.closing == nil {
		s.closing = &closing{why: why}
	}
	s.mu.Unlock()
	s.cut()
}

// cut ends the connection without a word.
func (s *socket) cut() { s.cancel() }

func (s *socket) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing != nil
}

// errUnknown reports a subscription that there is not.
func errUnknown() error {
	return &event.InvalidError{Field: "name", Problem: "is not that of a subscription"}
}
