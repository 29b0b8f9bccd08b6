package pubsub

import (
	"time"

	"carillon/internal/domain/access"
)

// Renew replaces the rights of a stream's subscriber: what may be seen, until when (zero: without end), and by which
// credential. The stream must be attached. Renew may be called from any goroutine and does not block; the new rights
// hold soon after.
func (s *Stream) Renew(grant access.Grant, expires time.Time, by *access.Credential) {
	s.shard.post(message{kind: msgQuery, query: func() { s.shard.renew(s, grant, expires, by) }})
}

func (s *shard) renew(st *Stream, grant access.Grant, expires time.Time, by *access.Credential) {
	if st.state == stateClosed {
		return
	}
	st.sub.Grant, st.sub.Expires, st.sub.Credential = grant, expires, by
	s.wheel.remove(st)
	s.wheel.schedule(st, s.stepsToNextCall(st))
}
