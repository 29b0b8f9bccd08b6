package servertest

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// WaitTimeout bounds every wait for something that should happen soon. It is long because test machines can be slow.
const WaitTimeout = 20 * time.Second

// Record is a log record.
type Record map[string]any

// Text returns the value of a key if it is text, else "".
func (r Record) Text(key string) string {
	text, _ := r[key].(string)
	return text
}

// Records collects log records in JSON that are written to it.
type Records struct {
	mu      sync.Mutex
	partial []byte // the start of a record
	all     []Record
	more    chan struct{} // closed, and replaced, when a record was added
	end     chan struct{} // closed when no more records follow
}

func newRecords() *Records {
	return &Records{more: make(chan struct{}), end: make(chan struct{})}
}

// Write implements [io.Writer].
func (r *Records) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.partial = append(r.partial, p...)
	for {
		line, rest, complete := bytes.Cut(r.partial, []byte("\n"))
		if !complete {
			return len(p), nil
		}
		r.partial = rest
		var record Record
		if json.Unmarshal(line, &record) == nil {
			r.all = append(r.all, record)
			close(r.more)
			r.more = make(chan struct{})
		}
	}
}

// Await returns the first record that fits, past or to come.
func (r *Records) Await(t testing.TB, what string, fits func(Record) bool) Record {
	t.Helper()
	timeout := time.After(WaitTimeout)
	ended := false
	for next := 0; ; {
		r.mu.Lock()
		all, more := r.all, r.more
		r.mu.Unlock()
		for ; next < len(all); next++ {
			if fits(all[next]) {
				return all[next]
			}
		}
		require.False(t, ended, "the server ended before it logged %s", what)
		select {
		case <-more:
		case <-r.end:
			ended = true // there may be records that have not been checked
		case <-timeout:
			require.FailNow(t, "the server does not log "+what)
		}
	}
}

// AwaitMessage returns the first record with a message, past or to come.
func (r *Records) AwaitMessage(t testing.TB, message string) Record {
	t.Helper()
	return r.Await(t, message, func(record Record) bool { return record["msg"] == message })
}

// AwaitMany waits until as many records fit.
func (r *Records) AwaitMany(t testing.TB, many int, what string, fits func(Record) bool) {
	t.Helper()
	found := 0
	r.Await(t, what, func(record Record) bool {
		if fits(record) {
			found++
		}
		return found == many
	})
}
