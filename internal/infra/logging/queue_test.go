package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"carillon/internal/infra/logging"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// output takes writes while it is open; a closed one blocks them.
type output struct {
	mu      sync.Mutex
	gate    chan struct{} // closed while writes are accepted
	err     error
	written bytes.Buffer
	writes  int
}

func newOutput(open bool) *output {
	o := &output{gate: make(chan struct{})}
	if open {
		close(o.gate)
	}
	return o
}

func (o *output) Write(p []byte) (int, error) {
	<-o.gate
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	o.writes++
	return o.written.Write(p)
}

func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
}

// records returns what was written.
func (o *output) records(t *testing.T) []map[string]any {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []map[string]any
	for in := json.NewDecoder(bytes.NewReader(o.written.Bytes())); ; {
		var record map[string]any
		err := in.Decode(&record)
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		all = append(all, record)
	}
}

func start(out io.Writer) (*logging.Queue, *zap.Logger) {
	q := logging.Start(out, zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "msg", LevelKey: "level", EncodeLevel: zapcore.LowercaseLevelEncoder}))
	return q, zap.New(q.Core(zap.InfoLevel))
}

func TestRecordsAreWrittenInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(true)
		q, logger := start(out)
		logger.With(zap.String("a", "b")).Info("first")
		synctest.Wait()
		assert.Equal(t, []map[string]any{{"level": "info", "msg": "first", "a": "b"}}, out.records(t), "at once")
		for i := range 100 {
			logger.Info(fmt.Sprint(i))
		}
		logger.Debug("not enabled")
		synctest.Wait()
		assert.Len(t, out.records(t), 1)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		records := out.records(t)
		require.Len(t, records, 101)
		for i := range 100 {
			assert.Equal(t, fmt.Sprint(i), records[i+1]["msg"])
		}
		assert.Equal(t, 2, out.writes, "one write for many records")
		require.NoError(t, q.Close(t.Context()))
		assert.Zero(t, q.Dropped())
	})
}

// The process may end after an error.
func TestErrorsAreWrittenWithoutDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(true)
		q, logger := start(out)
		logger.Info("first")
		synctest.Wait()
		logger.Info("second")
		logger.Error("third")
		synctest.Wait()
		assert.Len(t, out.records(t), 3)
		require.NoError(t, q.Close(t.Context()))
	})
}

func TestFieldsAreEncodedAtTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(false)
		q, logger := start(out)
		text := []byte("before")
		logger.Info("x", zap.ByteString("text", text))
		copy(text, "after!")
		close(out.gate)
		require.NoError(t, q.Close(t.Context()))
		assert.Equal(t, "before", out.records(t)[0]["text"])
	})
}

func TestBlockedOutputDropsRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(false)
		q, logger := start(out)
		logger.Info("in the write")
		synctest.Wait()
		large := strings.Repeat("x", 1000)
		logged := 1
		for ; q.Dropped() < 500; logged++ {
			logger.Info(large)
		}
		close(out.gate)
		time.Sleep(time.Second)
		synctest.Wait()
		logger.Info("after")
		require.NoError(t, q.Close(t.Context()))
		records := out.records(t)
		require.Len(t, records, logged-500+2)
		report := records[len(records)-2]
		assert.Equal(t, map[string]any{"level": "warn", "msg": "log records dropped", "count": 500.0}, report)
		assert.Equal(t, "after", records[len(records)-1]["msg"])
		assert.Less(t, out.written.Len(), 1<<20+2000)
		assert.EqualValues(t, 500, q.Dropped())
	})
}

func TestFailedWriteCountsAsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(true)
		q, logger := start(out)
		out.fail(errors.New("full"))
		logger.Info("lost")
		logger.Info("lost as well")
		time.Sleep(time.Second)
		assert.EqualValues(t, 2, q.Dropped())
		out.fail(nil)
		logger.Info("after")
		require.NoError(t, q.Close(t.Context()))
		assert.Equal(t, []map[string]any{
			{"level": "info", "msg": "after"}, {"level": "warn", "msg": "log records dropped", "count": 2.0},
		}, out.records(t))
	})
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(false)
		q, logger := start(out)
		logger.Info("queued")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, q.Close(ctx), context.DeadlineExceeded)
		logger.Info("after Close")
		assert.EqualValues(t, 1, q.Dropped())
		close(out.gate)
		require.NoError(t, q.Close(t.Context()))
		assert.Equal(t, "queued", out.records(t)[0]["msg"])
	})
}

func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutput(false)
		q, logger := start(out)
		logger.Info("queued")
		require.EqualError(t, logger.Sync(), "log records could not be written within 1s")
		close(out.gate)
		logger.Info("queued as well")
		require.NoError(t, logger.Sync())
		assert.Len(t, out.records(t), 2)
		require.NoError(t, q.Close(t.Context()))
		require.NoError(t, logger.Sync(), "nothing to wait for")
	})
}

func BenchmarkInfo(b *testing.B) {
	q, logger := start(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		logger.Info("request", zap.String("method", "POST"), zap.Int("status", 201))
	}
	require.NoError(b, q.Close(b.Context()))
}
