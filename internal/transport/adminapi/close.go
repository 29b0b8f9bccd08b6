package adminapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"go.uber.org/zap"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// closed is the response: how many streams were closed.
type closed struct {
	Closed int `json:"closed"`
}

// closeStream serves POST /streams/{id}/close. The stream's client is sent the reason and by default reconnects.
func (a *API) closeStream(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("id")
	a.end(w, r, func(sub pubsub.Subscription) bool { return sub.Name == name }, errNoStream)
}

// closeTopic serves POST /topics/close?topic=, which closes the streams that subscribe to a topic or pattern within the
// given one: orders/** closes those of orders/42 and of orders/*, but not those of **.
func (a *API) closeTopic(w http.ResponseWriter, r *http.Request) {
	topics := r.URL.Query()["topic"]
	if len(topics) != 1 {
		a.fail(w, &event.InvalidError{Field: "topic", Problem: "must be given once"})
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

// maxDenial bounds how long a subject can be kept out. Longer than this, take its key or its token away.
const maxDenial = 24 * time.Hour

// closeSubject serves POST /streams/close?subject=, which closes the streams whose tokens name a subject. With deny_for its
// tokens are refused for so long after; deny_for=0 lifts an earlier denial.
func (a *API) closeSubject(w http.ResponseWriter, r *http.Request) {
	subject, period, err := subjectParameters(r.URL.Query())
	if err != nil {
		a.fail(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), engineTimeout)
	defer cancel()
	n, err := a.deps.Authority.Expel(ctx, subject, period)
	if err != nil {
		a.fail(w, err)
		return
	}
	a.deps.Logger.Info("subject expelled", zap.String("subject", subject), zap.Duration("denied_for", period), zap.Int("streams", n), zap.String("peer", r.RemoteAddr))
	writeJSON(w, closed{n})
}

func subjectParameters(query url.Values) (subject string, period time.Duration, err error) {
	subjects, periods := query["subject"], query["deny_for"]
	if len(subjects) != 1 || subjects[0] == "" {
		return "", 0, &event.InvalidError{Field: "subject", Problem: "must be given once"}
	}
	switch len(periods) {
	case 0:
		return subjects[0], 0, nil
	case 1:
		period, err = time.ParseDuration(periods[0])
	}
	if len(periods) > 1 || err != nil || period < 0 || period > maxDenial {
		return "", 0, &event.InvalidError{Field: "deny_for", Problem: "must be a duration from 0s to 24h"}
	}
	return subjects[0], period, nil
}

// end closes the streams for which which reports true. If there are none, it sends the error none, unless that is nil.
func (a *API) end(w http.ResponseWriter, r *http.Request, which func(pubsub.Subscription) bool, none error) {
	ctx, cancel := context.WithTimeout(r.Context(), engineTimeout)
	defer cancel()
	n, err := a.deps.Engine.End(ctx, pubsub.EndClosed, which)
	if err == nil && n == 0 {
		err = none
	}
	if err != nil {
		a.fail(w, err)
		return
	}
	a.deps.Logger.Info("streams closed", zap.Int("streams", n), zap.String("peer", r.RemoteAddr))
	writeJSON(w, closed{n})
}
