package adminapi_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/adminapi"
)

// deadlineWriter records the deadline that a handler sets for its response.
type deadlineWriter struct {
	*httptest.ResponseRecorder

	deadline time.Time
}

func (w *deadlineWriter) SetWriteDeadline(deadline time.Time) error {
	w.deadline = deadline
	return nil
}

// Every response of the admin listener has a deadline for writing; a profile has the time that it records in addition.
func TestResponsesHaveAWriteDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		want time.Duration
	}{
		"metrics":                 {"/metrics", 30 * time.Second},
		"a refusal":               {"/nothing", 30 * time.Second},
		"a heap profile":          {"/debug/pprof/heap?seconds=0", 30 * time.Second},
		"seconds on another path": {"/nothing?seconds=60", 30 * time.Second},
		"a trace":                 {"/debug/pprof/cmdline?seconds=60", 90 * time.Second},
		"pprof's default":         {"/debug/pprof/cmdline", time.Minute},
		"no number":               {"/debug/pprof/cmdline?seconds=x", time.Minute},
		"not a number":            {"/debug/pprof/cmdline?seconds=NaN", time.Minute},
		"too long":                {"/debug/pprof/cmdline?seconds=1e300", time.Hour + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api, err := adminapi.New(adminapi.Config{Addr: "127.0.0.1:0"}, adminapi.Deps{
					Engine: hangingEngine{}, Metrics: http.NotFoundHandler(), Logger: nopLog(),
				})
				require.NoError(t, err)
				w := &deadlineWriter{ResponseRecorder: httptest.NewRecorder()}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+c.path, http.NoBody)
				api.ServeHTTP(w, r)
				assert.Equal(t, c.want, time.Until(w.deadline))
			})
		})
	}
}
