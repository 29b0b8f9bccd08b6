package httpapi

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"carillon/internal/app/publish"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/transport/jsonevent"
)

// publishBatch publishes a body of JSON objects, one per line: all of them or none.
func (a *API) publishBatch(c *gin.Context, rights access.Rights, query url.Values) error {
	for _, name := range []string{"topic", "type", "retry"} {
		if query.Has(name) {
			return &event.InvalidError{Field: name, Problem: "must be in each line of a batch, not in the query"}
		}
	}
	if c.GetHeader("Idempotency-Key") != "" {
		return &event.InvalidError{Field: "key", Problem: "must be in each line of a batch, not in the header"}
	}
	body, err := readBody(c, a.deps.Publisher.Limits().BatchBytes)
	if err != nil {
		return err
	}
	number := 0 // of the line that was parsed last, from 1
	positions, err := a.deps.Publisher.PublishBatch(c.Request.Context(), rights, func(yield func(publish.Request, error) bool) {
		for line := range bytes.Lines(body) {
			number++
			if line = bytes.TrimSpace(line); len(line) > 0 && !yield(jsonevent.ParseLine(line)) {
				return
			}
		}
	})
	if item, ok := errors.AsType[*publish.ItemError](err); ok {
		return &lineError{line: number, err: item.Err} // clients count lines, blank ones included
	}
	if err != nil {
		return err
	}
	response := []byte(`{"ids":[`)
	for i, p := range positions {
		if i > 0 {
			response = append(response, ',')
		}
		response = append(p.Append(append(response, '"')), '"')
	}
	c.Data(http.StatusOK, "application/json", append(response, "]}\n"...))
	return nil
}
