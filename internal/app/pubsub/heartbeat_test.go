package pubsub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	interval = 15 * time.Second
	shortest = interval - interval/10
	longest  = interval + interval/10
)

// A stream without traffic gets a heartbeat after its interval, plus or minus a tenth, and not at the same time as all
// streams that were opened together with it.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		sinks := make([]*fakeSink, 1000)
		opened := time.Now()
		for i := range sinks {
			_, sinks[i] = f.listen(next, "a")
		}
		time.Sleep(10 * interval)
		thirds := make(map[time.Time]int) // how many third heartbeats came at a moment
		total := 0
		for _, sink := range sinks {
			last := opened
			heartbeats := sink.Only("heartbeat")
			require.Len(t, sink.Calls(), len(heartbeats))
			for _, b := range heartbeats {
				elapsed := b.when.Sub(last)
				require.True(t, shortest <= elapsed && elapsed <= longest, "an interval of %s", elapsed)
				require.True(t, b.at.IsZero(), "there is no new position")
				last = b.when
			}
			total += len(heartbeats)
			thirds[heartbeats[2].when]++
		}
		assert.InDelta(t, 10_000, total, 600)
		assert.Greater(t, len(thirds), 10)
		for when, n := range thirds {
			assert.Less(t, n, len(sinks)/5, "third heartbeats %s after the opening", when.Sub(opened))
		}
	})
}

// Traffic to a stream delays its heartbeat; traffic to other streams does not.
func TestTrafficDelaysHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		_, busy := f.listen(next, "a")
		_, quiet := f.listen(next, "b")
		synctest.Wait()
		for range 60 {
			f.publish(1, "a")
			time.Sleep(5 * time.Second)
		}
		assert.Empty(t, busy.Only("heartbeat"))
		assert.InDelta(t, 20, len(quiet.Only("heartbeat")), 3)

		last := time.Now().Add(-5 * time.Second)
		time.Sleep(2 * interval)
		elapsed := busy.Only("heartbeat")[0].when.Sub(last)
		assert.True(t, shortest <= elapsed && elapsed <= longest, "an interval of %s", elapsed)
	})
}

// A heartbeat carries the stream's position once the position the client knows is old, so that a client of a quiet topic
// can resume; but not before.
func TestHeartbeatCarriesTheNewestPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		f.publish(3, "other")
		synctest.Wait()
		_, sink := f.listen(next, "a")
		time.Sleep(longest) // one heartbeat
		f.publish(2, "other")
		time.Sleep(longest) // the log has grown a little
		f.publish(18, "other")
		time.Sleep(longest) // by more than half of what it keeps
		time.Sleep(longest) // not at all
		f.publish(1, "a")
		time.Sleep(longest + time.Second)
		f.publish(1, "a")
		f.publish(4, "other")
		time.Sleep(longest + time.Second)
		var changes []string // without repeats
		last := ""
		for _, x := range sink.Calls() {
			text := x.what + " " + fmt.Sprint(x.at.Offset)
			if text != last {
				changes = append(changes, text)
			}
			last = text
		}
		assert.Equal(t, []string{"heartbeat 0", "heartbeat 23", "heartbeat 0", "item 24", "heartbeat 0", "item 25", "heartbeat 0"}, changes)
	})
}

func TestParkedSinkGetsNoHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		st, sink := f.listenUpTo(0, next, "a")
		synctest.Wait()
		f.publish(1, "a")
		time.Sleep(10 * interval)
		assert.Empty(t, sink.Calls())
		sink.SetRoom(-1)
		st.Ready()
		time.Sleep(longest)
		assert.Len(t, sink.Only("heartbeat"), 1)
	})
}
