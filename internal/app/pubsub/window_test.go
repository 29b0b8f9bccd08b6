package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// A stream that does not read falls out of the window by age, not only by traffic.
func TestWindowAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Age = time.Minute
		f := start(t, cfg, newLog(0))
		_, slow := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.publish(1, "a")
		time.Sleep(59 * time.Second)
		assert.Empty(t, slow.Text())
		time.Sleep(20 * time.Second)
		assert.Equal(t, []string{"close:slow"}, slow.Text())
	})
}

// The window keeps its bound in bytes however large the events are, and what it dropped is read from the log.
func TestWindowBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Window.Bytes = 1
		f := start(t, cfg, newLog(0))
		_, sink := f.listen(next, "a")
		synctest.Wait()
		f.publish(500, "a")
		synctest.Wait()
		assert.Equal(t, numbers(1, 500), sink.Text())
	})
}
