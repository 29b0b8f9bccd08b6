package server

import (
	"context"

	"go.uber.org/fx"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/infra/disklog"
	"carillon/internal/infra/memlog"
	"carillon/internal/infra/natslog"
	"carillon/internal/infra/natspresence"
)

// eventLog is the log in use. A new log is one more case in [openEventLog].
type eventLog struct {
	fx.Out

	Log      pubsub.Log
	Life     logLife
	Exchange presence.Exchange // between the nodes that share the log; nil where there is one node only
}

// logLife is what a log needs from start to stop, beside its use. The zero value is that of a log that needs nothing.
type logLife struct {
	run   func(context.Context) error // runs while the log is used
	close func() error                // is called after run has returned
}

// openEventLog opens the log that is configured.
func openEventLog(s config.Settings, logger *zap.Logger) (eventLog, error) {
	switch s.History.Backend {
	case config.BackendDisk:
		return openDiskLog(s.DiskLog(), logger)
	case config.BackendNATS:
		log, err := natslog.Open(s.NATSLog(), logger)
		if err != nil {
			return eventLog{}, err
		}
		return eventLog{
			Log: log, Life: logLife{run: log.Run, close: log.Close},
			// Beside the subjects of the stream, which would store it.
			Exchange: natspresence.New(log.Conn(), log.Prefix()+"-presence"),
		}, nil
	}
	log, err := memlog.New(s.History.HistoryBounds)
	return eventLog{Log: log}, err
}

func openDiskLog(cfg disklog.Config, logger *zap.Logger) (eventLog, error) {
	log, err := disklog.Open(cfg)
	if err != nil {
		return eventLog{}, err
	}
	found := log.Opening()
	fields := []zap.Field{
		zap.String("path", cfg.Path), zap.Bool("created", found.Created), zap.Int("events", found.Entries), zap.Int("keys", found.Keys),
		zap.Int64("bytes", found.FileBytes), zap.String("epoch", string(log.Extent().Epoch)),
	}
	if found.CompactedFrom > 0 {
		fields = append(fields, zap.Int64("compacted_from_bytes", found.CompactedFrom))
	}
	logger.Info("history opened", fields...)
	if found.LostCommit {
		logger.Warn("history: the newest transaction was torn by a crash and undone; none of its events had been acknowledged")
	}
	return eventLog{Log: log, Life: logLife{run: log.Run, close: log.Close}}, nil
}

// appendLog runs the log from start to stop. It is closed in any case, also when a later component fails to start.
func (l lifecycle) appendLog(life logLife) {
	if life.close != nil {
		l.Lifecycle.Append(fx.StopHook(life.close))
	}
	if life.run != nil {
		l.appendRunner("history", life.run)
	}
}
