package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/ndjson"
	"carillon/internal/transport/sse"
)

// described is the OpenAPI description, against which requests and responses are checked.
type described struct {
	doc    *openapi3.T
	router routers.Router
}

var description = sync.OnceValues(func() (described, error) {
	for _, kind := range []string{"text/event-stream", "application/x-ndjson", "application/x-www-form-urlencoded", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder) // as text
	}
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		return described{}, err
	}
	router, err := legacy.NewRouter(doc, openapi3.EnableExamplesValidation())
	return described{doc: doc, router: router}, err
})

// describedTransport is the transport of a client. It checks every accepted request and every response against the description.
type describedTransport struct {
	testing.TB

	next http.RoundTripper
}

// CloseIdleConnections is what a client's method of that name calls.
func (d describedTransport) CloseIdleConnections() { d.next.(*http.Transport).CloseIdleConnections() }

// skipDescriptionCheck allows a test to send requests and get responses that are not described.
func (s *server) skipDescriptionCheck() {
	s.client.Transport = s.client.Transport.(describedTransport).next
}

func (d describedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusRequestHeaderFieldsTooLarge {
		return response, nil // net/http's own
	}
	api, err := description()
	if err != nil {
		return nil, err
	}
	request := cloneRequest(r)
	route, params, err := api.router.FindRoute(request)
	if err != nil || r.URL.Path == "/events/" { // which the tests' router takes for another; preflights and what is not there need no description
		missing := []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusForbidden}
		assert.True(d, r.Method == http.MethodOptions || strings.HasPrefix(r.URL.Path, "/assets/") || slices.Contains(missing, response.StatusCode),
			"%s %s is not described: %v", r.Method, r.URL, err)
		return response, nil
	}
	options := &openapi3filter.Options{
		AuthenticationFunc:    openapi3filter.NoopAuthenticationFunc,
		IncludeResponseStatus: true,
		ExcludeResponseBody:   r.Method == http.MethodGet && slices.Contains([]string{sse.MediaType, ndjson.MediaType}, response.Header.Get("Content-Type")),
	}
	input := &openapi3filter.RequestValidationInput{Request: request, PathParams: params, Route: route, Options: options}
	if response.StatusCode < http.StatusBadRequest {
		assert.NoError(d, openapi3filter.ValidateRequest(context.Background(), input), "a request that was taken is not in the description")
		for name := range request.URL.Query() {
			assert.True(d, name == "utm" || route.Operation.Parameters.GetByInAndName("query", name) != nil, "%s is not described", name)
		}
	}
	given := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: response.StatusCode, Header: response.Header, Options: options,
	}
	if !options.ExcludeResponseBody && r.Method != http.MethodHead {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
		given.SetBodyBytes(body)
	}
	assert.NoError(d, openapi3filter.ValidateResponse(context.Background(), given), "a response is not in the description: %s %s", r.Method, r.URL)
	return response, nil
}

// cloneRequest returns a copy of a request with its body unread, as a server at "/" sees it, and with a type where the body may have any.
func cloneRequest(r *http.Request) *http.Request {
	again := r.Clone(context.Background())
	again.URL = &url.URL{Path: r.URL.Path, RawQuery: r.URL.RawQuery}
	if r.GetBody != nil {
		again.Body, _ = r.GetBody()
	}
	if kind := again.Header.Get("Content-Type"); kind == "" || kind == ";;" {
		again.Header.Set("Content-Type", "text/plain")
	}
	return again
}

func TestTheDescriptionIsServedAndValid(t *testing.T) {
	s := serve(t)
	a := s.do(http.MethodGet, "/openapi.yaml", "")
	assert.Equal(t, http.StatusOK, a.status)
	assert.Equal(t, "application/yaml", a.header.Get("Content-Type"))
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.body))
	require.NoError(t, err)
	assert.Equal(t, "3.1.0", doc.OpenAPI)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaPatternValidation()))
}

var ginParameter = regexp.MustCompile(`[:*](\w+)`)

func TestTheDescriptionHasEveryRouteAndNoOther(t *testing.T) {
	api, err := description()
	require.NoError(t, err)
	var described, real []string
	for path, item := range api.doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	for _, route := range serve(t).api.Routes() {
		real = append(real, route.Method+" "+ginParameter.ReplaceAllString(route.Path, "{$1}"))
	}
	slices.Sort(described)
	slices.Sort(real)
	assert.Equal(t, real, described)
}

func TestTheDescriptionHasEveryRefusalAndNoOther(t *testing.T) {
	api, err := description()
	require.NoError(t, err)
	var described []string
	for _, code := range api.doc.Components.Schemas["Code"].Value.Enum {
		described = append(described, code.(string))
	}
	statuses := make(map[string]bool)
	for _, item := range api.doc.Paths.Map() {
		for _, operation := range item.Operations() {
			for status := range operation.Responses.Map() {
				statuses[status] = true
			}
		}
	}
	real := make(map[string]bool)
	for _, r := range httpapi.Refusals() {
		real[r.Code] = true
		assert.Contains(t, described, r.Code)
		if r.Status != http.StatusNotFound && r.Status != http.StatusMethodNotAllowed { // those are of no route
			assert.Contains(t, statuses, strconv.Itoa(r.Status), r.Code)
		}
	}
	meaning := api.doc.Components.Schemas["Code"].Value.Description
	fields := api.doc.Components.Schemas["Problem"].Value.Properties["field"].Value.Enum
	for _, code := range described {
		if field, found := strings.CutPrefix(code, "invalid_"); found {
			assert.Contains(t, fields, any(field), "the fields and their codes differ")
			continue
		}
		assert.Contains(t, meaning, "`"+code+"`", "a code without a meaning")
		assert.True(t, real[code], "%s is described and never given", code)
	}
	for _, field := range fields {
		assert.Contains(t, described, "invalid_"+field.(string))
	}
}

// The control events of a stream are JSON and are described.
func TestTheDescriptionHasControlEvents(t *testing.T) {
	api, err := description()
	require.NoError(t, err)
	s := serve(t)
	st, _ := s.listen("topic=a&last_event_id=nonsense")
	reset := st.block()
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	for schema, block := range map[string]string{"Reset": reset, "Goaway": st.rest()} {
		_, data, found := strings.Cut(block, "\ndata: ")
		require.True(t, found, block)
		var value any
		require.NoError(t, json.Unmarshal([]byte(data), &value))
		assert.NoError(t, api.doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.EnableJSONSchema2020()))
	}
}

// The examples of the description are accepted.
func TestTheDescriptionsExamplesWork(t *testing.T) {
	api, err := description()
	require.NoError(t, err)
	s := serve(t)
	contents := api.doc.Paths.Find("/events").Post.RequestBody.Value.Content
	for kind, content := range contents {
		example := content.Example
		if example == nil {
			continue
		}
		body, isText := example.(string)
		if !isText {
			encoded, err := json.Marshal(example)
			require.NoError(t, err)
			body = string(encoded)
		}
		query, status := "topic=a", http.StatusCreated
		if kind == batchType {
			query, status = "", http.StatusOK
		}
		assert.Equal(t, status, s.post(query, body, "Content-Type", kind).status, kind)
	}
	line, err := json.Marshal(api.doc.Components.Schemas["BatchLine"].Value.Examples[0])
	require.NoError(t, err)
	assert.Equal(t, http.StatusOK, s.post("", string(line), "Content-Type", batchType).status)
}

// The schema of a batch line accepts the lines that the server accepts, and no others.
func TestTheDescriptionOfABatchLineHolds(t *testing.T) {
	api, err := description()
	require.NoError(t, err)
	s := serve(t)
	for line, good := range map[string]bool{
		`{"topic":"a"}`:                                           true,
		`{"topic":["a","b"],"data":{"x":[]}}`:                     true,
		`{"topic":"a","data":"x","type":"t","retry":5,"key":"k"}`: true,
		`{"topic":"a","retry":86400001}`:                          false,
		`{"topic":"a","retry":-1}`:                                false,
		`{"topic":"a","retry":1.5}`:                               false,
		`{"topic":"a/*"}`:                                         false,
		`{"topic":""}`:                                            false,
		`{"topic":[]}`:                                            false,
		`{"topic":7}`:                                             false,
		`{"data":"x"}`:                                            false,
		`{"topic":"a","colour":"red"}`:                            false,
		`{"topic":"a","type":7}`:                                  false,
	} {
		var value any
		require.NoError(t, json.Unmarshal([]byte(line), &value))
		err := api.doc.Components.Schemas["BatchLine"].Value.VisitJSON(value, openapi3.EnableJSONSchema2020())
		assert.Equal(t, good, err == nil, "the description of %s: %v", line, err)
		assert.Equal(t, good, s.post("", line, "Content-Type", batchType).status == http.StatusOK, "the response of the server to %s", line)
	}
}
