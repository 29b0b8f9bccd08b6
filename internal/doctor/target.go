package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of a response that is no stream, in bytes.
const maxBody = 64 << 10

// Target is the server under examination, with what has been observed of it.
type Target struct {
	cfg  Config
	url  *url.URL
	http *http.Transport

	live    *observation // of the stream at url; nil if no stream arrived
	late    bool         // the head did not arrive in time
	refused *reply       // what came in place of a stream, or nil
	unknown *reply       // the response to a path that does not exist, or nil
}

func newTarget(cfg Config) (*Target, error) {
	u, err := streamURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	speaks := &http.Protocols{}
	speaks.SetHTTP1(true)
	speaks.SetHTTP2(true)
	return &Target{cfg: cfg, url: u, http: &http.Transport{
		Proxy:              http.ProxyFromEnvironment,
		Protocols:          speaks,
		DisableCompression: true, // compression must be visible
		TLSClientConfig:    cfg.TLS,
	}}, nil
}

func (t *Target) close() { t.http.CloseIdleConnections() }

// streamURL returns the URL of the stream to examine.
func streamURL(raw string) (*url.URL, error) {
	const takes = "must be an address such as https://events.example.com/events"
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("URL cannot be parsed, " + takes) // the parser's error would show a password
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.Fragment != "" {
		return nil, fmt.Errorf("URL %s (got %q)", takes, u.Redacted())
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/events"
	}
	return u, nil
}

// observe makes the observations that several checks share. It fails when there is no server to examine.
func (t *Target) observe(ctx context.Context) error {
	s, refused, err := t.open(ctx, t.url, http.Header{"Accept-Encoding": {"gzip"}})
	switch {
	case errors.Is(err, errLate):
		t.late = true
	case err != nil:
		return fmt.Errorf("cannot reach %s: %w", t.url.Redacted(), plainError(err))
	case refused != nil:
		t.refused = refused
	default:
		t.live = s.collect(ctx, t.cfg.Watch, func(o *observation) bool { return len(o.bursts) >= enoughBursts }, nil)
		s.close(t.live)
	}
	if r, err := t.get(ctx, http.MethodGet, t.unknownURL(), nil); err == nil {
		t.unknown = r
	}
	return ctx.Err()
}

// header returns the header of the response with the most information, or nil.
func (t *Target) header() http.Header {
	switch {
	case t.live != nil:
		return t.live.response.Header
	case t.refused != nil:
		return t.refused.header
	case t.unknown != nil:
		return t.unknown.header
	}
	return nil
}

// proto returns the version of HTTP that was used, or "".
func (t *Target) proto() string {
	switch {
	case t.live != nil:
		return t.live.response.Proto
	case t.refused != nil:
		return t.refused.proto
	case t.unknown != nil:
		return t.unknown.proto
	}
	return ""
}

// isCarillon reports whether the server is Carillon: by its opening comment, or, where no stream came, by its refusals.
func (t *Target) isCarillon() bool {
	return t.live != nil && t.live.carillon || t.unknown.problem("not_found") || t.refused != nil && t.refused.carillonProblem()
}

// onlyClock reports whether the stream is that of Carillon's clock, which ticks evenly.
func (t *Target) onlyClock() bool { return t.isCarillon() && !t.url.Query().Has("topic") }

// quietURL is a stream on a topic that nobody publishes to, on Carillon; on other servers it is the stream itself.
func (t *Target) quietURL() *url.URL {
	if !t.isCarillon() {
		return t.url
	}
	u := *t.url
	u.RawQuery = url.Values{"topic": {"carillon-doctor/" + strings.ToLower(rand.Text())}}.Encode()
	return &u
}

// unknownURL is a path beside that of the stream which does not exist, so that what routes the stream also routes it.
func (t *Target) unknownURL() *url.URL {
	u := *t.url
	u.Path, u.RawPath, u.RawQuery = strings.TrimSuffix(u.Path, "/")+"-carillon-doctor", "", ""
	return &u
}

// request returns a request with everything the user gave. Headers in extra replace those.
func (t *Target) request(ctx context.Context, method string, u *url.URL, extra http.Header) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "carillon-doctor")
	if t.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+t.cfg.Token)
	}
	if t.cfg.Cookie != "" {
		req.Header.Set("Cookie", t.cfg.Cookie)
	}
	maps.Copy(req.Header, extra)
	return req, nil
}

// reply is a response that is no stream.
type reply struct {
	status         int
	proto          string
	header         http.Header
	body           []byte
	sent, received time.Time
}

// get sends a request and reads the response. Redirects are not followed: the token is for this server only.
func (t *Target) get(ctx context.Context, method string, u *url.URL, extra http.Header) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	req, err := t.request(ctx, method, u, extra)
	if err != nil {
		return nil, err
	}
	sent := time.Now()
	resp, err := t.http.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	r := replyOf(resp, sent)
	if !isStream(resp) {
		r.readBody(resp)
	}
	// A stream does not end; its head is enough.
	cancel()
	resp.Body.Close()
	return r, nil
}

func replyOf(resp *http.Response, sent time.Time) *reply {
	return &reply{status: resp.StatusCode, proto: resp.Proto, header: resp.Header, sent: sent, received: time.Now()}
}

func (r *reply) readBody(resp *http.Response) {
	// An incomplete body is used as far as it arrived.
	r.body, _ = io.ReadAll(io.LimitReader(resp.Body, maxBody))
}

// plainError drops the URL from an error, because its query may contain secrets.
func plainError(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// headerSafe reports whether a header carries text unchanged.
func headerSafe(text string) bool {
	return strings.TrimSpace(text) == text && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f })
}
