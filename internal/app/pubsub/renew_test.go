package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// From a renewal on, each event is checked against the new rights, and the stream ends when they do.
func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		stream := f.open(pubsub.Subscription{Patterns: patterns("**"), Grant: access.Allow(patterns("a")...), Expires: time.Now().Add(time.Minute)})
		sink := newSink()
		stream.Attach(sink)
		f.publish(1, "a")
		f.publish(1, "b")
		synctest.Wait()
		assert.Equal(t, []string{"1"}, dataOf(sink))
		stream.Renew(access.Allow(patterns("b")...), time.Now().Add(time.Hour), nil)
		synctest.Wait()
		f.publish(1, "a")
		f.publish(1, "b")
		synctest.Wait()
		assert.Equal(t, []string{"1", "4"}, dataOf(sink))
		time.Sleep(59 * time.Minute)
		assert.Empty(t, sink.Only("close"))
		stream.Renew(access.Allow(patterns("b")...), time.Time{}, nil)
		time.Sleep(24 * time.Hour)
		assert.Empty(t, sink.Only("close"))
		stream.Renew(access.Allow(patterns("b")...), time.Now().Add(time.Second), nil)
		time.Sleep(time.Second)
		synctest.Wait()
		assert.Equal(t, pubsub.EndExpired, sink.Only("close")[0].why)
		stream.Renew(allTopics, time.Time{}, nil) // changes nothing any more
	})
}

// dataOf returns the data of what a sink was given.
func dataOf(sink *fakeSink) (all []string) {
	for _, c := range sink.Only("item") {
		all = append(all, c.event.Data.String())
	}
	return all
}

// keeper is a sink that is told when its stream has caught up and where it ends.
type keeper struct {
	*fakeSink

	live int
	end  event.Position
}

func (k *keeper) Live()                    { k.live++ }
func (k *keeper) EndsAt(at event.Position) { k.end = at }

// A stream that ends can be continued where it ended: after everything that it was given, whether that matched or not.
func TestASinkIsToldWhereItsStreamEnds(t *testing.T) {
	for name, c := range map[string]struct {
		room int
		want uint64
	}{"nothing taken": {0, 5}, "some taken": {2, 7}, "live": {-1, 20}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := start(t, config(), newLog(0))
				f.publish(4, "b")
				after := f.publish(1, "b")[0]
				f.publish(5, "a")
				synctest.Wait() // until the shards have walked it
				sink := &keeper{fakeSink: newSink()}
				sink.SetRoom(c.room)
				before := event.Position{Epoch: after.Epoch, Offset: after.Offset - 1}
				stream := f.open(pubsub.Subscription{Patterns: patterns("a"), Grant: allTopics, Start: pubsub.After(before.String())})
				stream.Attach(sink)
				synctest.Wait()
				f.publish(10, "b")
				synctest.Wait()
				stream.End(pubsub.EndAnswered)
				synctest.Wait()
				assert.Equal(t, c.want, sink.end.Offset)
				assert.Equal(t, c.room < 0, sink.live > 0)
				assert.Equal(t, pubsub.EndAnswered, sink.Only("close")[0].why)
			})
		})
	}
}
