package pubsub

import (
	"slices"
	"time"

	"carillon/internal/domain/event"
)

// Notices are what one stream is told beside the events of the log: the state of something, such as who subscribes to a
// topic. A notice has no position and is not replayed, and none is queued: a stream whose sink is full asks again when
// the sink has room, and gets the state of that time.
//
// The stream's shard calls the methods, one call at a time; none may block. A stream that is never attached calls none.
type Notices interface {
	// Begin is called when the stream is attached and counted in the index. [Stream.Notify] may be called from then on.
	Begin(s *Stream)
	// Next returns the next notice, or nil if there is nothing to tell now. It is called after Notify and whenever the
	// sink may have room again.
	Next() *Item
	// Taken reports that the sink took the notice that Next returned last.
	Taken()
	// End is called when the stream has ended.
	End()
}

// NewNotice returns an item that is not in the log: it has no position, and so no id on the wire. All streams that are
// sent the same notice share it, as they share the items of the window.
func NewNotice(topic event.Topic, kind event.Type, data event.Data) *Item {
	item := &Item{Entry: event.Entry{Time: time.Now(), Event: event.Event{Topics: []event.Topic{topic}, Type: kind, Data: data}}}
	item.size.Store(int64(item.Event.Size()))
	return item
}

// Notify makes the stream ask its [Notices] what is next. It may be called at any time after Begin, from any goroutine,
// and does not block.
func (s *Stream) Notify() {
	if !s.notifyPosted.Swap(true) {
		s.shard.post(message{stream: s, kind: msgNotify})
	}
}

// NotifyAll is [Stream.Notify] for many streams. It wakes each shard once, and not for each stream.
func NotifyAll(streams []*Stream) {
	var woken []*shard
	for _, s := range streams {
		if s.notifyPosted.Swap(true) {
			continue
		}
		if s.shard.enqueue(message{stream: s, kind: msgNotify}) && !slices.Contains(woken, s.shard) {
			woken = append(woken, s.shard)
		}
	}
	for _, s := range woken {
		s.wake()
	}
}

// notify sends the stream the notices that there are. It sends none while the sink is full: the sink calls
// [Stream.Ready] once it has room.
func (s *shard) notify(st *Stream) {
	if st.sub.Notices == nil {
		return
	}
	for st.state != stateNew && st.state != stateClosed && st.state != stateParked {
		item := st.sub.Notices.Next()
		if item == nil {
			return
		}
		taken, err := st.sink.Send([]*Item{item})
		if err != nil {
			s.end(st, EndFailed)
			return
		}
		if taken == 0 {
			return
		}
		st.lastWrite = s.wheel.tick
		st.sub.Notices.Taken()
	}
}
