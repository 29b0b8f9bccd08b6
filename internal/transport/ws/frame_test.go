package ws_test

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
	"carillon/internal/transport/ws"
)

func FuzzFrame(f *testing.F) {
	for _, text := range []string{
		`{"subscribe":{"name":"a","topics":["b"],"last":3}}`, `{"unsubscribe":{"name":"a"}}`, `{"publish":{"ref":1,"topic":["a"],"data":{"x":1}}}`,
		`{"token":{"value":"x"}}`, `{"publish":{"ref":"\ud800"}}`, "{\"publish\":{\"ref\":\"\xff\"}}", `{"publish":{"ref":1.5e9,"topic":{}}}`, "{\"subscribe\":{\"name\":\"\xff\"}}", `{}{}`, `[`,
	} {
		f.Add(text)
	}
	for _, text := range eventtest.Hostile {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fields, ref, answer, err := ws.ParseFrame([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, event.ErrInvalid)
			require.True(t, json.Valid(answer))
			require.True(t, utf8.Valid(answer))
			return
		}
		require.Equal(t, 1, fields)
		require.True(t, json.Valid(ws.PublishedFrame(ref, pubsub.Appended{Position: event.Position{Epoch: "a"}})))
	})
}

func TestAnswersAreExactBytes(t *testing.T) {
	at := pubsub.Appended{Position: event.Position{Epoch: "a1", Offset: 7}}
	assert.Equal(t, `{"published":{"ref":"x","id":"a1-7"}}`, string(ws.PublishedFrame(json.RawMessage(`"x"`), at)))
	assert.Equal(t, `{"published":{"id":"a1-7"}}`, string(ws.PublishedFrame(nil, at)))
	at.Repeated = true
	assert.Equal(t, `{"published":{"id":"a1-7","replayed":true}}`, string(ws.PublishedFrame(nil, at)))
	assert.Equal(t, `{"sub":"a\"b",`, string(ws.PrefixOf(`a"b`)))
	assert.Empty(t, ws.PrefixOf(""))
	p := problem.New(403, "forbidden", "No")
	assert.Equal(t, `{"problem":{"sub":"a","type":"about:blank","title":"No","status":403,"code":"forbidden"}}`, string(ws.ProblemFrame(nil, "a", p)))
	p.RetryAfter = 1
	assert.Equal(t, `{"problem":{"ref":5,"type":"about:blank","title":"No","status":403,"code":"forbidden","retry_after":1}}`,
		string(ws.ProblemFrame(json.RawMessage("5"), "", p)))
}
