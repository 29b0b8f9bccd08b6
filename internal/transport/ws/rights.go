package ws

import (
	"errors"
	"time"

	"github.com/coder/websocket"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
)

// credential is a token and the rights that it had when it was verified last. A token of "" is none.
type credential struct {
	token string

	// What follows belongs to the goroutine that publishes, once there is one.

	rights   access.Rights
	verified time.Time
}

func newCredential(token string, rights access.Rights) *credential {
	return &credential{token: token, rights: rights, verified: time.Now()}
}

// recheckAfter is for how long the result of verifying a token counts for publishing: a token that expired, whose key was
// withdrawn or whose subject was denied publishes for no longer. (The engine ends streams itself.)
const recheckAfter = time.Second

// publishBy publishes events that were sent with a credential.
func (s *socket) publishBy(by *credential, requests []publish.Request) []publish.Result {
	if time.Since(by.verified) > recheckAfter {
		rights, err := s.host.Authenticate(s.ctx, by.token)
		if err != nil {
			results := make([]publish.Result, len(requests))
			for i := range results {
				results[i].Err = err
			}
			return results
		}
		by.rights, by.verified = rights, time.Now()
	}
	return s.host.Publish(s.ctx, by.rights, requests)
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
	s.credential, s.rights = newCredential(token, rights), rights
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
	opened, err := s.host.Open(s.ctx, s.rights, req, share)
	if errors.Is(err, access.ErrForbidden) && s.credential.token == "" {
		err = ErrNoToken
	}
	if err != nil {
		s.returnPlace(share)
		return err
	}
	s.attach(name, req, opened, share)
	return nil
}
