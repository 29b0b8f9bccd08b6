package httpapi_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/infra/memlog"
)

// newLog is a log in memory that keeps the newest few events.
func newLog(t testing.TB, events int) pubsub.Log {
	t.Helper()
	log, err := memlog.New(memlog.Config{Events: events, Bytes: 1 << 30, Age: time.Hour, Keys: 1000, KeyWindow: time.Hour})
	require.NoError(t, err)
	return log
}
