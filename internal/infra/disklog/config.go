package disklog

import (
	"errors"
	"fmt"

	"carillon/internal/app/pubsub"
)

// Config says where the log is and bounds the history.
type Config struct {
	Path string // a directory of its own, created if it is missing

	pubsub.HistoryBounds
}

// Validate names every key that is out of range.
func (c Config) Validate() error {
	var err error
	if c.Path == "" {
		err = fmt.Errorf("history.disk.path: must be a directory (got %q)", c.Path)
	}
	return errors.Join(err, c.HistoryBounds.Validate())
}
