package pubsubtest

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// model is a log in a slice: what it keeps is a suffix of everything that was appended.
type model struct {
	limits  Limits
	epoch   event.Epoch
	all     []event.Entry
	trimmed int // how many of all are no longer kept
	keys    []modelKey
}

type modelKey struct {
	key  event.Key
	at   time.Time
	pos  event.Position
	data event.Data // in which events of a script differ
}

// append appends the events and compares with what the log returned.
func (m *model) append(events []event.Event, appended []pubsub.Appended, err error, now time.Time) error {
	m.keys = slices.DeleteFunc(m.keys, func(k modelKey) bool { return now.Sub(k.at) > m.limits.KeyWindow })
	if index := m.reused(events); index >= 0 {
		if reused, ok := errors.AsType[*pubsub.KeyReusedError](err); !ok || reused.Index != index {
			return fmt.Errorf("event %d has the key of another event, but the error is %w", index, err)
		}
		m.keys = m.keys[max(0, len(m.keys)-m.limits.Keys):]
		return nil
	}
	if err != nil {
		return err
	}
	if len(appended) != len(events) {
		return fmt.Errorf("%d results for %d events", len(appended), len(events))
	}
	for i, e := range events {
		position, repeated := appended[i].Position, appended[i].Repeated
		if at := m.find(m.keys, e.Key); at >= 0 {
			if position != m.keys[at].pos || !repeated {
				return fmt.Errorf("key %q: position %v, repeated %t, want %v", e.Key, position, repeated, m.keys[at].pos)
			}
			continue
		}
		if position.Epoch != m.epoch || position.Offset <= m.newest() || repeated {
			return fmt.Errorf("position %v, repeated %t, after %d", position, repeated, m.newest())
		}
		m.all = append(m.all, event.Entry{Position: position, Time: now, Event: e})
		if !e.Key.IsZero() {
			m.keys = append(m.keys, modelKey{e.Key, now, position, e.Data})
		}
	}
	m.keys = m.keys[max(0, len(m.keys)-m.limits.Keys):]
	return nil
}

func (m *model) find(keys []modelKey, key event.Key) int {
	return slices.IndexFunc(keys, func(k modelKey) bool { return k.key == key })
}

// reused returns the index of the first event whose key belongs to another event, or -1.
func (m *model) reused(events []event.Event) int {
	keys := slices.Clone(m.keys)
	return slices.IndexFunc(events, func(e event.Event) bool {
		at := m.find(keys, e.Key)
		if at < 0 && !e.Key.IsZero() {
			keys = append(keys, modelKey{key: e.Key, data: e.Data})
		}
		return at >= 0 && keys[at].data != e.Data
	})
}

func (m *model) newest() uint64 {
	if len(m.all) == 0 {
		return 0
	}
	return m.all[len(m.all)-1].Position.Offset
}

// kept returns what the log should keep: the longest suffix within the bounds.
func (m *model) kept(now time.Time) []event.Entry {
	var bytes int64
	n := len(m.all)
	for ; n > m.trimmed; n-- {
		e := m.all[n-1]
		bytes += int64(e.Event.Size())
		if len(m.all)-n >= m.limits.Events || bytes > m.limits.Bytes || now.Sub(e.Time) > m.limits.Age {
			break
		}
	}
	m.trimmed = n
	return m.all[n:]
}

func (m *model) extent(now time.Time) pubsub.Extent {
	extent := pubsub.Extent{Epoch: m.epoch, Oldest: m.newest() + 1, Newest: m.newest()}
	if kept := m.kept(now); len(kept) > 0 {
		extent.Oldest = kept[0].Position.Offset
	}
	return extent
}

// checkRead compares the result of a read.
func (m *model) checkRead(after uint64, limit int, got []event.Entry, err error, now time.Time) error {
	kept := m.kept(now)
	if m.trimmed > 0 && after < m.all[m.trimmed-1].Position.Offset {
		if !errors.Is(err, pubsub.ErrTrimmed) {
			return fmt.Errorf("read after %d: %d entries, error %w, want ErrTrimmed", after, len(got), err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read after %d: %w", after, err)
	}
	want := kept[indexAfter(kept, after):]
	return same(fmt.Sprintf("read after %d, limit %d", after, limit), got, want[:min(limit, len(want))])
}

// same returns an error if entries differ in position or text.
func same(what string, got, want []event.Entry) error {
	if !slices.Equal(positionsOf(got), positionsOf(want)) || !slices.Equal(texts(got), texts(want)) {
		return fmt.Errorf("%s: got %v %v, want %v %v", what, positionsOf(got), texts(got), positionsOf(want), texts(want))
	}
	return nil
}
