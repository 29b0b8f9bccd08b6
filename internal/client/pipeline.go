package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// frame is a message of the server about a frame of the client.
type frame struct {
	Published *struct {
		Ref int    `json:"ref"`
		ID  string `json:"id"`
	} `json:"published"`
	Problem *struct {
		Ref        *int   `json:"ref"`
		Status     int    `json:"status"`
		Code       string `json:"code"`
		Title      string `json:"title"`
		Detail     string `json:"detail"`
		Field      string `json:"field"`
		RetryAfter int    `json:"retry_after"`
	} `json:"problem"`
}

// problemInFrame returns the error of a message that is a problem.
func problemInFrame(text []byte) (error, bool) {
	if !bytes.HasPrefix(text, []byte(`{"problem":`)) {
		return nil, false
	}
	var f frame
	if _ = json.Unmarshal(text, &f); f.Problem == nil {
		return nil, false
	}
	p := f.problem()
	if p.passes() {
		return p, true
	}
	return &finalError{p}, true
}

func (f frame) problem() *ProblemError {
	return &ProblemError{
		Status: f.Problem.Status, Code: f.Problem.Code, Title: f.Problem.Title, Detail: f.Problem.Detail, Field: f.Problem.Field,
		RetryAfter: time.Duration(f.Problem.RetryAfter) * time.Second,
	}
}

// LineError is the error of one of many events.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return "line " + strconv.Itoa(e.Line) + ": " + e.Err.Error() }
func (e *LineError) Unwrap() error { return e.Err }

// PublishLines publishes many events over one WebSocket connection, in order, without waiting for one before the next is
// sent. Each line is a JSON object with topic, data, type, retry and key, as in a batch. The function acknowledged is
// called for each event that the log has, in order, with the number of its line from 1.
//
// It stops at the first line that is refused, with a [*LineError]; later lines may have been published, and are then
// acknowledged too. After any other error, lines that were sent and not acknowledged may have been published.
func (c *Client) PublishLines(ctx context.Context, trace string, lines iter.Seq2[[]byte, error], acknowledged func(line int, id string) error) error {
	req, err := c.request(ctx, http.MethodGet, nil)
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	if trace != "" {
		req.Header.Set("Traceparent", trace)
	}
	dialing, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	conn, err := c.dialSocket(dialing, req, maxResponse, func() {})
	if final, ok := errors.AsType[*finalError](err); ok {
		return final.error
	}
	if err != nil {
		return fmt.Errorf("publishing: %w", err)
	}
	p := pipeline{conn: conn, sent: make(chan error, 1), heard: make(chan heard)}
	reading, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer func() { _ = conn.CloseNow() }()
	defer stop()
	running.Go(func() { p.read(reading) })
	go p.send(ctx, lines) // ends with the connection, but for a read of the lines
	err = p.receive(ctx, acknowledged)
	if err == nil {
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}
	return err
}

// pipeline is a connection over which events are published.
type pipeline struct {
	conn  *websocket.Conn
	sent  chan error // receives once no more lines will be sent, with the error of the lines
	heard chan heard

	mu      sync.Mutex
	begun   int  // lines that are sent
	stopped bool // no more are
}

// heard is a message of the server, or the error that ended the connection.
type heard struct {
	frame

	err error
}

// send sends the lines.
func (p *pipeline) send(ctx context.Context, lines iter.Seq2[[]byte, error]) {
	for line, err := range lines {
		if err != nil {
			p.sent <- err
			return
		}
		number := p.begin()
		if number == 0 {
			return
		}
		if p.conn.Write(ctx, websocket.MessageText, publishFrame(number, line)) != nil {
			return // whoever reads gets the reason
		}
	}
	p.sent <- nil
}

// begin counts a line to send and returns its number, or 0 if no more are to be sent.
func (p *pipeline) begin() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return 0
	}
	p.begun++
	return p.begun
}

// end makes the sender stop, and returns how many lines it sent.
func (p *pipeline) end() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	return p.begun
}

// read reads messages until the connection or the context ends.
func (p *pipeline) read(ctx context.Context) {
	for {
		_, text, err := p.conn.Read(ctx)
		h := heard{err: err}
		if err == nil && json.Unmarshal(text, &h.frame) != nil {
			h.err = errResponse
		}
		select {
		case p.heard <- h:
		case <-ctx.Done():
			return
		}
		if h.err != nil {
			return
		}
	}
}

// receive waits for the answers. It returns the first error of a line, once all lines that were sent are answered.
func (p *pipeline) receive(ctx context.Context, acknowledged func(line int, id string) error) error {
	var failure error
	sent := p.sent
	for answered, total := 0, -1; answered != total; {
		select {
		case err := <-sent:
			sent, total = nil, p.end()
			if failure == nil {
				failure = err
			}
		case h := <-p.heard:
			switch {
			case h.err != nil:
				return lost(ctx, answered, errors.Join(failure, h.err))
			case h.Published != nil:
				answered++
				if err := acknowledged(h.Published.Ref, h.Published.ID); err != nil {
					return err
				}
			case h.Problem != nil && h.Problem.Ref != nil:
				answered++
				if failure == nil {
					failure = &LineError{Line: *h.Problem.Ref, Err: h.problem()}
					sent, total = nil, p.end()
				}
			case h.Problem != nil:
				return h.problem()
			}
		}
	}
	return failure
}

// lost returns the error of a connection that ended too early.
func lost(ctx context.Context, answered int, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the connection ended after %d lines were answered; later ones may have been published: %w", answered, err)
}

// publishFrame returns the frame for a line, which is a JSON object.
func publishFrame(ref int, line []byte) []byte {
	b := append(make([]byte, 0, len(line)+48), `{"publish":{"ref":`...)
	b = strconv.AppendInt(b, int64(ref), 10)
	if rest := bytes.TrimSpace(bytes.TrimSpace(line)[1:]); rest[0] != '}' {
		return append(append(append(b, ','), rest...), '}')
	}
	return append(b, "}}"...)
}
