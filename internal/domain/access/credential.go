package access

import "carillon/internal/domain/event"

// Credential is what the rights of a token rest on. With it they can be checked again later, without the token.
type Credential struct {
	Subject   string // that the token names; "" if none
	Proof     string // identifies the secret or key and the conditions that the token was verified with, and is none of them
	Subscribe Grant  // what the token itself grants, beside what everybody may subscribe to
}

// Reduced reports whether a subscription to the pattern may receive less under the grant now than under g.
func (g Grant) Reduced(now Grant, p event.Pattern) bool {
	for _, q := range g.patterns {
		if q.Overlaps(p) && !now.covers(q) && !now.covers(p) {
			return true
		}
	}
	return false
}

// covers reports whether one pattern of the grant selects every topic that p selects.
func (g Grant) covers(p event.Pattern) bool {
	for _, q := range g.patterns {
		if q.Covers(p) {
			return true
		}
	}
	return false
}
