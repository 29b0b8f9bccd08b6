package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestLatestOnTheWire(t *testing.T) {
	everyPath(t, func(t *testing.T, path func(*settings)) {
		s := serve(t, path)
		s.publish("stock/A", "1")
		b := s.publish("stock/B", "2")
		a := s.publish("stock/A", "3")
		s.publish("other", "4")
		eventually(t, "the engine, which starts at the same time, has received them", func() bool { return s.engine.Latest().Topics == 3 })
		for _, query := range []string{"latest", "latest=", "latest=true", "latest=1"} {
			st, _ := s.listen("topic=stock/**&" + query)
			assert.Equal(t, "id: "+b+"\ndata: 2\n\n", st.block(), query)
			assert.Equal(t, "id: "+a+"\ndata: 3\n\n", st.block(), query)
			st.close()
		}
		st, _ := s.listen("topic=stock/**&latest")
		st.block()
		st.block()
		next := s.publish("stock/B", "5")
		assert.Equal(t, "id: "+next+"\ndata: 5\n\n", st.block())

		resumed, _ := s.listen("topic=stock/**&latest", "Last-Event-ID", b)
		assert.Equal(t, "id: "+a+"\ndata: 3\n\n", resumed.block(), "a reconnect is an ordinary resume")
		off, _ := s.listen("topic=stock/**&latest=false")
		last := s.publish("stock/C", "6")
		assert.Equal(t, "id: "+last+"\ndata: 6\n\n", off.block())
	})
}

func TestLatestThatIsRefused(t *testing.T) {
	s := serve(t)
	for _, query := range []string{"latest&last=3", "latest&since=5m", "latest=yes", "latest&latest"} {
		a := s.do(http.MethodGet, "/events?topic=a&"+query, "")
		assert.Equal(t, http.StatusBadRequest, a.status, query)
		assert.Equal(t, "invalid_latest", refused(t, a).Code, query)
	}
}
