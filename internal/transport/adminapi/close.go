package adminapi

import (
	"context"
	"net/http"
	"slices"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// closed says how many streams were closed.
type closed struct {
	Closed int `json:"closed"`
}

// closeStream answers POST /streams/{id}/close. Its client is told why, and comes back unless it has a reason not to.
func (a *API) closeStream(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	a.end(w, r, func(sub pubsub.Subscription) bool { return sub.Name == id }, errNoStream)
}

// closeTopic answers POST /topics/close?topic=, which closes the streams that asked for a topic or pattern within this
// one: orders/** closes those of orders/42 and of orders/*, but none that asked for **.
func (a *API) closeTopic(w http.ResponseWriter, r *http.Request) {
	topics := r.URL.Query()["topic"]
	if len(topics) != 1 {
		a.fail(w, &event.InvalidError{Field: "topic", Problem: "is to be given once"})
		return
	}
	pattern, err := event.ParsePattern(topics[0])
	if err != nil {
		a.fail(w, err)
		return
	}
	a.end(w, r, func(sub pubsub.Subscription) bool {
		return slices.ContainsFunc(sub.Patterns, pattern.Covers)
	}, nil)
}

// end closes the streams that which selects. If there are none, the answer is the error, where one is given.
func (a *API) end(w http.ResponseWriter, r *http.Request, which func(pubsub.Subscription) bool, none error) {
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	n, err := a.deps.Engine.End(ctx, pubsub.EndClosed, which)
	if err == nil && n == 0 {
		err = none
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	a.deps.Log.Info("streams closed", zap.Int("streams", n), zap.String("peer", r.RemoteAddr))
	answer(w, closed{n})
}
