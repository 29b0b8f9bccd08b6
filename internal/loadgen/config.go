package loadgen

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config configures a run.
type Config struct {
	URL        *url.URL       // scheme and host; http or https
	Roots      *x509.CertPool // authorities that a server with https is verified with; nil: the system's
	HTTP2      bool           // holds the streams over HTTP/2, StreamsPerConnection on each connection; publishers use HTTP/1.1
	Streams    int            // how many streams to open; 0: only publish
	Stalled    int            // how many of them are never read
	Topics     int            // {n} in paths and body runs from 0 to Topics-1
	Rate       float64        // events per second; 0: as fast as the server responds
	Publishers int            // number of publishing connections
	Size       int            // bytes of padding in place of {pad}
	Duration   time.Duration  // of publishing; 0: publish nothing
	Idle       time.Duration  // time to observe the open streams before publishing

	SubscribePath   string // path and query
	SubscribeHeader http.Header
	PublishPath     string
	PublishMethod   string
	PublishHeader   http.Header
	Body            string // each {stamp} becomes a stamp, {pad} the padding, {n} the number of the topic

	PID int // of the server, to read its processor time and memory; 0: unknown
}

// Validate returns an error that names the first flag that is out of range.
func (c Config) Validate() error {
	switch {
	case c.URL == nil || c.URL.Host == "" || c.URL.Scheme != "http" && c.URL.Scheme != "https":
		return errors.New("url: must be http://host:port or https://host:port")
	case c.URL.Path != "" && c.URL.Path != "/" || c.URL.RawQuery != "":
		return fmt.Errorf("url: must have no path and no query, which --subscribe and --publish set (got %q)", c.URL.Redacted())
	case c.Streams < 0:
		return fmt.Errorf("streams: must not be negative (got %d)", c.Streams)
	case c.Streams == 0 && c.Duration == 0:
		return errors.New("duration: must be above 0 without streams")
	case c.Streams == 0 && c.HTTP2:
		return errors.New("http2: must be off without streams; publishers use HTTP/1.1")
	case c.Streams == 0 && c.Stalled != 0:
		return fmt.Errorf("stalled: must be 0 without streams (got %d)", c.Stalled)
	case c.Stalled < 0 || c.Streams > 0 && c.Stalled >= c.Streams:
		return fmt.Errorf("stalled: must be at least 0 and less than streams, %d (got %d)", c.Streams, c.Stalled)
	case c.Streams == 0 && c.Topics < 1:
		return fmt.Errorf("topics: must be above 0 (got %d)", c.Topics)
	case c.Streams > 0 && (c.Topics < 1 || c.Topics > c.Streams):
		return fmt.Errorf("topics: must be between 1 and streams, %d (got %d)", c.Streams, c.Topics)
	case c.Publishers < 1:
		return fmt.Errorf("publishers: must be above 0 (got %d)", c.Publishers)
	case c.Rate < 0 || c.Size < 0 || c.Duration < 0 || c.Idle < 0:
		return errors.New("rate, size, duration and idle must not be negative")
	case !strings.HasPrefix(c.SubscribePath, "/") || !strings.HasPrefix(c.PublishPath, "/"):
		return errors.New("paths must begin with /")
	case c.Duration > 0 && !strings.Contains(c.Body, stampPlaceholder):
		return errors.New("body: must contain {stamp}, by which a delivery is recognised")
	}
	return nil
}
