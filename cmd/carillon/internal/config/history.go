package config

import (
	"errors"
	"fmt"

	"carillon/internal/app/pubsub"
	"carillon/internal/infra/disklog"
	"carillon/internal/infra/natslog"
)

// Backends of the history.
const (
	BackendMemory = "memory"
	BackendDisk   = "disk"
	BackendNATS   = "nats"
)

// History selects the log and bounds what it keeps. Its keys live under "history".
type History struct {
	Backend              string                   `mapstructure:"backend"`
	pubsub.HistoryBounds `mapstructure:",squash"` // mean the same for every log
	Disk                 HistoryDisk              `mapstructure:"disk"`
	NATS                 natslog.Connection       `mapstructure:"nats"`
}

// HistoryDisk configures the log on disk. Its keys live under "history.disk".
type HistoryDisk struct {
	Path string `mapstructure:"path"`
}

// validateHistory returns an error that names every key that is out of range for the log in use.
func (s Settings) validateHistory() error {
	switch s.History.Backend {
	case BackendMemory:
		return s.History.Validate()
	case BackendDisk:
		return s.DiskLog().Validate()
	case BackendNATS:
		err := s.NATSLog().Validate()
		if s.Limits.BatchEvents > natslog.MaxBatch {
			err = errors.Join(err, fmt.Errorf("limits.batch_events: must be at most %d with history.backend nats (got %d)", natslog.MaxBatch, s.Limits.BatchEvents))
		}
		return err
	}
	return errors.Join(s.History.Validate(),
		fmt.Errorf("history.backend: must be %s, %s or %s (got %q)", BackendMemory, BackendDisk, BackendNATS, s.History.Backend))
}

// DiskLog returns the configuration of the log on disk.
func (s Settings) DiskLog() disklog.Config {
	return disklog.Config{Path: s.History.Disk.Path, HistoryBounds: s.History.HistoryBounds}
}

// NATSLog returns the configuration of the log on NATS JetStream, which takes the largest event that may be published.
func (s Settings) NATSLog() natslog.Config {
	return natslog.Config{
		Connection: s.History.NATS, Bounds: s.History.HistoryBounds,
		EventBytes: int(s.Limits.EventBytes), EventTopics: s.Limits.TopicsPerEvent,
	}
}
