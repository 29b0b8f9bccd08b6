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
	// readBuffer is the size of a read.
	readBuffer = 64 << 10
)

// subscribers are the open streams.
type subscribers struct {
	cfg     Config
	reader  reader
	all     []*subscriber
	opened  atomic.Int64
	ended   atomic.Int64
	refusal atomic.Pointer[string]

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
	conn   net.Conn // where Go reads the stream, else nil
	fd     int      // where the reader does, else -1
}

func newSubscribers(cfg Config) (*subscribers, error) {
	s := &subscribers{cfg: cfg, all: make([]*subscriber, cfg.Streams)}
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
	for i := range s.all {
		conn, err := dial(ctx, s.cfg)
		if err != nil {
			return fmt.Errorf("stream %d of %d: %w", i+1, len(s.all), err)
		}
		one := &subscriber{conn: conn, fd: -1}
		s.all[i] = one
		if _, err := conn.Write(s.request(i)); err != nil {
			return fmt.Errorf("stream %d of %d: %w", i+1, len(s.all), err)
		}
		if i < s.cfg.Stalled {
			stall(conn)
			s.opened.Add(1)
			continue
		}
		if err := s.reader.read(one); err != nil {
			return err
		}
		if err := s.await(ctx, int64(i+1-openAhead)); err != nil {
			return err
		}
	}
	return s.await(ctx, int64(len(s.all)))
}

// await waits until the given number of streams has received a response, and fails if one of them was refused.
func (s *subscribers) await(ctx context.Context, opened int64) error {
	for deadline := time.Now().Add(openTimeout); ; {
		reached := s.opened.Load() >= opened // read first: a response counted here has stored its refusal
		if refusal := s.refusal.Load(); refusal != nil {
			return fmt.Errorf("a subscription was refused: %s", *refusal)
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

func (s *subscribers) request(i int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: text/event-stream\r\n",
		strings.ReplaceAll(s.cfg.SubscribePath, "{n}", strconv.Itoa(i%s.cfg.Topics)), s.cfg.URL.Host)
	_ = s.cfg.SubscribeHeader.Write(&b) // writing to a builder does not fail
	b.WriteString("\r\n")
	return []byte(b.String())
}

// take processes bytes that a stream received at a time. Only one goroutine may call it for a stream, with mu held.
func (s *subscribers) take(one *subscriber, b []byte, now time.Time) {
	if !one.opened {
		one.opened = true
		if line, _, _ := strings.Cut(string(b[:min(len(b), 300)]), "\r\n"); !strings.Contains(line, " 200 ") {
			s.refusal.CompareAndSwap(nil, &line)
		}
		s.opened.Add(1) // after the refusal is stored: await reads the two in the opposite order
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
	for _, one := range s.all {
		if one != nil && one.conn != nil {
			_ = one.conn.Close()
		}
	}
	s.reader.wait()
}

// stall reduces the receive buffer, so that a stream that is never read fills up soon.
func stall(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetReadBuffer(4096)
	}
}

// readWithGo reads a stream from a goroutine of its own until it ends.
func (s *subscribers) readWithGo(one *subscriber) {
	buffer := make([]byte, readBuffer)
	for {
		n, err := one.conn.Read(buffer)
		if n > 0 {
			s.mu.Lock()
			s.take(one, buffer[:n], time.Now())
			s.mu.Unlock()
		}
		if err != nil {
			s.ended.Add(1)
			return
		}
	}
}
