package ws

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/coder/websocket"

	"carillon/internal/app/pubsub"
)

// closing is how the server closes a connection. The reason is a JSON object with the reason and, where the client may
// come back, the time to wait in milliseconds.
type closing struct {
	code   websocket.StatusCode
	reason string
	why    pubsub.EndReason
}

// closingFor returns how a connection is closed for a reason of its streams.
func closingFor(why pubsub.EndReason, retry time.Duration) closing {
	switch why {
	case pubsub.EndDrain:
		return newClosing(websocket.StatusServiceRestart, why, string(why), retry) // 1012
	case pubsub.EndExpired, pubsub.EndRights:
		return newClosing(websocket.StatusPolicyViolation, why, string(why), 0) // 1008
	default:
		return newClosing(websocket.StatusInternalError, why, string(why), retry) // 1011
	}
}

func newClosing(code websocket.StatusCode, why pubsub.EndReason, reason string, retry time.Duration) closing {
	var wait int64
	if retry > 0 {
		wait = (retry + rand.N(retry)).Milliseconds() // so that clients that lost a server together do not come back together
	}
	text, err := json.Marshal(struct {
		Reason string `json:"reason"`
		Retry  int64  `json:"retry,omitempty"`
	}{reason, wait})
	if err != nil {
		panic(err) // a string and a number always have a JSON form
	}
	return closing{code: code, reason: string(text), why: why}
}

// hasToken reports whether a list in a header has a token (RFC 9110, 5.6.1).
func hasToken(lines []string, token string) bool {
	for element := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		if strings.EqualFold(strings.TrimSpace(element), token) {
			return true
		}
	}
	return false
}
