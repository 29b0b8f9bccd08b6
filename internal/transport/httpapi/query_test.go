package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A slip in the name of a parameter must not silently mean something else.
func TestMistypedParameterIsRefused(t *testing.T) {
	s := serve(t)
	for name, c := range map[string]struct{ method, query, want string }{
		"one letter more":    {http.MethodGet, "topics=open/a", `query has an unknown parameter "topics"; did you mean topic?`},
		"one letter less":    {http.MethodGet, "topic=open/a&sinc=5m", `query has an unknown parameter "sinc"; did you mean since?`},
		"another letter":     {http.MethodGet, "topic=open/a&lost=5", `query has an unknown parameter "lost"; did you mean last?`},
		"letters swapped":    {http.MethodGet, "topci=open/a", `query has an unknown parameter "topci"; did you mean topic?`},
		"first ones swapped": {http.MethodGet, "otpic=open/a", `query has an unknown parameter "otpic"; did you mean topic?`},
		"capitals":           {http.MethodGet, "Topic=open/a", `query has an unknown parameter "Topic"; did you mean topic?`},
		"a header's hyphens": {http.MethodGet, "topic=open/a&last_event-id=1", `query has an unknown parameter "last_event-id"; did you mean last_event_id?`},
		"publishing":         {http.MethodPost, "topic=orders/1&typ=x", `query has an unknown parameter "typ"; did you mean type?`},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do(c.method, "/events?"+c.query, "x", "Authorization", "Bearer "+tokenOrders)
			assert.Equal(t, http.StatusBadRequest, a.status)
			p := refused(t, a)
			assert.Equal(t, "invalid_query", p.Code)
			assert.Equal(t, c.want, p.Detail)
		})
	}
	t.Run("others are ignored", func(t *testing.T) {
		client := &http.Client{Transport: s.client.Transport.(describedTransport).next} // the other refuses them itself
		response, err := client.Do(s.request(http.MethodPost, "/events?topic=orders/1&utm_source=mail&_=1&t=2", "x", "Authorization", "Bearer "+tokenOrders))
		require.NoError(t, err)
		defer response.Body.Close()
		assert.Equal(t, http.StatusCreated, response.StatusCode)
	})
	t.Run("an event in a body of JSON is pointed to batches", func(t *testing.T) {
		a := s.do(http.MethodPost, "/events", `{"topic":"orders/1","data":"x"}`, "Authorization", "Bearer "+tokenOrders, "Content-Type", "application/json")
		assert.Equal(t, http.StatusBadRequest, a.status)
		assert.Equal(t, "invalid_topic", refused(t, a).Code)
		assert.Contains(t, refused(t, a).Detail, "application/x-ndjson")
	})
	t.Run("an unknown field of a batch is named", func(t *testing.T) {
		a := s.do(http.MethodPost, "/events", `{"topic":"orders/1","dta":"x"}`, "Authorization", "Bearer "+tokenOrders, "Content-Type", "application/x-ndjson")
		assert.Equal(t, http.StatusBadRequest, a.status)
		assert.Contains(t, refused(t, a).Detail, `unknown field "dta"; known are topic, data, type, retry and key`)
	})
	t.Run("a 403 names the topic", func(t *testing.T) {
		a := s.do(http.MethodPost, "/events?topic=orders/1&topic=news/1", "x", "Authorization", "Bearer "+tokenOrders)
		assert.Equal(t, http.StatusForbidden, a.status)
		assert.Equal(t, `topic "news/1" is not allowed by the token`, refused(t, a).Detail)
	})
}
