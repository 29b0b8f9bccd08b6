package server_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/cmd/carillon/internal/config"
	"carillon/cmd/carillon/internal/server"
)

// logged returns what a logger writes that is used like this.
func logged(t *testing.T, cfg config.Log, use func(*zap.Logger, zap.AtomicLevel)) string {
	t.Helper()
	var out bytes.Buffer
	records, logger, level, err := server.NewLogger(cfg, &out)
	require.NoError(t, err)
	use(logger, level)
	require.NoError(t, records.Close(t.Context()))
	return out.String()
}

func TestLogRecordsAreJSON(t *testing.T) {
	text := logged(t, config.Log{Level: "info", Encoding: "auto"}, func(logger *zap.Logger, _ zap.AtomicLevel) {
		logger.Named("http").Info("hello", zap.Duration("duration", 1500*time.Millisecond), zap.String("peer", "a\nb"))
		logger.Debug("not enabled")
	})
	var record map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &record), "one record")
	_, err := time.Parse("2006-01-02T15:04:05.000Z", record["ts"].(string))
	require.NoError(t, err)
	delete(record, "ts")
	assert.Equal(t, map[string]any{"level": "info", "logger": "http", "msg": "hello", "duration": 1.5, "peer": "a\nb"}, record)
}

func TestLogRecordsAreTextOnAConsole(t *testing.T) {
	text := logged(t, config.Log{Level: "error", Encoding: "console"}, func(logger *zap.Logger, level zap.AtomicLevel) {
		logger.Info("not enabled")
		level.SetLevel(zap.DebugLevel)
		logger.Debug("hello", zap.String("peer", "a\n\x1b[31mb"))
	})
	_, rest, _ := strings.Cut(text, "\t")
	assert.Equal(t, "DEBUG\thello\t{\"peer\": \"a\\n\\u001b[31mb\"}\n", rest, "a client's text is escaped")
}

func TestMessagesOfTheHTTPServerAreAField(t *testing.T) {
	text := logged(t, config.Log{Level: "info", Encoding: "json"}, func(logger *zap.Logger, _ zap.AtomicLevel) {
		out := server.NewServerErrors(logger)
		_, _ = out.Write([]byte("http: TLS handshake error from 1.2.3.4: x\n")) // any client can cause it: debug
		_, _ = out.Write([]byte("http: Accept error: " + strings.Repeat("x", 1000)))
	})
	assert.NotContains(t, text, "handshake")
	assert.Contains(t, text, `"level":"warn"`)
	assert.Contains(t, text, `"msg":"http server","text":"http: Accept error: xxx`)
	assert.Less(t, len(text), 500)
}
