package ws

import (
	"errors"
	"time"

	"github.com/coder/websocket"

	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
)

// checkPublisher returns why the client may not publish at all, or nil.
func (s *socket) checkPublisher() error {
	switch expires := s.rights.Expires; {
	case !s.given:
		return ErrNoToken
	case !expires.IsZero() && !time.Now().Before(expires):
		return access.ErrExpiredToken
	}
	return nil
}

// authenticate replaces the rights of the connection and of its subscriptions. A token that is refused changes nothing.
func (s *socket) authenticate(token string) {
	s.mu.Lock()
	awaiting := s.awaiting
	s.awaiting = nil // the timer for the first frame does not count what the token's verification takes
	s.mu.Unlock()
	rights, err := s.host.Authenticate(s.ctx, token)
	if err != nil {
		s.refuse(subject{}, Authenticating, err)
		if awaiting != nil {
			s.shut(newClosing(websocket.StatusPolicyViolation, pubsub.EndExpired, "unauthorized", 0))
		}
		return
	}
	s.rights, s.given = &rights, true
	for _, sub := range s.subscriptions() {
		if err := s.host.Renew(sub.stream, rights, sub.request); err != nil {
			s.refuse(subject{sub: sub.name}, Subscribing, err)
			sub.end(revoked)
		}
	}
	if awaiting == nil {
		return
	}
	if err := s.open("", *awaiting); err != nil {
		s.refuse(subject{}, Subscribing, err)
	}
}

// open opens a subscription with the rights of the connection.
func (s *socket) open(name string, req subscribe.Request) error {
	share := s.takePlace()
	opened, err := s.host.Open(s.ctx, *s.rights, req, share)
	if errors.Is(err, subscribe.ErrForbidden) && !s.given {
		err = ErrNoToken
	}
	if err != nil {
		s.returnPlace(share)
		return err
	}
	s.attach(name, req, opened, share)
	return nil
}
