package httpapi_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"carillon/internal/app/presence"
	"carillon/internal/app/publish"
	"carillon/internal/app/pubsub"
	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/app/subscribe"
	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/longpoll"
	"carillon/internal/transport/ndjson"
	"carillon/internal/transport/sse"
	"carillon/internal/transport/ws"
)

// waitTimeout bounds every wait. It only ends tests that would hang.
const waitTimeout = 30 * time.Second

// The tokens that the tests' authenticator knows.
const (
	tokenAll     = "may-publish-everything"
	tokenOrders  = "may-publish-orders"
	tokenExpired = "was-good-once"
	tokenNoKeys  = "keys-are-away"
	tokenBlocks  = "is-checked-until-the-client-leaves"
)

// tokens is an authenticator with a list.
type tokens struct {
	mu        sync.Mutex
	rights    map[string]access.Rights
	anonymous access.Rights
}

func newTokens() *tokens {
	return &tokens{
		rights: map[string]access.Rights{
			tokenAll:    {Subscribe: grant("**"), Publish: grant("**")},
			tokenOrders: {Subject: "shop", Subscribe: grant("orders/**"), Publish: grant("orders/**")},
		},
		anonymous: access.Rights{Subscribe: grant("**")},
	}
}

func (a *tokens) Authenticate(ctx context.Context, token string) (access.Rights, error) {
	switch token {
	case tokenBlocks:
		<-ctx.Done()
		return access.Rights{}, ctx.Err()
	case tokenExpired:
		return access.Rights{}, access.ErrExpiredToken
	case tokenNoKeys:
		return access.Rights{}, fmt.Errorf("fetching: %w", &access.UnavailableError{Wait: 7 * time.Second})
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	rights, known := a.rights[token]
	if !known {
		return rights, access.ErrInvalidToken
	}
	return rights, nil
}

// withdraw makes a token invalid.
func (a *tokens) withdraw(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.rights, token)
}

func (a *tokens) Anonymous() access.Rights { return a.anonymous }

func grant(patterns ...string) access.Grant {
	list := make([]event.Pattern, 0, len(patterns))
	for _, text := range patterns {
		pattern, err := event.ParsePattern(text)
		if err != nil {
			panic(err)
		}
		list = append(list, pattern)
	}
	return access.Allow(list...)
}

type (
	publishLimits   = publish.Limits
	subscribeLimits = subscribe.Limits
)

// limits are those of the use cases.
type limits struct {
	publishLimits
	subscribeLimits
}

// settings are everything a test may change about a server before it starts.
type settings struct {
	http     httpapi.Config
	limits   limits
	stream   delivery.Config
	sockets  ws.Config
	engine   pubsub.Config
	auth     *tokens
	presence presence.Config
	history  int
	log      func(pubsub.Log) pubsub.Log // wraps the log
	page     http.Handler
	secure   bool // TLS, with HTTP/2
	observer httpapi.Observer
	tracer   trace.Tracer
}

func defaults() settings {
	return settings{
		http: httpapi.Config{
			Addr: "127.0.0.1:0", ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second,
			IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, Cookie: "carillon",
		},
		limits: limits{
			subscribeLimits: subscribeLimits{TopicsPerStream: 16},
			publishLimits:   publishLimits{TopicsPerEvent: 8, EventBytes: 1 << 20, BatchEvents: 100, BatchBytes: 4 << 20},
		},
		stream: delivery.Config{
			Retry: 2 * time.Second, RefusedRetry: 5 * time.Second, WriteTimeout: 5 * time.Second,
			MaxBatchBytes: 64 << 10, TakeOver: true,
		},
		sockets: ws.Config{
			Heartbeat: time.Minute, DeadAfter: waitTimeout, Retry: 2 * time.Second, WriteTimeout: 5 * time.Second,
			ReadTimeout: 5 * time.Second, BatchBytes: 64 << 10, FirstFrame: 5 * time.Second,
		},
		engine: pubsub.Config{
			Window:    pubsub.WindowConfig{Events: 1 << 16, Bytes: 64 << 20, Age: time.Hour},
			Heartbeat: time.Minute,
			Slow:      pubsub.SlowClose,
		},
		presence: presence.Config{Interval: 100 * time.Millisecond, Grace: time.Second, MaxMembers: 3, PublicCount: true},
		auth:     newTokens(),
		history:  1 << 16,
		page:     http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") }),
	}
}

// server is a whole server on a socket.
type server struct {
	*testing.T

	url     string
	api     *httpapi.API
	engine  *pubsub.Engine
	sockets *ws.Server
	tokens  *tokens
	logs    *observer.ObservedLogs
	client  *http.Client
}

// serve starts a server with the settings as change leaves them, and stops it when the test ends.
func serve(t testing.TB, change ...func(*settings)) *server {
	t.Helper()
	set := defaults()
	for _, c := range change {
		c(&set)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	log := newLog(t, set.history)
	if set.log != nil {
		log = set.log(log)
	}
	engine, err := pubsub.New(set.engine, log, pubsubtest.NopObserver{})
	require.NoError(t, err)
	present, err := presence.New(set.presence, engine, nil)
	require.NoError(t, err)
	streams, err := delivery.New(set.stream)
	require.NoError(t, err)
	clock, err := event.ParsePattern("clock")
	require.NoError(t, err)
	publisher, err := publish.New(set.limits.publishLimits, engine)
	require.NoError(t, err)
	subscriber, err := subscribe.New(set.limits.subscribeLimits, engine, present, clock)
	require.NoError(t, err)
	list, jsonLines := representations(streams)
	sockets := ws.New("ws", jsonLines, set.sockets)
	api, err := httpapi.New(set.http, httpapi.Deps{
		Publisher: publisher, Subscriber: subscriber, Ready: engine.Ready, Draining: engine.Draining, Representations: list, Sockets: sockets,
		Auth: set.auth, Page: set.page, Observer: set.observer, Tracer: set.tracer, Logger: zap.New(core),
	})
	require.NoError(t, err)

	web := httptest.NewUnstartedServer(api)
	web.Config.ReadHeaderTimeout = set.http.ReadHeaderTimeout
	web.Config.IdleTimeout = set.http.IdleTimeout
	web.Config.MaxHeaderBytes = set.http.MaxHeaderBytes
	web.Config.ErrorLog = zap.NewStdLog(zap.New(core).Named("net/http"))
	if set.secure {
		web.EnableHTTP2 = true
		web.StartTLS()
	} else {
		web.Start()
	}

	// The poller outlives the streams, as it must.
	var engineRunning, pollerRunning, socketsRunning sync.WaitGroup
	stopSockets := start(&socketsRunning, sockets.Run)
	stopEngine := start(&engineRunning, engine.Run)
	stopPresence := start(&engineRunning, present.Run)
	stopPoller := start(&pollerRunning, streams.Run)
	s := &server{url: web.URL, api: api, engine: engine, sockets: sockets, tokens: set.auth, logs: logs, client: newClient(t, web)}
	s.T, _ = t.(*testing.T)
	t.Cleanup(func() {
		stopEngine()
		stopPresence()
		engineRunning.Wait()
		stopSockets()
		socketsRunning.Wait()
		stopPoller()
		pollerRunning.Wait()
		s.client.CloseIdleConnections()
		web.Close()
	})
	return s
}

// representations are those of the real server, in its order.
func representations(streams *delivery.Server) ([]httpapi.Representation, *delivery.Transport) {
	jsonLines := streams.Transport("ndjson", ndjson.Codec{})
	return []httpapi.Representation{
		{
			Name: "sse", MediaType: sse.MediaType,
			Transport: streams.Transport("sse", sse.Codec{}), JSON: streams.Transport("sse", sse.JSONCodec{}),
		},
		{Name: "ndjson", MediaType: ndjson.MediaType, Transport: jsonLines},
		{Name: "poll", MediaType: longpoll.MediaType, Transport: longpoll.New("poll", jsonLines, 5*time.Second), Brief: true},
	}, jsonLines
}

func start(running *sync.WaitGroup, run func(context.Context) error) context.CancelFunc {
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() { _ = run(ctx) })
	return stop
}

func newClient(t testing.TB, web *httptest.Server) *http.Client {
	t.Helper()
	client := web.Client()
	client.Transport = describedTransport{TB: t, next: client.Transport}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client
}

// request makes a request; header holds names and values in turn.
func (s *server) request(method, path, body string, header ...string) *http.Request {
	s.Helper()
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// reply is a response that was read to its end.
type reply struct {
	status int
	header http.Header
	body   string
}

func (s *server) do(method, path, body string, header ...string) reply {
	s.Helper()
	return s.send(s.request(method, path, body, header...))
}

func (s *server) send(r *http.Request) reply {
	s.Helper()
	response, err := s.client.Do(r)
	require.NoError(s, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s, err)
	return reply{status: response.StatusCode, header: response.Header, body: string(body)}
}

// post publishes with a token that may do everything.
func (s *server) post(query, body string, header ...string) reply {
	s.Helper()
	return s.do(http.MethodPost, "/events?"+query, body, append([]string{"Authorization", "Bearer " + tokenAll}, header...)...)
}

// publish publishes an event and returns its position.
func (s *server) publish(topic, data string) string {
	s.Helper()
	a := s.post("topic="+url.QueryEscape(topic), data)
	require.Equal(s, http.StatusCreated, a.status, a.body)
	return idOf(s, a)
}

func idOf(t require.TestingT, a reply) string {
	var got struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &got))
	return got.ID
}

// refusal is a problem as a client reads it.
type refusal struct {
	Type, Title, Code, Detail, Field string
	Status, Line                     int
}

// refused checks that a response is a well-formed problem and returns it.
func refused(t require.TestingT, a reply) refusal {
	var p refusal
	require.Equal(t, "application/problem+json", a.header.Get("Content-Type"), a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), &p), a.body)
	require.Equal(t, a.status, p.Status)
	require.Equal(t, "about:blank", p.Type)
	require.NotEmpty(t, p.Title)
	require.NotEmpty(t, p.Code)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	return p
}

// stream is a subscription as a client reads it: bytes, block by block.
type stream struct {
	t      testing.TB
	header http.Header
	proto  string
	body   *bufio.Reader
	close  func()
}

// listen opens a stream and reads its opening.
func (s *server) listen(query string, header ...string) (*stream, string) {
	s.Helper()
	st := s.open("/events?"+query, header...)
	resumed := strings.Contains(query, "last_event_id=")
	for i := 0; i < len(header); i += 2 {
		resumed = resumed || header[i] == "Last-Event-ID" && header[i+1] != ""
	}
	if !resumed {
		return st, st.block()
	}
	return st, st.line() + st.line() // without a bookmark, there is no blank line
}

func (s *server) open(path string, header ...string) *stream {
	s.Helper()
	response, err := s.client.Do(s.request(http.MethodGet, path, "", header...))
	require.NoError(s, err)
	if response.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		require.Equal(s, http.StatusOK, response.StatusCode, string(body))
	}
	return newStream(s, response)
}

// newStream returns the stream in a response.
func newStream(s *server, response *http.Response) *stream {
	st := &stream{t: s, header: response.Header, proto: response.Proto, body: bufio.NewReader(response.Body)}
	st.close = sync.OnceFunc(func() { _ = response.Body.Close() })
	s.Cleanup(st.close)
	return st
}

// block reads up to and with the next blank line.
func (st *stream) block() string {
	st.t.Helper()
	var all strings.Builder
	for {
		line := st.line()
		all.WriteString(line)
		if line == "\n" {
			return all.String()
		}
	}
}

// line reads up to and with the next line end.
func (st *stream) line() string {
	st.t.Helper()
	guard := time.AfterFunc(waitTimeout, st.close)
	defer guard.Stop()
	line, err := st.body.ReadString('\n')
	require.NoError(st.t, err, "after %q", line)
	return line
}

// rest reads to the end of the stream, which must be a clean one.
func (st *stream) rest() string {
	st.t.Helper()
	guard := time.AfterFunc(waitTimeout, st.close)
	defer guard.Stop()
	rest, err := io.ReadAll(st.body)
	require.NoError(st.t, err)
	return string(rest)
}

// dial opens a bare connection.
func (s *server) dial() net.Conn {
	s.Helper()
	address, err := url.Parse(s.url)
	require.NoError(s, err)
	var conn net.Conn
	if address.Scheme == "https" {
		conn, err = tls.Dial("tcp", address.Host, &tls.Config{InsecureSkipVerify: true})
	} else {
		conn, err = net.Dial("tcp", address.Host)
	}
	require.NoError(s, err)
	require.NoError(s, conn.SetDeadline(time.Now().Add(waitTimeout)))
	s.Cleanup(func() { _ = conn.Close() })
	return conn
}

// raw sends bytes, as far as the server takes them, and reads until it closes.
func (s *server) raw(request string) string {
	s.Helper()
	conn := s.dial()
	_, _ = io.WriteString(conn, request)
	all, _ := io.ReadAll(conn)
	return string(all)
}

// eventually waits until ok reports true.
func eventually(t require.TestingT, what string, ok func() bool) {
	require.Eventually(t, ok, waitTimeout, 5*time.Millisecond, what)
}

func TestMisconfigurationIsNamed(t *testing.T) {
	for key, change := range map[string]func(*settings){
		"http.addr":                func(s *settings) { s.http.Addr = "" },
		"http.read_header_timeout": func(s *settings) { s.http.ReadHeaderTimeout = 0 },
		"http.read_timeout":        func(s *settings) { s.http.ReadTimeout = -1 },
		"http.idle_timeout":        func(s *settings) { s.http.IdleTimeout = 0 },
		"http.max_header_bytes":    func(s *settings) { s.http.MaxHeaderBytes = 1 },
		"http.trusted_proxies":     func(s *settings) { s.http.TrustedProxies = []string{"localhost"} },
		"http.cors.origins":        func(s *settings) { s.http.CORS.Origins = []string{"https://a.example/"} },
		"http.cors.credentials":    func(s *settings) { s.http.CORS = httpapi.CORS{Origins: []string{"*"}, Credentials: true} },
	} {
		t.Run(key, func(t *testing.T) {
			set := defaults()
			change(&set)
			_, err := httpapi.New(set.http, httpapi.Deps{Logger: zap.NewNop()})
			assert.ErrorContains(t, err, key+": must ")
			assert.ErrorContains(t, err, "(got ")
		})
	}
}

func TestOriginsOfEverySchemeStart(t *testing.T) {
	for _, origin := range []string{"http://a.example", "https://a.example:8443", "capacitor://localhost", "chrome-extension://abc", "*"} {
		serve(t, func(s *settings) { s.http.CORS.Origins = []string{origin} })
	}
}
