package publish_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

func TestPublishEachKeepsTheOrderAndRefusesOne(t *testing.T) {
	p, engine := newPublisher(t, limits)
	mine := rights(t, "me", "a")
	results := p.PublishEach(t.Context(), mine, []publish.Request{
		{Topics: []string{"a"}, Data: "1"}, {Topics: []string{"b"}}, {Topics: []string{"a"}, Data: "2"}, {Topics: []string{"a"}, Data: "too large"}, {},
	})
	require.Len(t, results, 5)
	require.NoError(t, results[0].Err)
	require.ErrorIs(t, results[1].Err, access.ErrForbidden)
	require.NoError(t, results[2].Err)
	require.ErrorIs(t, results[3].Err, publish.ErrTooLarge)
	require.ErrorIs(t, results[4].Err, event.ErrInvalid)
	assert.EqualValues(t, 1, results[0].Position.Offset)
	assert.EqualValues(t, 2, results[2].Position.Offset)
	require.Len(t, engine.events, 2)
	assert.Equal(t, "2", engine.events[1].Data.String())
	assert.Empty(t, p.PublishEach(t.Context(), mine, nil))

	engine.refusal = pubsub.ErrDraining
	for _, result := range p.PublishEach(t.Context(), mine, []publish.Request{{Topics: []string{"a"}}, {}}) {
		require.ErrorIs(t, result.Err, pubsub.ErrDraining)
	}
	assert.Len(t, engine.events, 2)
}

func TestPublishEachCountsTowardsTheRate(t *testing.T) {
	limited := limits
	limited.PublishRate, limited.PublishBurst = 0.001, 3
	p, _ := newPublisher(t, limited)
	requests := make([]publish.Request, 5)
	for i := range requests {
		requests[i].Topics = []string{"a"}
	}
	for i, result := range p.PublishEach(t.Context(), rights(t, "me", "a"), requests) {
		if i < 3 {
			require.NoError(t, result.Err)
			continue
		}
		require.ErrorIs(t, result.Err, publish.ErrRate)
	}
}

// reusingEngine refuses calls with an event whose data is "reused", as a log does for a key of another event.
type reusingEngine struct{ recordingEngine }

func (e *reusingEngine) Publish(ctx context.Context, events ...event.Event) ([]pubsub.Appended, error) {
	for i, published := range events {
		if published.Data.String() == "reused" {
			return nil, &pubsub.KeyReusedError{Index: i}
		}
	}
	return e.recordingEngine.Publish(ctx, events...)
}

// An event whose key belongs to another one is refused alone, although the log appends nothing of such a call.
func TestPublishEachAppendsTheOthersOfAReusedKey(t *testing.T) {
	engine := &reusingEngine{}
	p, err := publish.New(limits, engine)
	require.NoError(t, err)
	var requests []publish.Request
	for _, data := range []string{"reused", "1", "reused", "2", "reused"} {
		requests = append(requests, publish.Request{Topics: []string{"a"}, Data: data})
	}
	for i, result := range p.PublishEach(t.Context(), rights(t, "me", "a"), requests) {
		if i%2 == 0 {
			require.ErrorIs(t, result.Err, pubsub.ErrKeyReused)
			continue
		}
		require.NoError(t, result.Err)
		assert.EqualValues(t, (i+1)/2, result.Position.Offset)
	}
	require.Len(t, engine.events, 2)
	assert.Equal(t, "2", engine.events[1].Data.String())
}
