package httpapi_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

// member gives a server a token of a member who may see the members of rooms.
func member(id string) func(*settings) {
	return func(s *settings) {
		s.auth.rights[id] = access.Rights{
			Subject: id, Subscribe: grant("**"), Presence: grant("room/*"),
			Member: &access.Member{ID: id, Info: `{"name":"` + id + `"}`},
		}
	}
}

// Presence events reach a client over every path, without an id, so that a reconnect resumes after the last event.
func TestPresenceOnTheWire(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path, member("ada"))
		count, _ := s.listen("topic=room/7&presence=count")
		assert.Equal(t, "event: carillon.count\ndata: {\"topic\":\"room/7\",\"streams\":1,\"members\":0}\n\n", count.block())
		list, _ := s.listen("topic=room/7&presence=members", "Authorization", "Bearer ada")
		assert.Equal(t, "event: carillon.members\ndata: {\"topic\":\"room/7\",\"members\":[{\"id\":\"ada\",\"info\":{\"name\":\"ada\"}}],\"streams\":2}\n\n", list.block())
		assert.Equal(t, "event: carillon.count\ndata: {\"topic\":\"room/7\",\"streams\":2,\"members\":1}\n\n", count.block())
		id := s.publish("room/7", "x")
		assert.Equal(t, "id: "+id+"\ndata: x\n\n", count.block())
		assert.Equal(t, "id: "+id+"\ndata: x\n\n", list.block())
	})
}

// In the JSON forms presence events look like control events.
func TestPresenceAsJSON(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		want := regexp.MustCompile(`^\{"topics":\["a"\],"type":"carillon.count","time":"[0-9-]+T[0-9:.]+Z","data":"\{\\"topic\\":\\"a\\",\\"streams\\":1,\\"members\\":0\}"\}$`)
		st, _ := s.listen("topic=a&presence=count&format=json")
		data, found := strings.CutPrefix(st.block(), "data: ")
		assert.True(t, found, "there is no id")
		assert.Regexp(t, want, strings.TrimSuffix(data, "\n\n"))
		st.close()
		eventually(t, "the stream to end", func() bool { return s.engine.Streams() == 0 })
		lines := s.open("/events?topic=a&presence=count", "Accept", "application/x-ndjson")
		assert.Contains(t, lines.line(), `"type":"carillon.bookmark"`)
		assert.Regexp(t, want, strings.TrimSuffix(lines.line(), "\n"))
	})
}

// A compressed stream shares presence events as it shares others.
func TestPresenceIsCompressed(t *testing.T) {
	s := serve(t, func(s *settings) { s.stream.Compression = true })
	st, _ := s.listen("topic=a&presence=count") // net/http asks for gzip and decompresses
	assert.Equal(t, "event: carillon.count\ndata: {\"topic\":\"a\",\"streams\":1,\"members\":0}\n\n", st.block())
}

func TestPresenceOfTopicsIsRead(t *testing.T) {
	s := serve(t, member("ada"), member("bob"))
	s.listen("topic=room/7", "Authorization", "Bearer ada")
	s.listen("topic=room/7", "Authorization", "Bearer bob")
	s.listen("topic=room/7&topic=b")
	s.listen("topic=room/*")
	eventually(t, "the streams to begin", func() bool { return s.engine.Streams() == 4 })
	a := s.do(http.MethodGet, "/presence?topic=room/7&topic=b", "")
	require.Equal(t, http.StatusOK, a.status, a.body)
	assert.Equal(t, "no-store", a.header.Get("Cache-Control"))
	assert.JSONEq(t, `{"topics":[{"topic":"room/7","streams":3,"members":2},{"topic":"b","streams":1,"members":0}]}`, a.body)
	a = s.do(http.MethodGet, "/presence?topic=room/7&presence=members", "", "Authorization", "Bearer ada")
	assert.JSONEq(t, `{"topics":[{"topic":"room/7","streams":3,"members":[{"id":"ada","info":{"name":"ada"}},{"id":"bob","info":{"name":"bob"}}]}]}`, a.body)
}

func TestPresenceThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		query, token string
		private      bool
		status       int
		code         string
	}{
		"a pattern":                 {query: "topic=room/*&presence=count", status: 400, code: "invalid_presence"},
		"one of them a pattern":     {query: "topic=a&topic=**&presence=count", status: 400, code: "invalid_presence"},
		"an unknown kind":           {query: "topic=a&presence=everybody", status: 400, code: "invalid_presence"},
		"given twice":               {query: "topic=a&presence=count&presence=count", status: 400, code: "invalid_presence"},
		"misspelt":                  {query: "topic=a&presense=count", status: 400, code: "invalid_query"},
		"members without a token":   {query: "topic=room/7&presence=members", status: 401, code: "unauthorized"},
		"members without the right": {query: "topic=hall&presence=members", token: "ada", status: 403, code: "forbidden"},
		"a private count":           {query: "topic=room/7&presence=count", private: true, status: 401, code: "unauthorized"},
		"a private count, no right": {query: "topic=hall&presence=count", token: "ada", private: true, status: 403, code: "forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, member("ada"), func(s *settings) { s.presence.PublicCount = !c.private })
			var header []string
			if c.token != "" {
				header = []string{"Authorization", "Bearer " + c.token}
			}
			for _, path := range []string{"/events", "/presence"} {
				a := s.do(http.MethodGet, path+"?"+c.query, "", header...)
				assert.Equal(t, c.status, a.status, path)
				assert.Equal(t, c.code, refused(t, a).Code, path)
			}
		})
	}
}
