// Package control defines the control events: what the server itself tells a client on a stream, in every wire format.
package control

import (
	"encoding/json"
	"unicode/utf8"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Types of control events. Publishers cannot use them: they begin with [event.ReservedPrefix].
const (
	TypeReset    = event.ReservedPrefix + "reset"    // events are missing
	TypeGoaway   = event.ReservedPrefix + "goaway"   // the server ends the stream
	TypeBookmark = event.ReservedPrefix + "bookmark" // moves the position to resume after; formats with a form of their own for it do not use it
)

// ResetData returns the data of a reset, which is a JSON object. What the client requested is left empty unless it is
// printable text.
func ResetData(r pubsub.Reset) string {
	if !printable(r.Requested) {
		r.Requested = ""
	}
	return object(struct {
		Reason    pubsub.ResetReason `json:"reason"`
		Requested string             `json:"requested"`
		Oldest    string             `json:"oldest"`
		Newest    string             `json:"newest"`
	}{r.Reason, r.Requested, written(r.Oldest), written(r.Newest)})
}

// GoawayData returns the data of a goaway, which is a JSON object with the reason.
func GoawayData(reason string) string {
	return object(struct {
		Reason string `json:"reason"`
	}{reason})
}

func object(data any) string {
	text, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings always have a JSON form
	}
	return string(text)
}

func written(at event.Position) string {
	if at.IsZero() {
		return ""
	}
	return at.String()
}

func printable(text string) bool {
	for _, r := range text {
		if !event.Printable(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}
