package doctor

import (
	"context"
	"fmt"
	"net/http"
)

// invalidToken is no token of any server.
const invalidToken = "carillon-doctor-invalid"

// checkRefusals reports whether refusals arrive as the server sent them: they tell clients the reason, and whether to
// try again. Only the refusals of Carillon are known.
func checkRefusals(ctx context.Context, t *Target) []Finding {
	if !t.isCarillon() {
		if t.unknown == nil {
			return notChecked("refusals", "no response arrived")
		}
		return []Finding{{
			Code: "refusals_unknown", Level: Info, Summary: fmt.Sprintf("a path that does not exist is answered with %d and type %q", t.unknown.status, t.unknown.header.Get("Content-Type")),
			Meaning: "What the server itself answers is not known, so whether this is its own cannot be seen.",
			Values:  map[string]any{"status": t.unknown.status},
		}}
	}
	r, err := t.get(ctx, http.MethodGet, t.url, http.Header{"Authorization": {"Bearer " + invalidToken}, "Accept": {"text/event-stream"}})
	if err != nil {
		return []Finding{failed("refusal_failed", Fail, "a request with a token that is not valid", err)}
	}
	var findings []Finding
	if f := tokenRefusal(r); f != nil {
		findings = append(findings, *f)
	}
	if t.unknown != nil && !t.unknown.problem("not_found") {
		f := replacedRefusal(t.unknown, "a path that does not exist", http.StatusNotFound)
		if t.unknown.status == http.StatusNotFound {
			// A proxy that routes only the stream's path responds to others itself, which is as good.
			f.Level = Info
		}
		findings = append(findings, f)
	}
	if len(findings) == 0 {
		return []Finding{{Code: "refusals_arrive", Summary: "refusals arrive as the server sent them (401 and 404, application/problem+json)"}}
	}
	return findings
}

// tokenRefusal returns what is wrong with the response to a token that is not valid, or nil.
func tokenRefusal(r *reply) *Finding {
	switch {
	case r.status == http.StatusUnauthorized && r.problem("token_invalid"):
		return nil
	case r.status == http.StatusOK && mediaType(r.header) == "text/event-stream":
		return &Finding{
			Code: "authorization_lost", Level: Fail, Summary: "a token that is not valid is given a stream: Authorization does not reach the server",
			Meaning: "Clients with a token get only what everybody gets, or are refused.",
			Change:  "Pass the header on.", Config: passing("Authorization", "$http_authorization"),
		}
	}
	f := replacedRefusal(r, "a token that is not valid", http.StatusUnauthorized)
	return &f
}

// replacedRefusal is the finding for a refusal that is not Carillon's.
func replacedRefusal(r *reply, what string, want int) Finding {
	return Finding{
		Code: "refusal_replaced", Level: Fail,
		Summary: fmt.Sprintf("the answer to %s is %d with type %q; Carillon sends %d with application/problem+json", what, r.status, r.header.Get("Content-Type"), want),
		Meaning: "A proxy answers in the server's place. Clients cannot read why they were refused.",
		Change:  "Let responses with an error status through.", Config: uninterceptedErrors(),
		Values: map[string]any{"status": r.status},
	}
}
