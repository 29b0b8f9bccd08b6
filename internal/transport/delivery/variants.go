package delivery

import (
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// sharedTopics is up to how many topics an event may have for the frames with some of its topics to be kept: a kept
// frame takes memory for each of the 2^n selections. Nearly all events have so few. For an event with more, a subscriber
// that may not see all of them gets a frame that is made for it alone.
const sharedTopics = 3

// variants is an encoding of events for streams that may see different topics of the same event. Streams that see the
// same topics share the value.
type variants[T any] struct {
	encode  func(event.Entry) (T, int)
	all     *pubsub.Encoding[T]                    // with all topics, or for a format that shows none
	partial [1 << sharedTopics]*pubsub.Encoding[T] // by the set of topics; nil for a format that shows none
}

func newVariants[T any](showsTopics bool, encode func(event.Entry) (T, int)) *variants[T] {
	v := &variants[T]{encode: encode, all: pubsub.NewEncoding(encode)}
	if !showsTopics {
		return v
	}
	for set := range v.partial {
		v.partial[set] = pubsub.NewEncoding(func(e event.Entry) (T, int) {
			return encode(withTopics(e, func(i int, _ event.Topic) bool { return set&(1<<i) != 0 }))
		})
	}
	return v
}

// of returns the item as a stream may see it.
func (v *variants[T]) of(stream *pubsub.Stream, item *pubsub.Item) T {
	topics := item.Event.Topics
	if len(topics) == 1 || v.partial[0] == nil {
		return v.all.Of(item) // a stream that gets the event may see its only topic
	}
	seen, set := 0, 0
	for i, topic := range topics {
		if !stream.Sees(topic) {
			continue
		}
		seen++
		if i < sharedTopics {
			set |= 1 << i
		}
	}
	switch {
	case seen == len(topics):
		return v.all.Of(item)
	case len(topics) <= sharedTopics:
		return v.partial[set].Of(item)
	}
	value, _ := v.encode(withTopics(item.Entry, func(_ int, t event.Topic) bool { return stream.Sees(t) }))
	return value
}

// withTopics returns an entry with some of its topics.
func withTopics(e event.Entry, keep func(i int, t event.Topic) bool) event.Entry {
	var kept []event.Topic
	for i, topic := range e.Event.Topics {
		if keep(i, topic) {
			kept = append(kept, topic)
		}
	}
	e.Event.Topics = kept
	return e
}
