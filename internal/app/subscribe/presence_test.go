package subscribe_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

func TestWhoMaySeeThePresence(t *testing.T) {
	for name, c := range map[string]struct {
		topics  []string
		kind    string
		seen    []string // patterns of the right
		private bool
		want    presence.Kind
		err     error
	}{
		"nothing":                     {topics: []string{"a", "b/*"}},
		"a count":                     {topics: []string{"a", "b"}, kind: "count", want: presence.Count},
		"a count of the default":      {kind: "count", want: presence.Count},
		"a private count":             {topics: []string{"a"}, kind: "count", private: true, err: access.ErrForbidden},
		"a private count, allowed":    {topics: []string{"a"}, kind: "count", private: true, seen: []string{"*"}, want: presence.Count},
		"members":                     {topics: []string{"a"}, kind: "members", err: access.ErrForbidden},
		"members of others":           {topics: []string{"a", "b"}, kind: "members", seen: []string{"a"}, err: access.ErrForbidden},
		"members, allowed":            {topics: []string{"a", "b"}, kind: "members", seen: []string{"a", "b"}, want: presence.Members},
		"a pattern":                   {topics: []string{"a", "b/*"}, kind: "count", err: event.ErrInvalid},
		"another kind":                {topics: []string{"a"}, kind: "all", err: event.ErrInvalid},
		"a topic that may not be had": {topics: []string{"secret"}, kind: "count", seen: []string{"**"}, err: access.ErrForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			engine, present := &recordingEngine{}, &recordingPresence{private: c.private}
			s, err := subscribe.New(subscribe.Limits{TopicsPerStream: 2}, engine, present, patterns(t, "clock")[0])
			require.NoError(t, err)
			member := &access.Member{ID: "u1"}
			rights := access.Rights{
				Subscribe: access.Allow(patterns(t, "a", "b/*", "b", "clock")...), Presence: access.Allow(patterns(t, c.seen...)...), Member: member,
			}
			_, err = s.Open(t.Context(), rights, subscribe.Request{Topics: c.topics, Presence: c.kind})
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				assert.Equal(t, c.want, present.kind)
				assert.Equal(t, c.want == presence.None, engine.sub.Notices == nil)
				assert.Same(t, member, engine.sub.Member)
			}
			if name == "nothing" {
				return // read would be a count, and a pattern has none
			}
			*present = recordingPresence{private: c.private}
			_, err = s.Presence(t.Context(), rights, subscribe.PresenceRequest{Topics: c.topics, Kind: c.kind})
			require.ErrorIs(t, err, c.err)
			assert.Equal(t, c.want, present.kind)
		})
	}
}
