package doctor

import (
	"context"
	"fmt"
	"strings"
)

// checkCompression reports whether a stream is compressed, and by whom as far as that is known: Carillon sends
// Vary: Accept-Encoding when it does so itself (stream.compression), and no-transform in any case.
func checkCompression(_ context.Context, t *Target) []Finding {
	if t.live == nil {
		return notChecked("compression", noStream)
	}
	h := t.live.response.Header
	encoding := h.Get("Content-Encoding")
	f := Finding{Code: "not_compressed", Summary: "the stream is not compressed", Values: map[string]any{"content_encoding": encoding}}
	if encoding == "" || encoding == "identity" {
		return []Finding{f}
	}
	own := t.isCarillon() && strings.Contains(strings.ToLower(strings.Join(h.Values("Vary"), ",")), "accept-encoding")
	f.Code, f.Level, f.Summary = "compressed", Warn, fmt.Sprintf("the stream is compressed with %s", encoding)
	f.Meaning = "If a proxy does it, it keeps a compressor for each stream, some 256 KiB, and may hold events back."
	f.Change, f.Config = "Do not compress text/event-stream on the way.", uncompressed()
	switch {
	case encoding != "gzip":
		f.Code, f.Level = "unexpected_encoding", Fail
		f.Meaning = "Only gzip was offered. Clients that cannot decode this see no event."
	case own:
		f.Code, f.Level = "compressed_by_server", Info
		f.Meaning, f.Change, f.Config = "Carillon compresses each event once for all streams (stream.compression).", "", nil
	case t.isCarillon():
		f.Code = "compressed_on_the_way"
		f.Meaning = "Carillon did not compress it, and forbids it with no-transform. A proxy keeps a compressor for each stream, some 256 KiB, and may hold events back."
	}
	return []Finding{f}
}
