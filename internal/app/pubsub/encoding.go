package pubsub

import "carillon/internal/domain/event"

// Encoding is one representation of events that a transport shares between its streams: usually the bytes of a wire
// format, with whatever else is needed to send them. The engine does not interpret the value; the Encoding itself
// is the key under which an [Item] keeps it. A transport makes each of its encodings once, when it starts.
//
// All methods may be called concurrently.
type Encoding[T any] struct {
	key    encodingKey
	encode func(event.Entry) (value T, bytes int)
}

// NewEncoding returns an encoding. The function encode returns the value for an entry and how many bytes of memory the
// value takes; they count towards the bytes of the window.
func NewEncoding[T any](encode func(event.Entry) (value T, bytes int)) *Encoding[T] {
	return &Encoding[T]{encode: encode}
}

// encodingKey identifies an encoding by its address. It must have a size, because variables without a size may share an
// address.
type encodingKey struct{ _ byte }

// encoded is a value that an item keeps.
type encoded struct {
	key   *encodingKey // of the encoding that made the value
	value any          // a T
	next  *encoded
}

// Of returns the item in this encoding, which the first call makes. Concurrent first callers may encode twice; all of
// them get the same value. The value is shared and must not be changed.
func (x *Encoding[T]) Of(item *Item) T {
	head := item.encodings.Load()
	if value, found := x.find(head, nil); found {
		return value
	}
	value, bytes := x.encode(item.Entry)
	made := &encoded{key: &x.key, value: value, next: head}
	for !item.encodings.CompareAndSwap(head, made) {
		newer := item.encodings.Load()
		if value, found := x.find(newer, head); found {
			return value
		}
		head = newer
		made.next = head
	}
	item.addBytes(bytes)
	return value
}

// find looks for this encoding's value in a list, up to but not including end.
func (x *Encoding[T]) find(list, end *encoded) (value T, found bool) {
	for e := list; e != end; e = e.next {
		if e.key == &x.key {
			value, found = e.value.(T)
			return value, found
		}
	}
	return value, false
}
