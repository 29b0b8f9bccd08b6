package timefeed

import (
	"encoding/json"
	"time"

	"carillon/internal/domain/event"
)

// rfc3339Milli is RFC 3339 with milliseconds, also if they are zero, so that all ticks have the same length.
const rfc3339Milli = "2006-01-02T15:04:05.000Z07:00"

// object is the data of a tick with the layout [JSON]. Its fields are written in this order.
type object struct {
	Time   string `json:"time"` // RFC 3339, in the zone
	UnixMS int64  `json:"unix_ms"`
	Zone   string `json:"zone"`
}

// text formats a time as the data of an event.
func (f *Feed) text(t time.Time) (event.Data, error) {
	t = t.In(f.zone)
	if f.layout != JSON {
		return event.ParseData(t.Format(f.layout))
	}
	text, err := json.Marshal(object{Time: t.Format(rfc3339Milli), UnixMS: t.UnixMilli(), Zone: f.zone.String()})
	if err != nil {
		return event.Data{}, err
	}
	return event.ParseData(string(text))
}
