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
	var lines []int // the number of each event's line, from 1
	number := 0
	appended, err := a.deps.Publisher.PublishBatch(c.Request.Context(), rights, func(yield func(publish.Request, error) bool) {
		for line := range bytes.Lines(body) {
			number++
			if line = bytes.TrimSpace(line); len(line) == 0 {
				continue
			}
			lines = append(lines, number)
			if !yield(jsonevent.ParseLine(line)) {
				return
			}
		}
	})
	if item, ok := errors.AsType[*publish.ItemError](err); ok {
		return &lineError{line: lines[item.Index], err: item.Err} // clients count lines, blank ones included
	}
	if err != nil {
		return err
	}
	response := []byte(`{"ids":[`)
	for i, event := range appended {
		if i > 0 {
			response = append(response, ',')
		}
		response = append(event.Position.Append(append(response, '"')), '"')
	}
	markReplayed(c, appended...)
	c.Data(http.StatusOK, "application/json", append(response, "]}\n"...))
	return nil
}
