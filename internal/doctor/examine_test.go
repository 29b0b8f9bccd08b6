package doctor_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/doctor"
)

// examine runs all checks but the one for idle time-outs, quickly.
func examine(t *testing.T, addr string, change ...func(*doctor.Config)) doctor.Report {
	t.Helper()
	cfg := doctor.Config{URL: addr, Timeout: 10 * time.Second, Watch: time.Second}
	if !strings.Contains(addr, "://") {
		cfg.URL = "http://" + addr
	}
	for _, c := range change {
		c(&cfg)
	}
	report, err := doctor.Run(t.Context(), cfg)
	require.NoError(t, err)
	for _, f := range report.Findings {
		assert.NotEmpty(t, f.Code, f.Check)
		assert.NotEmpty(t, f.Summary, f.Check)
		assert.LessOrEqual(t, f.Level, report.Level)
		if f.Level >= doctor.Warn {
			assert.NotEmpty(t, f.Meaning, f.Code)
			assert.NotEmpty(t, f.Change, f.Code)
		}
	}
	return report
}

// requireFinding asserts what a check found, and returns it.
func requireFinding(t *testing.T, report doctor.Report, check string, level doctor.Level, code string) doctor.Finding {
	t.Helper()
	for _, f := range report.Findings {
		if f.Check == check && f.Code == code {
			assert.Equal(t, level, f.Level, f.Summary)
			return f
		}
	}
	var text strings.Builder
	require.NoError(t, report.WriteText(&text))
	require.FailNow(t, check+" did not find "+code, text.String())
	return doctor.Finding{}
}

func codes(report doctor.Report) map[string]doctor.Level {
	found := map[string]doctor.Level{}
	for _, f := range report.Findings {
		found[f.Code] = f.Level
	}
	return found
}

// handler is a server that is not Carillon: it streams events until its client leaves.
type handler struct {
	header  map[string]string
	event   string        // "" sends none; a %d in it is the event's number
	many    int           // events sent together; 0 is 1
	every   time.Duration // between events
	before  time.Duration // before the head
	silence bool          // no event but the first
}

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/events" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for name, value := range h.header {
		w.Header().Set(name, value)
	}
	flush := http.NewResponseController(w)
	for n, wait := 0, h.before; ; wait = h.every {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
			return
		}
		for range max(1, h.many) {
			n++
			text := h.event
			if strings.Contains(text, "%d") {
				text = fmt.Sprintf(text, n)
			}
			_, _ = io.WriteString(w, text) // whether the client is still there is for the context to tell
		}
		_ = flush.Flush()
		if h.silence || h.event == "" {
			<-r.Context().Done()
			return
		}
	}
}

func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

const uncached = "no-cache, no-store"
