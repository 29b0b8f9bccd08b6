package subscribe

import (
	"errors"
	"fmt"
)

// Limits bound what subscribers may ask for. Their keys are in the section "limits".
type Limits struct {
	MaxStreams      int `mapstructure:"max_streams"`
	MaxStreamsPerIP int `mapstructure:"max_streams_per_ip"`
	TopicsPerStream int `mapstructure:"topics_per_stream"`
}

// Validate returns an error for every key that is out of range.
func (l Limits) Validate() error {
	return errors.Join(
		check(l.MaxStreams >= 0, "limits.max_streams: must be a number of streams, or 0 to derive it from the file limit (got %d)", l.MaxStreams),
		check(l.MaxStreamsPerIP >= 0, "limits.max_streams_per_ip: must be a number of streams, or 0 for no limit (got %d)", l.MaxStreamsPerIP),
		check(l.TopicsPerStream >= 1, "limits.topics_per_stream: must be at least 1 (got %d)", l.TopicsPerStream),
	)
}

func check(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}
