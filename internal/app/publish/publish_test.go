package publish_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// recordingEngine keeps the events that are published.
type recordingEngine struct {
	events  []event.Event
	refusal error
}

func (e *recordingEngine) Accepting() error { return e.refusal }

func (e *recordingEngine) Publish(_ context.Context, events ...event.Event) ([]pubsub.Appended, error) {
	var appended []pubsub.Appended
	for _, published := range events {
		e.events = append(e.events, published)
		appended = append(appended, pubsub.Appended{Position: event.Position{Epoch: "e", Offset: uint64(len(e.events))}})
	}
	return appended, nil
}

var limits = publish.Limits{TopicsPerEvent: 2, EventBytes: 8, BatchEvents: 3, BatchBytes: 64}

func newPublisher(t *testing.T, limits publish.Limits) (*publish.Publisher, *recordingEngine) {
	t.Helper()
	engine := &recordingEngine{}
	p, err := publish.New(limits, engine)
	require.NoError(t, err)
	return p, engine
}

func rights(t *testing.T, subject string, patterns ...string) access.Rights {
	t.Helper()
	var list []event.Pattern
	for _, text := range patterns {
		pattern, err := event.ParsePattern(text)
		require.NoError(t, err)
		list = append(list, pattern)
	}
	return access.Rights{Subject: subject, Publish: access.Allow(list...)}
}

func TestPublishChecksTheRequest(t *testing.T) {
	errBody := errors.New("body")
	for name, c := range map[string]struct {
		req   publish.Request
		want  error
		field string // of an invalid request
	}{
		"valid":              {req: publish.Request{Topics: []string{"a/1"}, Type: "t", Retry: "5", Key: "k", Data: "12345678"}},
		"no topic":           {req: publish.Request{}, want: event.ErrInvalid, field: "topic"},
		"invalid topic":      {req: publish.Request{Topics: []string{"a/*"}}, want: event.ErrInvalid, field: "topic"},
		"too many topics":    {req: publish.Request{Topics: []string{"a/1", "a/2", "a/3"}}, want: event.ErrInvalid, field: "topic"},
		"forbidden topic":    {req: publish.Request{Topics: []string{"a/1", "b"}}, want: access.ErrForbidden},
		"invalid type":       {req: publish.Request{Topics: []string{"a/1"}, Type: "a\nb"}, want: event.ErrInvalid, field: "type"},
		"invalid retry":      {req: publish.Request{Topics: []string{"a/1"}, Retry: "-1"}, want: event.ErrInvalid, field: "retry"},
		"invalid key":        {req: publish.Request{Topics: []string{"a/1"}, Key: strings.Repeat("k", 1000)}, want: event.ErrInvalid, field: "key"},
		"too much data":      {req: publish.Request{Topics: []string{"a/1"}, Data: "123456789"}, want: publish.ErrTooLarge},
		"data is unreadable": {req: publish.Request{Topics: []string{"a/1"}, ReadData: func(int64) (string, error) { return "", errBody }}, want: errBody},
	} {
		t.Run(name, func(t *testing.T) {
			p, engine := newPublisher(t, limits)
			appended, err := p.Publish(t.Context(), rights(t, "me", "a/**"), c.req)
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				assert.EqualValues(t, 1, appended.Position.Offset)
				assert.Equal(t, 5*time.Millisecond, engine.events[0].Retry)
				return
			}
			assert.Empty(t, engine.events)
			if invalid, ok := errors.AsType[*event.InvalidError](err); ok {
				assert.Equal(t, c.field, invalid.Field)
			}
		})
	}
}

func TestDataOfARefusedRequestIsNotRead(t *testing.T) {
	p, _ := newPublisher(t, limits)
	_, err := p.Publish(t.Context(), rights(t, "me", "a"), publish.Request{
		Topics:   []string{"b"},
		ReadData: func(int64) (string, error) { t.Error("data was read"); return "", nil },
	})
	require.ErrorIs(t, err, access.ErrForbidden)
}

func TestATopicGivenTwiceCountsOnce(t *testing.T) {
	p, engine := newPublisher(t, limits)
	_, err := p.Publish(t.Context(), rights(t, "me", "a"), publish.Request{Topics: []string{"a", "a"}})
	require.NoError(t, err)
	assert.Len(t, engine.events[0].Topics, 1)
}

func TestKeysAreScopedToTheirPublisher(t *testing.T) {
	p, engine := newPublisher(t, limits)
	for _, subject := range []string{"one", "two", "one"} {
		_, err := p.Publish(t.Context(), rights(t, subject, "a"), publish.Request{Topics: []string{"a"}, Key: "k"})
		require.NoError(t, err)
	}
	assert.NotEqual(t, engine.events[0].Key, engine.events[1].Key)
	assert.Equal(t, engine.events[0].Key, engine.events[2].Key)
}

// Nothing is published, and no rate used up, while the engine accepts no events.
func TestPublishWhileRefused(t *testing.T) {
	limits := limits
	limits.BatchEvents, limits.PublishRate, limits.PublishBurst = 1, 0.001, 1
	p, engine := newPublisher(t, limits)
	req := publish.Request{Topics: []string{"a"}}
	engine.refusal = errors.New("stopping")
	_, err := p.Publish(t.Context(), rights(t, "s", "**"), req)
	require.ErrorIs(t, err, engine.refusal)
	_, err = p.PublishBatch(t.Context(), rights(t, "s", "**"), func(yield func(publish.Request, error) bool) { yield(req, nil) })
	require.ErrorIs(t, err, engine.refusal)
	assert.Empty(t, engine.events)
	engine.refusal = nil
	_, err = p.Publish(t.Context(), rights(t, "s", "**"), req)
	require.NoError(t, err)
}

func TestPublishBatch(t *testing.T) {
	valid := publish.Request{Topics: []string{"a"}}
	errRead := errors.New("unreadable")
	for name, c := range map[string]struct {
		requests []publish.Request
		failing  int // index of a request that cannot be read, or -1
		want     error
		index    int // of the request that the error names, or -1
	}{
		"valid":     {[]publish.Request{valid, valid, valid}, -1, nil, -1},
		"empty":     {nil, -1, publish.ErrEmpty, -1},
		"too many":  {[]publish.Request{valid, valid, valid, valid}, -1, publish.ErrTooLarge, -1},
		"forbidden": {[]publish.Request{valid, {Topics: []string{"b"}}}, -1, access.ErrForbidden, 1},
		"unread":    {[]publish.Request{valid, valid, {}}, 2, errRead, 2},
		"the first": {[]publish.Request{{}, valid}, 1, event.ErrInvalid, 0},
	} {
		t.Run(name, func(t *testing.T) {
			p, engine := newPublisher(t, limits)
			positions, err := p.PublishBatch(t.Context(), rights(t, "me", "a"), func(yield func(publish.Request, error) bool) {
				for i, req := range c.requests {
					var err error
					if i == c.failing {
						err = errRead
					}
					if !yield(req, err) {
						return
					}
				}
			})
			require.ErrorIs(t, err, c.want)
			if c.want == nil {
				assert.Len(t, positions, len(c.requests))
				return
			}
			assert.Empty(t, engine.events)
			item, ok := errors.AsType[*publish.ItemError](err)
			require.Equal(t, c.index >= 0, ok)
			if ok {
				assert.Equal(t, c.index, item.Index)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := limits
		limited.PublishRate, limited.PublishBurst = 1, 3
		p, _ := newPublisher(t, limited)
		post := func(subject string) error {
			_, err := p.Publish(t.Context(), rights(t, subject, "a"), publish.Request{Topics: []string{"a"}})
			return err
		}
		for range 3 {
			require.NoError(t, post("me"))
		}
		err := post("me")
		require.ErrorIs(t, err, publish.ErrRate)
		limit, ok := errors.AsType[*publish.RateError](err)
		require.True(t, ok)
		assert.Equal(t, time.Second, limit.Wait)
		require.NoError(t, post("somebody else"))
		time.Sleep(limit.Wait)
		require.NoError(t, post("me"))
	})
}

func TestReload(t *testing.T) {
	p, _ := newPublisher(t, limits)
	invalid := limits
	invalid.EventBytes = 0
	require.ErrorContains(t, p.Reload(invalid), "limits.event_bytes: must")
	assert.Equal(t, limits, p.Limits())
	larger := limits
	larger.EventBytes = 9
	require.NoError(t, p.Reload(larger))
	_, err := p.Publish(t.Context(), rights(t, "me", "a"), publish.Request{Topics: []string{"a"}, Data: "123456789"})
	require.NoError(t, err)
}

func TestMisconfigurationIsNamed(t *testing.T) {
	for key, change := range map[string]func(*publish.Limits){
		"limits.topics_per_event": func(l *publish.Limits) { l.TopicsPerEvent = 0 },
		"limits.event_bytes":      func(l *publish.Limits) { l.EventBytes = 0 },
		"limits.batch_events":     func(l *publish.Limits) { l.BatchEvents = 0 },
		"limits.batch_bytes":      func(l *publish.Limits) { l.BatchBytes = 1 },
		"limits.publish_rate":     func(l *publish.Limits) { l.PublishRate = -1 },
		"limits.publish_burst":    func(l *publish.Limits) { l.PublishRate, l.PublishBurst = 1, 2 },
	} {
		t.Run(key, func(t *testing.T) {
			wrong := limits
			change(&wrong)
			_, err := publish.New(wrong, &recordingEngine{})
			assert.ErrorContains(t, err, key+": must ")
			assert.ErrorContains(t, err, "(got ")
		})
	}
}

func TestARefusedRetryIsToldItsRange(t *testing.T) {
	p, _ := newPublisher(t, limits)
	for _, retry := range []string{"soon", "-1", "1.5", "86400001", "99999999999999999999"} {
		_, err := p.Publish(t.Context(), rights(t, "me", "a/**"), publish.Request{Topics: []string{"a/1"}, Retry: retry})
		assert.ErrorContains(t, err, "retry must be a whole number of milliseconds from 0 to 86400000", retry)
	}
}
