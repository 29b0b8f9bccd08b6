package loadgen

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// publishTimeout bounds one publish.
const publishTimeout = 30 * time.Second

// counter counts published events, in total and by topic, because only the streams of a topic receive its events.
type counter struct {
	ok      atomic.Int64
	failed  atomic.Int64
	mu      sync.Mutex // guards the following fields
	byTopic map[int]int64
	took    *hdrhistogram.Histogram // from when an accepted event was due until its response arrived
}

// accepted counts an event that the server accepted.
func (c *counter) accepted(took time.Duration) {
	c.ok.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.took == nil {
		c.took = newHistogram()
	}
	record(c.took, took)
}

func (c *counter) latency() Latency {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.took == nil {
		return Latency{}
	}
	return latencyOf(c.took)
}

func (c *counter) add(topic int, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byTopic == nil {
		c.byTopic = make(map[int]int64)
	}
	c.byTopic[topic] += n
}

// wanted returns how many deliveries are expected on stream i, which subscribes to topic i mod Topics.
func (c *counter) wanted(cfg Config, i int) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byTopic[i%cfg.Topics] * int64(strings.Count(cfg.Body, stampPlaceholder))
}

// publishAll publishes from all publishers until the duration is over. It returns an error when a publish fails or is
// refused before the server has accepted any; later failures are counted.
func publishAll(ctx context.Context, cfg Config, start time.Time, count *counter) error {
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	var working sync.WaitGroup
	requests := newRequestTemplate(cfg)
	for w := range cfg.Publishers {
		working.Go(func() {
			if err := publishFrom(ctx, cfg, requests, w, start, count); err != nil {
				refuse(err)
			}
		})
	}
	working.Wait()
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause
	}
	return nil
}

func publishFrom(ctx context.Context, cfg Config, requests *requestTemplate, worker int, start time.Time, count *counter) error {
	p := &publisher{cfg: cfg, requests: requests}
	defer p.disconnect()
	mine := make(map[int]int64)
	defer func() {
		for topic, n := range mine {
			count.add(topic, n)
		}
	}()
	end := start.Add(cfg.Duration)
	for i := worker; ctx.Err() == nil; i += cfg.Publishers {
		due := time.Now()
		if cfg.Rate > 0 {
			due = start.Add(time.Duration(float64(i) / cfg.Rate * float64(time.Second)))
		}
		if !due.Before(end) {
			break
		}
		if wait := time.Until(due); wait > 0 && sleep(ctx, wait) != nil {
			break
		}
		topic := i % cfg.Topics
		status, text, err := p.publish(ctx, topic, due)
		switch {
		case err != nil && ctx.Err() != nil: // the end of the context has closed the connection
		case err != nil:
			if count.failed.Add(1); count.ok.Load() == 0 {
				return fmt.Errorf("a publish failed: %w", err)
			}
			p.disconnect()
		case status < 200 || status > 299:
			if count.failed.Add(1); count.ok.Load() == 0 {
				return fmt.Errorf("a publish was refused with status %d: %s", status, text)
			}
		default:
			count.accepted(time.Since(due))
			mine[topic]++
		}
	}
	return nil
}

// publisher is one publishing connection.
type publisher struct {
	cfg      Config
	requests *requestTemplate
	conn     net.Conn
	stop     func() bool // stops closing the connection at the end of the context
	reader   *bufio.Reader
	out      []byte
}

func (p *publisher) publish(ctx context.Context, topic int, due time.Time) (status int, body string, err error) {
	if p.conn == nil {
		if p.conn, err = dial(ctx, p.cfg); err != nil {
			return 0, "", err
		}
		p.reader = bufio.NewReader(p.conn)
		conn := p.conn
		p.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	}
	_ = p.conn.SetDeadline(time.Now().Add(publishTimeout)) // an error here is followed by one of the write
	p.out = p.requests.append(p.out[:0], topic, due)
	if _, err := p.conn.Write(p.out); err != nil {
		return 0, "", fmt.Errorf("publishing: %w", err)
	}
	response, err := http.ReadResponse(p.reader, nil)
	if err != nil {
		return 0, "", fmt.Errorf("reading the response: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		_, err := io.Copy(io.Discard, response.Body)
		return response.StatusCode, "", err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	return response.StatusCode, string(text), err
}

func (p *publisher) disconnect() {
	if p.conn != nil {
		p.stop()
		_ = p.conn.Close()
		p.conn = nil
	}
}
