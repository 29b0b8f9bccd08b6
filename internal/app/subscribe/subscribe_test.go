package subscribe_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/presence"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// recordingEngine keeps the last subscription.
type recordingEngine struct {
	sub pubsub.Subscription
	err error
}

func (e *recordingEngine) Open(_ context.Context, sub pubsub.Subscription) (*pubsub.Stream, error) {
	e.sub = sub
	return &pubsub.Stream{}, e.err
}

// recordingPresence keeps what was asked for last.
type recordingPresence struct {
	kind    presence.Kind
	topics  []event.Topic
	private bool
}

func (p *recordingPresence) Watch(kind presence.Kind, topics []event.Topic) pubsub.Notices {
	p.kind, p.topics = kind, topics
	return watching{}
}

func (p *recordingPresence) Read(_ context.Context, kind presence.Kind, topics []event.Topic) ([]presence.Report, error) {
	p.kind, p.topics = kind, topics
	return []presence.Report{{}}, nil
}

func (p *recordingPresence) PublicCount() bool { return !p.private }

// watching is the notices of a stream of the tests.
type watching struct{ pubsub.Notices }

func patterns(t *testing.T, texts ...string) (list []event.Pattern) {
	t.Helper()
	for _, text := range texts {
		pattern, err := event.ParsePattern(text)
		require.NoError(t, err)
		list = append(list, pattern)
	}
	return list
}

func newSubscriber(t *testing.T, limits subscribe.Limits) (*subscribe.Subscriber, *recordingEngine) {
	t.Helper()
	engine := &recordingEngine{}
	s, err := subscribe.New(limits, engine, &recordingPresence{}, patterns(t, "clock")[0])
	require.NoError(t, err)
	return s, engine
}

func TestOpenChecksTheTopics(t *testing.T) {
	for name, c := range map[string]struct {
		grant, topics []string
		want          []string
		err           error
	}{
		"default":         {grant: []string{"**"}, want: []string{"clock"}},
		"patterns":        {grant: []string{"**"}, topics: []string{"a", "b/*"}, want: []string{"a", "b/*"}},
		"duplicates":      {grant: []string{"**"}, topics: []string{"a", "a"}, want: []string{"a"}},
		"overlapping":     {grant: []string{"a/1"}, topics: []string{"a/*"}, want: []string{"a/*"}},
		"one forbidden":   {grant: []string{"a"}, topics: []string{"a", "b"}, err: access.ErrForbidden},
		"default, no one": {err: access.ErrForbidden},
		"invalid":         {grant: []string{"**"}, topics: []string{"a**"}, err: event.ErrInvalid},
		"too many":        {grant: []string{"**"}, topics: []string{"a", "b", "c"}, err: event.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			s, engine := newSubscriber(t, subscribe.Limits{TopicsPerStream: 2})
			rights := access.Rights{Subscribe: access.Allow(patterns(t, c.grant...)...)}
			opened, err := s.Open(t.Context(), rights, subscribe.Request{Name: "n", Topics: c.topics})
			require.ErrorIs(t, err, c.err)
			if c.err == nil {
				assert.Equal(t, patterns(t, c.want...), engine.sub.Patterns)
				assert.Equal(t, "n", engine.sub.Name)
				assert.Equal(t, len(c.want), opened.Topics)
			}
		})
	}
}

var all = access.Rights{Subscribe: access.Allow(event.Everything)}

func TestOpenParsesTheStart(t *testing.T) {
	for name, c := range map[string]struct {
		req  subscribe.Request
		want pubsub.Start
		err  error
	}{
		"next":               {want: pubsub.Start{}},
		"after":              {req: subscribe.Request{LastEventID: "e:1"}, want: pubsub.After("e:1")},
		"last":               {req: subscribe.Request{Last: "3"}, want: pubsub.Last(3)},
		"since a duration":   {req: subscribe.Request{Since: "5m"}, want: pubsub.Since(5 * time.Minute)},
		"since a time":       {req: subscribe.Request{Since: "1999-12-31T23:00:00Z"}, want: pubsub.Since(time.Hour)},
		"since the future":   {req: subscribe.Request{Since: "2999-01-01T00:00:00Z"}, want: pubsub.Since(0)},
		"precedence":         {req: subscribe.Request{LastEventID: "x", Last: "y", Since: "z"}, want: pubsub.After("x")},
		"last before since":  {req: subscribe.Request{Last: "1", Since: "z"}, want: pubsub.Last(1)},
		"latest":             {req: subscribe.Request{Latest: true}, want: pubsub.Latest()},
		"after over latest":  {req: subscribe.Request{Latest: true, LastEventID: "x"}, want: pubsub.After("x")},
		"latest and last":    {req: subscribe.Request{Latest: true, Last: "1"}, err: event.ErrInvalid},
		"latest and since":   {req: subscribe.Request{Latest: true, Since: "5m"}, err: event.ErrInvalid},
		"negative last":      {req: subscribe.Request{Last: "-1"}, err: event.ErrInvalid},
		"last is no number":  {req: subscribe.Request{Last: "x"}, err: event.ErrInvalid},
		"negative duration":  {req: subscribe.Request{Since: "-5m"}, err: event.ErrInvalid},
		"since is not valid": {req: subscribe.Request{Since: "x"}, err: event.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // at midnight of 2000-01-01
				s, engine := newSubscriber(t, subscribe.Limits{TopicsPerStream: 2})
				_, err := s.Open(t.Context(), all, c.req)
				require.ErrorIs(t, err, c.err)
				if c.err == nil {
					assert.Equal(t, c.want, engine.sub.Start)
				}
			})
		})
	}
}

func TestOpenKeepsTheExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, engine := newSubscriber(t, subscribe.Limits{TopicsPerStream: 1})
		rights := all
		rights.Expires = time.Now().Add(time.Hour).Round(0)
		_, err := s.Open(t.Context(), rights, subscribe.Request{})
		require.NoError(t, err)
		assert.WithinDuration(t, rights.Expires, engine.sub.Expires, 0)
	})
}

// Within the leeway a token is still accepted, but a stream would end as soon as it is opened.
func TestOpenRefusesRightsThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := newSubscriber(t, subscribe.Limits{TopicsPerStream: 1})
		rights := all
		rights.Expires = time.Now()
		_, err := s.Open(t.Context(), rights, subscribe.Request{})
		require.ErrorIs(t, err, access.ErrExpiredToken)
	})
}

func TestStreamLimits(t *testing.T) {
	for name, c := range map[string]struct {
		limits        subscribe.Limits
		first, second string // addresses
		want          error
	}{
		"no limit":              {subscribe.Limits{}, "192.0.2.1", "192.0.2.1", nil},
		"in total":              {subscribe.Limits{MaxStreams: 1}, "192.0.2.1", "192.0.2.2", subscribe.ErrTooManyStreams},
		"per address":           {subscribe.Limits{MaxStreamsPerIP: 1}, "192.0.2.1", "192.0.2.1", subscribe.ErrTooManyClientStreams},
		"other address":         {subscribe.Limits{MaxStreamsPerIP: 1}, "192.0.2.1", "192.0.2.2", nil},
		"same IPv6 network":     {subscribe.Limits{MaxStreamsPerIP: 1}, "2001:db8::1", "2001:db8::2", subscribe.ErrTooManyClientStreams},
		"other IPv6 network":    {subscribe.Limits{MaxStreamsPerIP: 1}, "2001:db8::1", "2001:db8:0:1::1", nil},
		"IPv4 in IPv6":          {subscribe.Limits{MaxStreamsPerIP: 1}, "192.0.2.1", "::ffff:192.0.2.1", subscribe.ErrTooManyClientStreams},
		"both addresses absent": {subscribe.Limits{MaxStreamsPerIP: 1}, "", "?", subscribe.ErrTooManyClientStreams},
	} {
		t.Run(name, func(t *testing.T) {
			c.limits.TopicsPerStream = 1
			s, _ := newSubscriber(t, c.limits)
			first, err := s.Open(t.Context(), all, subscribe.Request{Address: c.first})
			require.NoError(t, err)
			_, err = s.Open(t.Context(), all, subscribe.Request{Address: c.second})
			require.ErrorIs(t, err, c.want)
			if c.want != nil {
				first.Admission.Release()
				_, err = s.Open(t.Context(), all, subscribe.Request{Address: c.second})
				require.NoError(t, err)
			}
		})
	}
}

func TestAnEngineErrorReleasesTheAdmission(t *testing.T) {
	s, engine := newSubscriber(t, subscribe.Limits{TopicsPerStream: 1, MaxStreams: 1})
	engine.err = pubsub.ErrDraining
	for range 2 {
		_, err := s.Open(t.Context(), all, subscribe.Request{})
		require.ErrorIs(t, err, pubsub.ErrDraining)
	}
}

func TestReload(t *testing.T) {
	s, _ := newSubscriber(t, subscribe.Limits{TopicsPerStream: 1, MaxStreams: 1})
	_, err := s.Open(t.Context(), all, subscribe.Request{})
	require.NoError(t, err)
	require.ErrorContains(t, s.Reload(subscribe.Limits{MaxStreams: 2}), "limits.topics_per_stream: must")
	_, err = s.Open(t.Context(), all, subscribe.Request{})
	require.ErrorIs(t, err, subscribe.ErrTooManyStreams, "an invalid configuration was applied")
	require.NoError(t, s.Reload(subscribe.Limits{TopicsPerStream: 1, MaxStreams: 2}))
	_, err = s.Open(t.Context(), all, subscribe.Request{})
	require.NoError(t, err)
}

func TestMisconfigurationIsNamed(t *testing.T) {
	for key, wrong := range map[string]subscribe.Limits{
		"limits.max_streams":        {TopicsPerStream: 1, MaxStreams: -1},
		"limits.max_streams_per_ip": {TopicsPerStream: 1, MaxStreamsPerIP: -1},
		"limits.topics_per_stream":  {},
	} {
		t.Run(key, func(t *testing.T) {
			_, err := subscribe.New(wrong, &recordingEngine{}, nil, event.Everything)
			assert.ErrorContains(t, err, key+": must ")
			assert.ErrorContains(t, err, "(got ")
		})
	}
}
