package memlog_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/infra/memlog"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, limits pubsubtest.Limits) *memlog.Log {
	t.Helper()
	log, err := memlog.New(limits)
	require.NoError(t, err)
	return log
}

func TestLog(t *testing.T) {
	pubsubtest.TestLog(t, pubsubtest.Adapter{
		Open:        func(t testing.TB, limits pubsubtest.Limits) pubsub.Log { return open(t, limits) },
		FakeTime:    true,
		SameProcess: true,
		Exact:       true,
	})
}
