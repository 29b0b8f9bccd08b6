package presence_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
)

func TestConfigNamesTheKey(t *testing.T) {
	require.NoError(t, config().Validate())
	for key, change := range map[string]func(*presence.Config){
		"presence.interval":    func(c *presence.Config) { c.Interval = time.Millisecond },
		"presence.grace":       func(c *presence.Config) { c.Grace = -1 },
		"presence.max_members": func(c *presence.Config) { c.MaxMembers = 0 },
	} {
		c := config()
		change(&c)
		require.ErrorContains(t, c.Validate(), key+": must be")
	}
}

func TestCountIsToldAtOnceAndWhenItChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, config(), nil)
		time.Sleep(interval / 2)
		_, c := n.open("", presence.Count, "a")
		synctest.Wait()
		assert.Equal(t, []string{`count {"topic":"a","streams":1,"members":0}`}, c.Texts(), "at once")
		time.Sleep(10 * interval)
		assert.Empty(t, c.Texts(), "nothing changed")

		var others []*pubsub.Stream
		for range 3 {
			other, _ := n.open("u1", presence.None, "a")
			others = append(others, other)
		}
		n.open("u2", presence.None, "a", "b")
		n.open("u3", presence.None, "*")
		time.Sleep(2 * interval)
		assert.Equal(t, []string{`count {"topic":"a","streams":5,"members":2}`}, c.Texts(), "a pattern does not count")
		for _, other := range others {
			other.End(pubsub.EndGone)
		}
		time.Sleep(2 * interval)
		assert.Equal(t, []string{`count {"topic":"a","streams":2,"members":1}`}, c.Texts())
		assert.Empty(t, c.Problems())
	})
}

func TestMembersAreToldOnceAndThenTheirChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, config(), nil)
		time.Sleep(interval / 2)
		n.open("u1", presence.None, "a")
		_, c := n.open("me", presence.Members, "a")
		n.open("", presence.None, "a")
		synctest.Wait()
		require.Len(t, c.Texts(), 1)
		time.Sleep(5 * interval)
		c.Texts()
		u2, _ := n.open("u2", presence.None, "a")
		time.Sleep(2 * interval)
		assert.Equal(t, []string{`members.changed {"topic":"a","joined":[{"id":"u2","info":{"name":"u2"}}],"left":[]}`}, c.Texts())
		u2.End(pubsub.EndGone)
		time.Sleep(14 * time.Second)
		assert.Empty(t, c.Texts(), "within the grace nobody has left")
		time.Sleep(3 * time.Second)
		assert.Equal(t, []string{`members.changed {"topic":"a","joined":[],"left":[{"id":"u2","info":{"name":"u2"}}]}`}, c.Texts())
		assert.Equal(t, []string{"me", "u1"}, c.IDs("a"))
		assert.Empty(t, c.Problems())
		assert.JSONEq(t, `[{"topic":"a","streams":3,"members":[{"id":"me","info":{"name":"me"}},{"id":"u1","info":{"name":"u1"}}]}]`,
			n.read(presence.Members, "a"))
		assert.JSONEq(t, `[{"topic":"a","streams":3,"members":2},{"topic":"b","streams":0,"members":0}]`, n.read(presence.Count, "a", "b"))
	})
}

// What a member does between two events cancels out, and a reconnect is nothing at all.
func TestChangesCancelOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, config(), nil)
		_, c := n.open("me", presence.Members, "a")
		u1, _ := n.open("u1", presence.None, "a")
		time.Sleep(5 * interval)
		c.Texts()
		time.Sleep(interval / 3)
		for range 20 {
			u1.End(pubsub.EndGone)
			time.Sleep(10 * time.Second) // within the grace
			u1, _ = n.open("u1", presence.None, "a")
			time.Sleep(interval)
		}
		assert.Empty(t, c.Texts(), "reconnects")

		cfg := config()
		cfg.Grace = 0
		n = start(t, cfg, nil)
		_, c = n.open("me", presence.Members, "a")
		time.Sleep(5*interval + interval/3)
		c.Texts()
		u1, _ = n.open("u1", presence.None, "a")
		u1.End(pubsub.EndGone)
		time.Sleep(3 * interval)
		assert.Empty(t, c.Texts(), "joined and left within an interval")
	})
}

// When all streams of a room are cut, those who come back find the others still listed.
func TestAllReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, config(), nil)
		a, _ := n.open("u1", presence.Members, "a")
		b, _ := n.open("u2", presence.Members, "a")
		time.Sleep(3 * interval)
		a.End(pubsub.EndFailed)
		b.End(pubsub.EndFailed)
		time.Sleep(3 * interval)
		_, c := n.open("u1", presence.Members, "a")
		time.Sleep(interval)
		assert.Equal(t, []string{"u1", "u2"}, c.IDs("a"))
		n.open("u2", presence.Members, "a")
		c.Texts()
		time.Sleep(30 * time.Second)
		assert.Empty(t, c.Texts())
		assert.Empty(t, c.Problems())
	})
}

func TestLongListsAreNotKeptUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Grace = 0
		n := start(t, cfg, nil)
		_, c := n.open("me", presence.Members, "a")
		time.Sleep(3*interval + interval/3)
		c.Texts()
		var others []*pubsub.Stream
		for i := range 6 {
			other, _ := n.open(fmt.Sprint("u", i), presence.None, "a")
			others = append(others, other)
		}
		time.Sleep(2 * interval)
		assert.Equal(t, []string{`members {"topic":"a","members":[],"streams":7,"truncated":true,"count":7}`}, c.Texts())
		assert.JSONEq(t, `[{"topic":"a","members":[],"streams":7,"truncated":true,"count":7}]`, n.read(presence.Members, "a"))
		n.open("u6", presence.None, "a")
		time.Sleep(2 * interval)
		assert.Equal(t, []string{`count {"topic":"a","streams":8,"members":8}`}, c.Texts(), "the count goes on")
		for _, other := range others[1:] {
			other.End(pubsub.EndGone)
		}
		time.Sleep(2 * interval)
		require.Len(t, c.Texts(), 1)
		assert.Equal(t, []string{"me", "u0", "u6"}, c.IDs("a"), "the list is back")
		assert.Empty(t, c.Problems())
	})
}

// Nothing waits for a slow watcher but the newest state.
func TestASlowWatcherGetsTheNewestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Grace = 0
		n := start(t, cfg, nil)
		counting, slow := n.open("", presence.Count, "a")
		listing, list := n.open("", presence.Members, "a")
		time.Sleep(3*interval + interval/3)
		slow.Texts()
		list.Texts()
		slow.set(true, false)
		list.set(true, false)
		n.open("u0", presence.None, "a")
		for range 30 {
			st, _ := n.open("u1", presence.None, "a")
			time.Sleep(interval)
			st.End(pubsub.EndGone)
			time.Sleep(interval)
		}
		assert.Empty(t, slow.Texts())
		slow.set(false, false)
		list.set(false, false)
		counting.Ready()
		listing.Ready()
		synctest.Wait()
		assert.Equal(t, []string{`count {"topic":"a","streams":3,"members":1}`}, slow.Texts())
		assert.Len(t, list.Texts(), 1)
		assert.Equal(t, []string{"u0"}, list.IDs("a"))
		time.Sleep(5 * interval)
		assert.Empty(t, slow.Texts())
		assert.Empty(t, append(slow.Problems(), list.Problems()...))
	})
}

// What nobody watches any more is not kept.
func TestNothingIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := start(t, config(), nil)
		var streams []*pubsub.Stream
		for i := range 100 {
			st, _ := n.open(fmt.Sprint("u", i), presence.Kind(i%3), fmt.Sprint("t", i%7), "x")
			streams = append(streams, st)
		}
		time.Sleep(3 * interval)
		assert.Equal(t, 8, n.presence.Stats().Topics)
		assert.Equal(t, 200, n.presence.Stats().Members)
		for _, st := range streams {
			st.End(pubsub.EndGone)
		}
		n.read(presence.Members, "y")
		time.Sleep(20 * time.Second)
		assert.Zero(t, n.presence.Stats())
		assert.Zero(t, n.presence.Rooms())
	})
}
