package client

import (
	"time"

	"carillon/internal/transport/jsonevent"
	"carillon/internal/transport/sse"
)

// Event is an event as the client received it. Control events are events too, with types that begin with "carillon.".
type Event struct {
	ID     string        // what to resume after
	Topics []string      // those that the subscriber asked for and may see; nil if they were not sent
	Type   string        // "message" if the publisher gave none
	Time   time.Time     // when the log took the event; zero if it was not sent
	Data   string        // as published
	Retry  time.Duration // the reconnection time that came with this event, or zero
}

func fromMessage(m sse.Message) Event {
	return Event{ID: m.ID, Type: m.Type, Data: m.Data, Retry: m.Retry}
}

func fromJSON(e jsonevent.Event) Event {
	return Event{ID: e.ID, Topics: e.Topics, Type: e.Type, Time: e.Time, Data: e.Data, Retry: time.Duration(e.Retry) * time.Millisecond}
}
