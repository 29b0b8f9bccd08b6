package config

import (
	"errors"
	"fmt"

	"carillon/internal/infra/disklog"
	"carillon/internal/infra/memlog"
)

// Backends of the history.
const (
	BackendMemory = "memory"
	BackendDisk   = "disk"
)

// History selects the log and bounds what it keeps. Its keys live under "history".
type History struct {
	Backend       string                   `mapstructure:"backend"`
	memlog.Config `mapstructure:",squash"` // the bounds, which mean the same for every log
	Disk          HistoryDisk              `mapstructure:"disk"`
}

// HistoryDisk configures the log on disk. Its keys live under "history.disk".
type HistoryDisk struct {
	Path string `mapstructure:"path"`
}

// Validate returns an error that names every key that is out of range.
func (h History) Validate() error {
	err := h.Config.Validate()
	switch h.Backend {
	case BackendMemory:
	case BackendDisk:
		if h.Disk.Path == "" {
			err = errors.Join(err, fmt.Errorf("history.disk.path: must be a directory (got %q)", h.Disk.Path))
		}
	default:
		err = errors.Join(err, fmt.Errorf("history.backend: must be %s or %s (got %q)", BackendMemory, BackendDisk, h.Backend))
	}
	return err
}

// DiskLog returns the configuration of the log on disk.
func (h History) DiskLog() disklog.Config {
	return disklog.Config{Path: h.Disk.Path, Events: h.Events, Bytes: h.Bytes, Age: h.Age, Keys: h.Keys, KeyWindow: h.KeyWindow}
}
