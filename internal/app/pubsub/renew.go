package pubsub

import (
	"time"

	"carillon/internal/domain/access"
)

// Renew replaces the rights of a stream's subscriber: what may be seen, and until when (zero: without end). The stream
// must be attached. Renew may be called from any goroutine and does not block; the new rights hold soon after.
func (s *Stream) Renew(grant access.Grant, expires time.Time) {
	s.shard.post(message{kind: msgQuery, query: func() { s.shard.renew(s, grant, expires) }})
}

func (s *shard) renew(st *Stream, grant access.Grant, expires time.Time) {
	if st.state == stateClosed {
		return
	}
	st.sub.Grant, st.sub.Expires = grant, expires
	s.wheel.remove(st)
	s.wheel.schedule(st, s.stepsToNextCall(st))
}
