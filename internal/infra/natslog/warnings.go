package natslog

import (
	"sync"
	"time"

	"go.uber.org/zap"

	"carillon/internal/domain/event"
)

// warnings are log records that may be many: at most one in warnInterval is written, with how many were not.
type warnings struct {
	logger *zap.Logger

	mu   sync.Mutex
	next time.Time
	left int
}

const warnInterval = 10 * time.Second

func (w *warnings) warn(text string, fields ...zap.Field) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.Before(w.next) {
		w.left++
		return
	}
	if w.left > 0 {
		fields = append(fields, zap.Int("more_before", w.left))
	}
	w.next, w.left = now.Add(warnInterval), 0
	w.logger.Warn(text, fields...)
}

// skips counts the messages that are no events, each once, whoever comes across it.
type skips struct {
	warnings warnings

	mu      sync.Mutex
	epoch   event.Epoch
	highest uint64
	count   uint64
}

// note counts a message that is no event. The log record has its offset and the problem, and nothing that its publisher
// wrote.
func (s *skips) note(epoch event.Epoch, offset uint64, problem error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if epoch == s.epoch && offset <= s.highest {
		return
	}
	s.epoch, s.highest = epoch, offset
	s.count++
	s.warnings.warn("skipped a message that is no event", zap.Uint64("offset", offset), zap.Error(problem))
}

// Skipped returns how many messages were skipped because they are no events.
func (l *Log) Skipped() uint64 {
	l.skips.mu.Lock()
	defer l.skips.mu.Unlock()
	return l.skips.count
}
