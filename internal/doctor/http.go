package doctor

import (
	"context"
	"fmt"
	"net"
	"strings"
)

// browserConnections is how many HTTP/1.1 connections browsers open to a host, for all tabs together.
const browserConnections = 6

// fewStreams is a limit of concurrent HTTP/2 streams that a few tabs can reach.
const fewStreams = 32

// checkHTTP reports the version of HTTP a browser would use, and how many streams it can have at a time.
func checkHTTP(ctx context.Context, t *Target) []Finding {
	proto := t.proto()
	if proto == "" {
		return notChecked("http", "no response arrived")
	}
	f := Finding{Values: map[string]any{"proto": proto}}
	if altSvc := t.header().Get("Alt-Svc"); strings.Contains(altSvc, "h3") {
		f.Values["http3"] = true
	}
	if strings.HasPrefix(proto, "HTTP/2") {
		f.Code, f.Summary = "http2", "browsers speak HTTP/2: one connection for all streams"
		if limit, err := t.maxStreams(ctx); err == nil {
			f.Summary += fmt.Sprintf(", %d at a time", limit)
			f.Values["max_streams"] = limit
			if limit < fewStreams {
				f.Code, f.Level = "http2_few_streams", Warn
				f.Meaning = "All tabs of a browser share these. The next stream, and every other request, waits silently."
				f.Change = "Raise the limit of concurrent streams (nginx: http2_max_concurrent_streams, HAProxy: tune.h2.max-concurrent-streams)."
			}
		}
		return []Finding{f}
	}
	f.Values["max_connections"] = browserConnections
	f.Code, f.Level = "http1", Warn
	f.Summary = fmt.Sprintf("browsers speak %s: %d connections to the host, for all tabs together", proto, browserConnections)
	f.Meaning = "The seventh tab with a stream waits, silently, and so does every other request to this host."
	switch {
	case t.url.Scheme == "https":
		f.Meaning += " The server does not offer HTTP/2 by ALPN."
		f.Change = "Turn HTTP/2 on."
	case t.loopback():
		f.Level = Info
		f.Change = "Where browsers connect, offer HTTP/2; they speak it over TLS only."
	default:
		f.Change = "Offer TLS with HTTP/2; browsers speak it over TLS only."
	}
	f.Config = offeringHTTP2()
	return []Finding{f}
}

// loopback reports whether the server is on this machine, where few tabs are open.
func (t *Target) loopback() bool {
	ip := net.ParseIP(t.url.Hostname())
	return t.url.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}
