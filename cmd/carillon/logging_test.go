package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

func TestLogIsJSONForTools(t *testing.T) {
	var out bytes.Buffer
	log, _, err := newLogger(LogConfig{Level: "info", Encoding: "auto"}, &out)
	require.NoError(t, err)
	log.Named("http").Info("hello", zap.Duration("duration", 1500*time.Millisecond), zap.String("peer", "a\nb"))
	log.Debug("not this")
	var record map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &record), "one line, one record")
	_, err = time.Parse("2006-01-02T15:04:05.000Z", record["ts"].(string))
	require.NoError(t, err)
	delete(record, "ts")
	assert.Equal(t, map[string]any{"level": "info", "logger": "http", "msg": "hello", "duration": 1.5, "peer": "a\nb"}, record)
}

func TestLogIsTextForPeople(t *testing.T) {
	var out bytes.Buffer
	log, level, err := newLogger(LogConfig{Level: "error", Encoding: "console"}, &out)
	require.NoError(t, err)
	log.Info("not this")
	level.SetLevel(zap.DebugLevel)
	log.Debug("hello", zap.String("peer", "a\n\x1b[31mb"))
	_, rest, _ := strings.Cut(out.String(), "\t")
	assert.Equal(t, "DEBUG\thello\t{\"peer\": \"a\\n\\u001b[31mb\"}\n", rest, "what a client said cannot break out")
}

func TestServersOwnWordsStayInAField(t *testing.T) {
	var out bytes.Buffer
	log, _, err := newLogger(LogConfig{Level: "info", Encoding: "json"}, &out)
	require.NoError(t, err)
	_, _ = serverLog{log}.Write([]byte("http: TLS handshake error from 1.2.3.4: x\n"))
	assert.Empty(t, out.String(), "any client can cause it")
	_, _ = serverLog{log}.Write([]byte("http: Accept error: " + strings.Repeat("x", 1000)))
	assert.Contains(t, out.String(), `"level":"warn"`)
	assert.Contains(t, out.String(), `"msg":"http server","text":"http: Accept error: xxx`)
	assert.Less(t, out.Len(), 500)
}
