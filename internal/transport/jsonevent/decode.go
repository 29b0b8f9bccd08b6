package jsonevent

import (
	"encoding/json"
	"errors"
	"time"
)

// Event is an event as a client reads it.
type Event struct {
	ID     string    `json:"id"`     // "" for a control event without a position
	Topics []string  `json:"topics"` // those that the client asked for and may see
	Type   string    `json:"type"`
	Time   time.Time `json:"time"`
	Data   string    `json:"data"`
	Retry  int64     `json:"retry"` // reconnection time in milliseconds; 0: unset
}

// errNotEvent reports text that is JSON, or not even that, and no event.
var errNotEvent = errors.New("not a JSON event")

// Decode reads an event. Fields that it does not know are ignored, so that newer servers can add some.
func Decode(text []byte) (Event, error) {
	var e Event
	if err := json.Unmarshal(text, &e); err != nil || e.Type == "" {
		return Event{}, errNotEvent
	}
	return e, nil
}
