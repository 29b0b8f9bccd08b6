// Package eventtest makes events and their parts for tests. Its functions panic where the parser of package event returns
// an error, so that a test can write a value in one expression.
package eventtest

import "carillon/internal/domain/event"

// MustPattern parses a pattern.
func MustPattern(s string) event.Pattern { return must(event.ParsePattern(s)) }

// MustPatterns parses several patterns.
func MustPatterns(texts ...string) []event.Pattern {
	patterns := make([]event.Pattern, 0, len(texts))
	for _, s := range texts {
		patterns = append(patterns, MustPattern(s))
	}
	return patterns
}

// MustType parses the type of an event.
func MustType(s string) event.Type { return must(event.ParseType(s)) }

// MustData parses the data of an event.
func MustData(s string) event.Data { return must(event.ParseData(s)) }

// MustKey parses an idempotency key.
func MustKey(s string) event.Key { return must(event.ParseKey(s)) }

// MustEvent returns an event with data about topics.
func MustEvent(data string, topics ...string) event.Event {
	e := event.Event{Data: MustData(data)}
	for _, topic := range topics {
		e.Topics = append(e.Topics, event.MustTopic(topic))
	}
	return e
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
