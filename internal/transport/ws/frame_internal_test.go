package ws

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
	"carillon/internal/domain/eventtest"
	"carillon/internal/problem"
)

func FuzzFrame(f *testing.F) {
	for _, text := range []string{
		`{"subscribe":{"name":"a","topics":["b"],"last":3}}`, `{"unsubscribe":{"name":"a"}}`, `{"publish":{"ref":1,"topic":["a"],"data":{"x":1}}}`,
		`{"token":{"value":"x"}}`, `{"publish":{"ref":"\ud800"}}`, `{"publish":{"ref":1.5e9,"topic":{}}}`, "{\"subscribe\":{\"name\":\"\xff\"}}", `{}{}`, `[`,
	} {
		f.Add(text)
	}
	for _, text := range eventtest.Hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		frame, about, err := parseFrame([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, event.ErrInvalid)
			answer := problemFrame(about, problem.Internal())
			require.True(t, json.Valid(answer))
			require.True(t, utf8.Valid(answer))
			return
		}
		given := 0
		for _, field := range []bool{frame.Subscribe != nil, frame.Unsubscribe != nil, frame.Publish != nil, frame.Token != nil} {
			if field {
				given++
			}
		}
		require.Equal(t, 1, given)
		if frame.Publish != nil {
			require.True(t, json.Valid(publishedFrame(frame.Publish.Ref, pubsub.Appended{Position: event.Position{Epoch: "a"}})))
		}
	})
}

func TestAnswersAreExactBytes(t *testing.T) {
	at := pubsub.Appended{Position: event.Position{Epoch: "a1", Offset: 7}}
	assert.Equal(t, `{"published":{"ref":"x","id":"a1-7"}}`, string(publishedFrame(json.RawMessage(`"x"`), at)))
	assert.Equal(t, `{"published":{"id":"a1-7"}}`, string(publishedFrame(nil, at)))
	at.Repeated = true
	assert.Equal(t, `{"published":{"id":"a1-7","replayed":true}}`, string(publishedFrame(nil, at)))
	assert.Equal(t, `{"sub":"a\"b",`, string(prefixOf(`a"b`)))
	assert.Empty(t, prefixOf(""))
	p := problem.New(403, "forbidden", "No")
	assert.Equal(t, `{"problem":{"sub":"a","type":"about:blank","title":"No","status":403,"code":"forbidden"}}`, string(problemFrame(subject{sub: "a"}, p)))
	p.RetryAfter = 1
	assert.Equal(t, `{"problem":{"ref":5,"type":"about:blank","title":"No","status":403,"code":"forbidden","retry_after":1}}`,
		string(problemFrame(subject{ref: json.RawMessage("5")}, p)))
}
