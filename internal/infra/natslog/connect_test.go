package natslog_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/infra/natslog"
)

func TestVersions(t *testing.T) {
	for version, good := range map[string]bool{
		"2.15.2": true, "2.14.5": true, "2.12.15": true, "2.12.16": true, "2.16.0-preview.1": true, "3.0.0": true, "2.15.0": true,
		"2.14.4": false, "2.12.14": false, "2.13.9": false, "2.11.30": false, "1.4.1": false, "": false, "new": false,
	} {
		assert.Equal(t, good, natslog.CheckVersion(version) == nil, version)
	}
	assert.EqualError(t, natslog.CheckVersion("2.11.3"),
		"NATS server: must be 2.12.15 or later, or 2.14.5 or later: earlier ones lose or repeat messages after a restart (got 2.11.3)")
}

// A clock that is off is told once when that begins and once when it ends.
func TestClocksAreCompared(t *testing.T) {
	core, records := observer.New(zap.DebugLevel)
	l := natslog.Unopened(zap.New(core))
	compare := func(ahead, took time.Duration) int {
		asked := time.Now()
		l.CompareClocks(asked.Add(took/2-ahead).Round(0), asked, took)
		return records.Len()
	}
	assert.Zero(t, compare(900*time.Millisecond, 0))
	assert.Equal(t, 900*time.Millisecond, l.ClockOffset().Round(time.Millisecond))
	assert.Equal(t, 1, compare(-3*time.Second, 10*time.Millisecond))
	assert.Equal(t, -3*time.Second, l.ClockOffset().Round(time.Millisecond))
	assert.Equal(t, 1, compare(-4*time.Second, 0), "once")
	assert.Equal(t, 1, compare(700*time.Millisecond, 0), "not while it is near the limit")
	assert.Equal(t, 1, compare(0, 2*time.Second), "an answer that took long says nothing")
	assert.Equal(t, 2, compare(0, 0))
	assert.Contains(t, records.All()[1].Message, "agrees with that of the NATS server again")
}

func TestWarningsAreBounded(t *testing.T) {
	core, records := observer.New(zap.DebugLevel)
	warn, pass := natslog.Warner(zap.New(core))
	for range 1000 {
		warn("many")
	}
	assert.Equal(t, 1, records.Len())
	pass()
	warn("many")
	assert.EqualValues(t, 999, records.All()[1].ContextMap()["more_before"])
}
