package tokens_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

// faults are the ways in which a server of keys fails, and what is said of each.
var faults = map[string]struct {
	answer http.HandlerFunc
	says   string
}{
	"an error":     {says(http.StatusInternalServerError, "oh no"), "status 500"},
	"no content":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, "status 204"},
	"a redirect":   {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, "status 302"},
	"no JSON":      {says(http.StatusOK, "<html>"), "not a JSON Web Key Set"},
	"nothing":      {says(http.StatusOK, ""), "not a JSON Web Key Set"},
	"null":         {says(http.StatusOK, "null"), "not a JSON Web Key Set"},
	"no set":       {says(http.StatusOK, `{"error":"in maintenance"}`), "not a JSON Web Key Set"},
	"half a set":   {says(http.StatusOK, `{"keys":[`), "not a JSON Web Key Set"},
	"keys of null": {says(http.StatusOK, `{"keys":null}`), "not a JSON Web Key Set"},
	"a huge body":  {says(http.StatusOK, `{"keys":[]`+strings.Repeat(" ", 1<<20)+`}`), "more than 1048576 bytes"},
	"a body without an end": {func(w http.ResponseWriter, _ *http.Request) {
		for range 1 << 16 {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	}, "more than 1048576 bytes"},
	"a cut": {func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte(`{"keys":[]}`))
	}, "unexpected EOF"},
	"a cut before the head": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF"},
	"a long wait":           {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "deadline exceeded"},
	"a wait within the body": {func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[]`))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, "deadline exceeded"},
}

// While the server of keys fails, those that were had stay in use; when it is well again, so are we.
func TestOldKeysKeepWorking(t *testing.T) {
	before, after := newPair(t, "EdDSA"), newPair(t, "EdDSA")
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newKeyServer(t, keys(t, before.named("1")))
				v := server.run(t, server.config("EdDSA"))
				server.now(fault.answer)
				time.Sleep(16 * time.Minute)
				synctest.Wait()
				require.NoError(t, check(t, v, before.as(t, "1")))

				complaints := server.complaints()
				require.NotEmpty(t, complaints)
				require.ErrorContains(t, complaints[0], fault.says)
				require.LessOrEqual(t, len(complaints), 7, "one for each 10 s, so that logs are not flooded")
				require.NotContains(t, complaints[0].Error(), server.url, "an address may hold a secret")

				server.now(keys(t, after.named("2")))
				time.Sleep(20 * time.Second)
				synctest.Wait()
				require.NoError(t, check(t, v, after.as(t, "2")))
				require.ErrorIs(t, check(t, v, before.as(t, "1")), access.ErrInvalidToken)
			})
		})
	}
}

// A start with the server of keys away waits for nothing: JWTs are answered with "later" until there are keys.
func TestAStartWithoutKeys(t *testing.T) {
	p := newPair(t, "EdDSA")
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := newKeyServer(t, fault.answer)
				cfg := server.config("EdDSA")
				cfg.PublishToken = "sesame"
				v := server.run(t, cfg)
				require.Equal(t, access.ErrUnavailable, check(t, v, p.as(t, "1")))
				require.NoError(t, check(t, v, "sesame"))
				time.Sleep(time.Minute)
				require.Equal(t, access.ErrUnavailable, check(t, v, p.as(t, "1")))

				server.now(keys(t, p.named("1")))
				time.Sleep(20 * time.Second)
				synctest.Wait()
				require.NoError(t, check(t, v, p.as(t, "1")))
			})
		})
	}
}

func TestAStartIsTriedAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, http.NotFound)
		server.run(t, server.config("ES256"))
		time.Sleep(36 * time.Second)
		synctest.Wait()
		s := time.Second
		assert.Equal(t, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 25 * s, 35 * s}, server.askedAt())
	})
}

// Run ends with its context, whatever the server of keys does just then; run, the helper, holds it to no time at all.
func TestAnEndWhileTheServerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := newKeyServer(t, faults["a wait within the body"].answer)
		t.Cleanup(func() { assert.Empty(t, server.complaints(), "that it was ended is no failure") })
		server.run(t, server.config("ES256"))
		require.Len(t, server.askedAt(), 1)
	})
}
