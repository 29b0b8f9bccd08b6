package publish

import (
	"errors"
	"fmt"
)

// Limits bound what publishers may send. Their keys are in the section "limits".
type Limits struct {
	TopicsPerEvent int     `mapstructure:"topics_per_event"`
	EventBytes     int64   `mapstructure:"event_bytes"`
	BatchEvents    int     `mapstructure:"batch_events"`
	BatchBytes     int64   `mapstructure:"batch_bytes"` // checked by the transport, which reads the batch
	PublishRate    float64 `mapstructure:"publish_rate"`
	PublishBurst   int     `mapstructure:"publish_burst"`
}

// Validate returns an error for every key that is out of range.
func (l Limits) Validate() error {
	return errors.Join(
		check(l.TopicsPerEvent >= 1, "limits.topics_per_event: must be at least 1 (got %d)", l.TopicsPerEvent),
		check(l.EventBytes >= 1, "limits.event_bytes: must be at least 1 (got %d)", l.EventBytes),
		check(l.BatchEvents >= 1, "limits.batch_events: must be at least 1 (got %d)", l.BatchEvents),
		check(l.BatchBytes >= l.EventBytes, "limits.batch_bytes: must be at least limits.event_bytes, which is %d (got %d)", l.EventBytes, l.BatchBytes),
		check(l.PublishRate >= 0, "limits.publish_rate: must be a number of events per second, or 0 for no limit (got %g)", l.PublishRate),
		check(l.PublishRate == 0 || l.PublishBurst >= l.BatchEvents,
			"limits.publish_burst: must be at least limits.batch_events, which is %d, or a batch of that size could never be published (got %d)",
			l.BatchEvents, l.PublishBurst),
	)
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
