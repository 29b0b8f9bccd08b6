package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

// errNoMessage means that no message is stored at an offset.
var errNoMessage = errors.New("no message is stored there")

const codeNoMessage = 10037

// message asks the stream's leader for one message.
func (l *Log) message(ctx context.Context, offset uint64) (stored, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.RequestTime)
	defer cancel()
	request, err := json.Marshal(map[string]uint64{"seq": offset})
	if err != nil {
		return stored{}, err
	}
	reply, err := l.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+l.cfg.Stream, request)
	if err != nil {
		return stored{}, unavailable(fmt.Errorf("message %d: %w", offset, err))
	}
	var answer struct {
		Error   *apiError `json:"error"`
		Message struct {
			Subject string    `json:"subject"`
			Seq     uint64    `json:"seq"`
			Header  []byte    `json:"hdrs"`
			Data    []byte    `json:"data"`
			Time    time.Time `json:"time"`
		} `json:"message"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return stored{}, unavailable(fmt.Errorf("message %d: %w", offset, err))
	}
	switch {
	case answer.Error != nil && answer.Error.ErrCode == codeNoMessage:
		return stored{}, errNoMessage
	case answer.Error != nil:
		return stored{}, unavailable(fmt.Errorf("message %d: %w", offset, answer.Error))
	}
	m := stored{subject: answer.Message.Subject, data: answer.Message.Data, offset: answer.Message.Seq, at: local(answer.Message.Time)}
	if len(answer.Message.Header) > 0 {
		if m.header, err = nats.DecodeHeadersMsg(answer.Message.Header); err != nil {
			return stored{}, unavailable(fmt.Errorf("message %d: %w", offset, err))
		}
	}
	return m, nil
}

// local returns a time as all entries have it, whichever way they came.
func local(t time.Time) time.Time { return time.Unix(0, t.UnixNano()) }

// One request for messages asks for no more than this, because the server sends them without waiting. A message larger
// than pageBytes is sent all the same.
const (
	pageMessages = 1024
	pageBytes    = 4 << 20
)

// Headers and status codes of the answers to a direct get (ADR-31 of NATS).
const (
	headerSubject  = "Nats-Subject"
	headerSequence = "Nats-Sequence"
	headerTime     = "Nats-Time-Stamp"
	statusEnd      = "204"
	statusNone     = "404"
	statusNobody   = "503"
)

// page asks any replica for the messages from an offset on, limit of them or fewer. A replica may lag: what was stored
// a moment ago may be missing.
func (l *Log) page(ctx context.Context, from uint64, limit int) ([]stored, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTime)
	defer cancel()
	request, err := json.Marshal(map[string]uint64{"seq": from, "batch": uint64(min(limit, pageMessages)), "max_bytes": pageBytes})
	if err != nil {
		return nil, err
	}
	inbox := l.conn.NewInbox()
	replies, err := l.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, unavailable(err)
	}
	defer func() { _ = replies.Unsubscribe() }() // it fails only when the connection is closed
	if err := replies.SetPendingLimits(math.MaxInt32, math.MaxInt32); err != nil {
		return nil, unavailable(err)
	}
	if err := l.conn.PublishRequest("$JS.API.DIRECT.GET."+l.cfg.Stream, inbox, request); err != nil {
		return nil, unavailable(err)
	}
	var page []stored
	for {
		msg, err := nextReply(ctx, replies, l.cfg.RequestTime)
		if err != nil {
			return nil, unavailable(fmt.Errorf("reading from %d: %w", from, err))
		}
		switch status := msg.Header.Get("Status"); status {
		case "":
		case statusEnd, statusNone:
			return page, nil
		case statusNobody:
			return nil, unavailable(nats.ErrNoResponders)
		default:
			return nil, unavailable(fmt.Errorf("reading from %d: status %s %s", from, status, msg.Header.Get("Description")))
		}
		m, err := directMessage(msg)
		if err != nil {
			return nil, unavailable(err)
		}
		page = append(page, m)
	}
}

// pageTime bounds one page. The replies must follow each other within Config.RequestTime.
const pageTime = 10 * time.Second

func nextReply(ctx context.Context, replies *nats.Subscription, within time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return replies.NextMsgWithContext(ctx)
}

// directMessage returns the message in an answer to a direct get.
func directMessage(msg *nats.Msg) (stored, error) {
	offset, err := strconv.ParseUint(msg.Header.Get(headerSequence), 10, 64)
	if err != nil {
		return stored{}, fmt.Errorf("%s: %w", headerSequence, err)
	}
	at, err := time.Parse(time.RFC3339Nano, msg.Header.Get(headerTime))
	if err != nil {
		return stored{}, fmt.Errorf("%s: %w", headerTime, err)
	}
	return stored{subject: msg.Header.Get(headerSubject), header: msg.Header, data: msg.Data, offset: offset, at: local(at)}, nil
}
