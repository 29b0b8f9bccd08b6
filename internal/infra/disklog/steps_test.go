package disklog_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/infra/disklog"
)

// A large history that is trimmed at once is deleted from the file in steps, also across restarts.
func TestDeletesInSteps(t *testing.T) {
	limits := pubsubtest.LargeLimits()
	dir := memoryDir(t)
	log := open(t, config(dir, limits))
	publish(t, log, batch(t, 3000)...)
	log.close()
	limits.Events = 3
	for n := range 10 {
		log = open(t, config(dir, limits))
		publish(t, log, batch(t, 1)...)
		assert.EqualValues(t, 3001+n-2, log.Extent().Oldest)
		assert.Len(t, readAll(t, log), 3)
		log.close()
		require.NoError(t, disklog.Check(dir))
	}
}
