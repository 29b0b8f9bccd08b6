package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func idsOf(t *testing.T, a reply) []string {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	var got struct {
		IDs []string `json:"ids"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	return got.IDs
}

func TestPublishABatch(t *testing.T) {
	s := serve(t)
	st, _ := s.listen("topic=**")
	a := s.post("", strings.Join([]string{
		`{"topic":"a","data":"text","type":"t","retry":5}`,
		``,
		`  {"topic":["a","b/c"],"data":{ "n": [1, 2.50, null], "s": " x " }}  `,
		`{"topic":"a"}` + "\r",
		`{"topic":"a","data":null}`,
		`{"topic":"a","data":" \u0041\n\ud83d\ude00\\ud800 "}`,
		`{"topic":"a","data":7,"type":"","key":"","retry":null}`,
	}, "\n"), "Content-Type", batchType+"; charset=utf-8")
	ids := idsOf(t, a)
	assert.Equal(t, `{"ids":["`+strings.Join(ids, `","`)+"\"]}\n", a.body)
	want := []string{
		"event: t\nretry: 5\ndata: text\n\n",
		"data: {\"n\":[1,2.50,null],\"s\":\" x \"}\n\n",
		"data: \n\n",
		"data: null\n\n",
		"data:  A\ndata: 😀\\ud800 \n\n",
		"data: 7\n\n",
	}
	require.Len(t, ids, len(want))
	for i := range want {
		assert.Equal(t, "id: "+ids[i]+"\n"+want[i], st.block())
	}
}

func TestABatchIsAllOrNothing(t *testing.T) {
	s := serve(t, func(s *settings) {
		s.limits.EventBytes, s.limits.BatchBytes, s.limits.BatchEvents = 1000, 5000, 5
	})
	st, _ := s.listen("topic=**")
	const good = `{"topic":"orders/1","data":"good"}` + "\n"
	for _, c := range []struct {
		body, query string
		header      []string
		status      int
		code, field string
		line        int
	}{
		{good + `{"data":"x"}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + "\n\n" + `{"topic":"*"}`, "", nil, 400, "invalid_topic", "topic", 4},
		{good + `{"topic":7}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":["a",null]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":[]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":["a","b","c","d","e","f","g","h","i"]}`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `{"topic":"a","type":"carillon.x"}`, "", nil, 400, "invalid_type", "type", 2},
		{good + `{"topic":"a","type":"a\nb"}`, "", nil, 400, "invalid_type", "type", 2},
		{good + `{"topic":"a","retry":-1}`, "", nil, 400, "invalid_retry", "retry", 2},
		{good + `{"topic":"a","retry":1.5}`, "", nil, 400, "invalid_retry", "retry", 2},
		{good + `{"topic":"a","retry":"soon"}`, "", nil, 400, "invalid_retry", "retry", 2},
		{good + `{"topic":"a","type":5}`, "", nil, 400, "invalid_type", "type", 2},
		{good + `{"topic":"a","key":[1]}`, "", nil, 400, "invalid_key", "key", 2},
		{good + `{"topic":"a","key":"a\u0000b"}`, "", nil, 400, "invalid_key", "key", 2},
		{good + `{"topic":"a","data":"\ud800"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a","data":"\udc00\ud800"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + "{\"topic\":\"a\",\"data\":\"\xff\"}", "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a","colour":"red"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a"} {"topic":"b"}`, "", nil, 400, "invalid_body", "body", 2},
		{good + `{"topic":"a"`, "", nil, 400, "invalid_body", "body", 2},
		{good + `["a"]`, "", nil, 400, "invalid_body", "body", 2},
		{good + `null`, "", nil, 400, "invalid_topic", "topic", 2},
		{good + `hello`, "", nil, 400, "invalid_body", "body", 2},
		{"\ufeff" + good, "", nil, 400, "invalid_body", "body", 1},
		{"", "", nil, 400, "invalid_body", "body", 0},
		{"\n \n", "", nil, 400, "invalid_body", "body", 0},
		{good, "topic=a", nil, 400, "invalid_topic", "topic", 0},
		{good, "type=a", nil, 400, "invalid_type", "type", 0},
		{good, "retry=1", nil, 400, "invalid_retry", "retry", 0},
		{good, "", []string{"Idempotency-Key", "k"}, 400, "invalid_key", "key", 0},
		{good + `{"topic":"a","data":"` + strings.Repeat("x", 1001) + `"}`, "", nil, 413, "too_large", "", 2},
		{strings.Repeat(good, 6), "", nil, 413, "too_large", "", 0},
		{good + strings.Repeat(" ", 5000), "", nil, 413, "too_large", "", 0},
		{good + "\n" + `{"topic":"b"}`, "", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", "", 3},
		{"\n" + `{"topic":"b"}`, "", []string{"Authorization", "Bearer " + tokenOrders}, 403, "forbidden", "", 2},
	} {
		header := append([]string{"Content-Type", batchType}, c.header...)
		if len(c.header) == 0 || c.header[0] != "Authorization" {
			header = append(header, "Authorization", "Bearer "+tokenAll)
		}
		a := s.do(http.MethodPost, "/events?"+c.query, c.body, header...)
		if assert.Equal(t, c.status, a.status, "%.60s: %s", c.body, a.body) {
			p := refused(t, a)
			assert.Equal(t, c.code, p.Code, c.body)
			assert.Equal(t, c.field, p.Field, c.body)
			assert.Equal(t, c.line, p.Line, "line of %.80s", c.body)
		}
	}
	id := s.publish("a", "the first to be published")
	assert.Equal(t, "id: "+id+"\ndata: the first to be published\n\n", st.block())
}
