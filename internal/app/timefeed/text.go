package timefeed

import (
	"encoding/json"
	"time"

	"carillon/internal/domain/event"
)

// rfc3339Milli is RFC 3339 with milliseconds always written, so that every tick is as long as the next.
const rfc3339Milli = "2006-01-02T15:04:05.000Z07:00"

// object is what the layout [JSON] stands for; its fields are written in this order.
type object struct {
	Time   string `json:"time"` // RFC 3339, in the zone
	UnixMS int64  `json:"unix_ms"`
	Zone   string `json:"zone"`
}

// text writes a time as the data of an event.
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
