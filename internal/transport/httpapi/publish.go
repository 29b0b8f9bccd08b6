package httpapi

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// publish serves POST /events: one event whose data is the body, or a batch of events.
func (a *API) publish(c *gin.Context) {
	rights, given, err := a.rights(c)
	if err == nil && !given {
		err = errNoToken
	}
	if err != nil {
		a.fail(c, err)
		return
	}
	query, err := parseQuery(c.Request, publishParameters)
	if err != nil {
		a.fail(c, err)
		return
	}
	if mediaType, _, _ := mime.ParseMediaType(c.ContentType()); mediaType == "application/x-ndjson" {
		err = a.publishBatch(c, rights, query)
	} else {
		err = a.publishOne(c, rights, query)
	}
	if err != nil {
		a.fail(c, err)
	}
}

// jsonTypes are the media types of a publisher that may expect the body to name the topics.
var jsonTypes = []string{"application/json", "application/ndjson", "application/jsonl", "application/json-seq"}

func (a *API) publishOne(c *gin.Context, rights access.Rights, query url.Values) error {
	req, err := a.publishRequest(c, query)
	if err != nil {
		return err
	}
	if mediaType, _, _ := mime.ParseMediaType(c.ContentType()); len(req.Topics) == 0 && slices.Contains(jsonTypes, mediaType) {
		return &event.InvalidError{Field: "topic", Problem: "is missing; to name topics in the body, send lines of JSON as application/x-ndjson"}
	}
	appended, err := a.deps.Publisher.Publish(c.Request.Context(), rights, req)
	if err != nil {
		return err
	}
	markReplayed(c, appended)
	c.Data(http.StatusCreated, "application/json", append(appended.Position.Append([]byte(`{"id":"`)), "\"}\n"...))
	return nil
}

// markReplayed sets the header of a response to a request that published nothing new, because its keys were known.
func markReplayed(c *gin.Context, appended ...pubsub.Appended) {
	for _, a := range appended {
		if !a.Repeated {
			return
		}
	}
	c.Header("Idempotency-Replayed", "true")
}

// publishRequest returns the event that the query, the headers and the body describe.
func (a *API) publishRequest(c *gin.Context, query url.Values) (req publish.Request, err error) {
	req.Topics = query["topic"]
	if req.Type, err = single(query, "type"); err != nil {
		return req, err
	}
	if req.Retry, err = single(query, "retry"); err != nil {
		return req, err
	}
	if len(c.Request.Header.Values("Idempotency-Key")) > 1 {
		return req, &event.InvalidError{Field: "key", Problem: "is given more than once"}
	}
	req.Key = c.GetHeader("Idempotency-Key")
	req.ReadData = func(limit int64) (string, error) {
		body, err := readBody(c, limit)
		return string(body), err
	}
	return req, nil
}

// readBody returns a request's body, which may have at most limit bytes and must arrive before the read deadline.
func readBody(c *gin.Context, limit int64) ([]byte, error) {
	body, err := readAll(http.MaxBytesReader(c.Writer, c.Request.Body, limit), c.Request.ContentLength, limit)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, fmt.Errorf("the body has more than %d bytes: %w", limit, errTooLarge)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, errSlowBody
	case err != nil && c.Request.Context().Err() != nil:
		return nil, c.Request.Context().Err() // the client left
	case err != nil:
		return nil, &event.InvalidError{Field: "body", Problem: "could not be read"}
	}
	// The body is complete. From now on net/http, unlike keepalive, reads the connection to notice its end, which may take
	// longer.
	_ = http.NewResponseController(c.Writer).SetReadDeadline(time.Time{})
	return body, nil
}

// smallBody is the largest announced body, in bytes, that is allocated at once. The memory of a larger body grows with what arrives.
const smallBody = 16 << 10

// readAll reads a body of an announced length, which is negative if it is unknown.
func readAll(body io.Reader, length, limit int64) ([]byte, error) {
	if length < 0 || length > min(limit, smallBody) {
		return io.ReadAll(body)
	}
	b := make([]byte, length)
	_, err := io.ReadFull(body, b)
	return b, err
}
