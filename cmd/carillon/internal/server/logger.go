package server

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/logging"
)

// newLogger returns the server's logger and the queue that writes its records to out. Records are not sampled: sampling
// would hide the repetition that reveals an attack or a loop.
func newLogger(cfg config.Log, out io.Writer) (*logging.Queue, *zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, nil, level, fmt.Errorf("log.level: %w", err)
	}
	records := logging.Start(out, newEncoder(cfg.Encoding, out))
	return records, zap.New(records.Core(level)), level, nil
}

func newEncoder(encoding string, out io.Writer) zapcore.Encoder {
	cfg := zapcore.EncoderConfig{
		TimeKey:        "ts",
		LevelKey:       "level",
		NameKey:        "logger",
		MessageKey:     "msg",
		StacktraceKey:  "stack",
		EncodeTime:     encodeTime,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.SecondsDurationEncoder, // a number, which tools can calculate with
	}
	if encoding == config.EncodingConsole || encoding == config.EncodingAuto && isTerminal(out) {
		cfg.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		cfg.EncodeLevel = zapcore.CapitalLevelEncoder
		cfg.EncodeDuration = zapcore.StringDurationEncoder
		return zapcore.NewConsoleEncoder(cfg)
	}
	return zapcore.NewJSONEncoder(cfg)
}

// encodeTime writes RFC 3339 with milliseconds, in UTC, so that the records of all nodes sort together.
func encodeTime(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// newFxLogger returns a logger for fx that logs everything at debug, even failures: the caller of [Start] reports those.
func newFxLogger(logger *zap.Logger) fxevent.Logger {
	l := &fxevent.ZapLogger{Logger: logger.Named("fx")}
	l.UseLogLevel(zapcore.DebugLevel)
	l.UseErrorLevel(zapcore.DebugLevel)
	return l
}
