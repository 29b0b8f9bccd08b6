package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/mattn/go-isatty"
	"go.uber.org/fx/fxevent"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// LogConfig says what is logged and how. Its keys live under "log".
type LogConfig struct {
	Level    string `mapstructure:"level"`
	Encoding string `mapstructure:"encoding"`
}

// Encodings of the log.
const (
	encodeAuto    = "auto" // console where a person watches, JSON anywhere else
	encodeJSON    = "json"
	encodeConsole = "console"
)

// Validate names the first key that is out of range.
func (c LogConfig) Validate() error {
	switch c.Level {
	case "debug", "info", "warn", "error":
	default:
		return fmt.Errorf("log.level: got %q, takes debug, info, warn or error", c.Level)
	}
	switch c.Encoding {
	case encodeAuto, encodeJSON, encodeConsole:
	default:
		return fmt.Errorf("log.encoding: got %q, takes auto, json or console", c.Encoding)
	}
	return nil
}

// newLogger makes the server's log. It goes to standard output, where container engines look, and nothing else does.
// Every record is written: sampling would hide the repetition that tells of an attack or a loop.
func newLogger(cfg LogConfig, out io.Writer) (*zap.Logger, zap.AtomicLevel, error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, level, fmt.Errorf("log.level: %w", err)
	}
	core := zapcore.NewCore(newEncoder(cfg.Encoding, out), zapcore.Lock(zapcore.AddSync(out)), level)
	return zap.New(core), level, nil
}

func newEncoder(encoding string, out io.Writer) zapcore.Encoder {
	keys := zapcore.EncoderConfig{
		TimeKey:        "ts",
		LevelKey:       "level",
		NameKey:        "logger",
		MessageKey:     "msg",
		StacktraceKey:  "stack",
		EncodeTime:     timestamp,
		EncodeLevel:    zapcore.LowercaseLevelEncoder,
		EncodeDuration: zapcore.SecondsDurationEncoder, // a number, for tools to reckon with
	}
	if encoding == encodeConsole || encoding == encodeAuto && isTerminal(out) {
		keys.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		keys.EncodeLevel = zapcore.CapitalLevelEncoder
		keys.EncodeDuration = zapcore.StringDurationEncoder
		return zapcore.NewConsoleEncoder(keys)
	}
	return zapcore.NewJSONEncoder(keys)
}

// timestamp writes RFC 3339 with milliseconds, in UTC, so that records of all nodes sort together.
func timestamp(t time.Time, enc zapcore.PrimitiveArrayEncoder) {
	enc.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// fxLogger shows how the server is put together, at debug. Its failures too: what they come to is told once, by whoever
// ends the process.
func fxLogger(log *zap.Logger) fxevent.Logger {
	l := &fxevent.ZapLogger{Logger: log.Named("fx")}
	l.UseLogLevel(zapcore.DebugLevel)
	l.UseErrorLevel(zapcore.DebugLevel)
	return l
}
