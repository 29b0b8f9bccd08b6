package loadgen

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// openAhead bounds how many streams may wait for their first bytes, so that opening does not overflow the server's
	// accept queue, which would be measured as a slow server.
	openAhead = 256
	// openTimeout bounds the wait for the first bytes of all streams.
	openTimeout = 30 * time.Second
)

// subscribers are the open streams.
type subscribers struct {
	cfg     Config
	reader  reader        // reads the streams over HTTP/1.1
	http2   *http2Streams // opens and reads those over HTTP/2; nil without them
	all     []*subscriber
	opened  atomic.Int64
	ended   atomic.Int64
	failure atomic.Pointer[error] // the first, of opening

	delivered atomic.Int64
	lastNanos atomic.Int64

	mu        sync.Mutex // guards histogram; the reader of plain streams locks it once for many reads
	histogram *hdrhistogram.Histogram
}

// subscriber is one stream.
type subscriber struct {
	scan   scanner
	opened bool
	got    int64    // number of stamps; guarded by subscribers.mu
	conn   net.Conn // where Go reads a stream over HTTP/1.1, else nil
	fd     int      // where the reader does, else -1
}

func newSubscribers(cfg Config) (*subscribers, error) {
	s := &subscribers{cfg: cfg, all: make([]*subscriber, cfg.Streams)}
	if cfg.HTTP2 {
		s.http2 = newHTTP2Streams(s)
	}
	s.measure()
	return s, s.reader.start(s)
}

// measure resets the counters.
func (s *subscribers) measure() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.histogram = newHistogram()
	s.delivered.Store(0)
	for _, one := range s.all {
		if one != nil {
			one.got = 0
		}
	}
}

// missed compares the stamps of each stream that is read with the expected number. It counts for each stream, so that a
// repeat on one stream does not hide a loss on another.
func (s *subscribers) missed(wanted func(stream int) int64) (all, lost, repeated int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, one := range s.all[s.cfg.Stalled:] {
		want := wanted(s.cfg.Stalled + i)
		all += want
		lost += max(0, want-one.got)
		repeated += max(0, one.got-want)
	}
	return all, lost, repeated
}

func (s *subscribers) open(ctx context.Context) error {
	openOne := s.openOne
	if s.http2 != nil {
		openOne = s.http2.open
	}
	for i := range s.all {
		s.all[i] = &subscriber{fd: -1}
		if err := openOne(ctx, i); err != nil {
			return fmt.Errorf("stream %d of %d: %w", i+1, len(s.all), err)
		}
		if err := s.await(ctx, int64(i+1-openAhead)); err != nil {
			return err
		}
	}
	return s.await(ctx, int64(len(s.all)))
}

// openOne opens a stream on an HTTP/1.1 connection of its own. It does not wait for the response.
func (s *subscribers) openOne(ctx context.Context, i int) (err error) {
	one := s.all[i]
	if one.conn, err = dial(ctx, s.cfg); err != nil {
		return err
	}
	if _, err := one.conn.Write(s.request(i)); err != nil {
		return err
	}
	if i < s.cfg.Stalled {
		stall(one.conn)
		s.opened.Add(1)
		return nil
	}
	return s.reader.read(one)
}

// await waits until the given number of streams has received a response, and fails if one of them failed.
func (s *subscribers) await(ctx context.Context, opened int64) error {
	for deadline := time.Now().Add(openTimeout); ; {
		reached := s.opened.Load() >= opened // read first: a response counted here has stored its failure
		if failure := s.failure.Load(); failure != nil {
			return *failure
		}
		if reached {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d of %d streams opened within %s", s.opened.Load(), len(s.all), openTimeout)
		}
		if err := sleep(ctx, 200*time.Microsecond); err != nil {
			return err
		}
	}
}

func (s *subscribers) path(i int) string {
	return strings.ReplaceAll(s.cfg.SubscribePath, "{n}", strconv.Itoa(i%s.cfg.Topics))
}

func (s *subscribers) request(i int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n",
		s.path(i), s.cfg.URL.Host)
	_ = s.cfg.SubscribeHeader.Write(&b) // writing to a builder does not fail
	b.WriteString("\r\n")
	return []byte(b.String())
}

// responded counts a stream that received a response. status is the response's, for the error.
func (s *subscribers) responded(one *subscriber, status string, ok bool) {
	one.opened = true
	if !ok {
		s.fail(fmt.Errorf("a subscription was refused: %s", status))
	}
	s.opened.Add(1) // after the failure is stored: await reads the two in the opposite order
}

func (s *subscribers) fail(err error) { s.failure.CompareAndSwap(nil, &err) }

// take processes bytes that a stream received at a time. Only one goroutine may call it for a stream, with mu held.
func (s *subscribers) take(one *subscriber, b []byte, now time.Time) {
	if !one.opened {
		line, _, _ := strings.Cut(string(b[:min(len(b), 300)]), "\r\n")
		s.responded(one, line, strings.Contains(line, " 200 "))
	}
	nanos, count := now.UnixNano(), int64(0)
	one.scan.feed(b, func(stamp int64) {
		count++
		record(s.histogram, time.Duration(nanos-stamp))
	})
	if count > 0 {
		one.got += count
		s.delivered.Add(count)
		s.lastNanos.Store(nanos)
	}
}

func (s *subscribers) last() time.Time { return time.Unix(0, s.lastNanos.Load()) }

func (s *subscribers) latency() Latency {
	s.mu.Lock()
	defer s.mu.Unlock()
	return latencyOf(s.histogram)
}

func (s *subscribers) close() {
	s.reader.stop()
	if s.http2 != nil {
		s.http2.close()
	}
	for _, one := range s.all {
		if one != nil && one.conn != nil {
			_ = one.conn.Close()
		}
	}
	s.reader.wait()
}
