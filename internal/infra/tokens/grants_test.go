package tokens_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
	"carillon/internal/infra/tokens"
)

func allows(g access.Grant, topics ...string) (allowed []string) {
	for _, topic := range topics {
		if g.Allows(event.MustTopic(topic)) {
			allowed = append(allowed, topic)
		}
	}
	return allowed
}

func TestGrantsOfAToken(t *testing.T) {
	p := newPair(t, "EdDSA")
	topics := []string{"clock", "orders/1", "orders/1/2", "news/a/b", "stock/x", "chat"}
	for _, c := range []struct {
		name                 string
		everybody            []string
		subscribe, publish   []string
		mayListen, mayAppend []string
	}{
		{name: "a topic", subscribe: []string{"chat"}, mayListen: []string{"chat"}},
		{name: "a level", subscribe: []string{"orders/*"}, mayListen: []string{"orders/1"}},
		{
			name: "several patterns", subscribe: []string{"orders/**", "chat"}, publish: []string{"stock/x", "news/**"},
			mayListen: []string{"orders/1", "orders/1/2", "chat"}, mayAppend: []string{"news/a/b", "stock/x"},
		},
		{name: "publishing only", publish: []string{"**"}, mayAppend: topics},
		{
			name: "what everybody may hear comes with it", everybody: []string{"clock"}, subscribe: []string{"chat"},
			mayListen: []string{"clock", "chat"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := p.config()
			cfg.Anonymous.Subscribe = c.everybody
			rights, err := newVerifier(t, cfg).Authenticate(t.Context(), p.sign(t, func(r *tokens.SignRequest) {
				r.Subscribe, r.Publish = c.subscribe, c.publish
			}))
			require.NoError(t, err)
			assert.Equal(t, c.mayListen, allows(rights.Subscribe, topics...))
			assert.Equal(t, c.mayAppend, allows(rights.Publish, topics...))
		})
	}
}

func TestATokenWithoutTheClaimAllowsNothingMore(t *testing.T) {
	p := newPair(t, "HS256")
	cfg := p.config()
	cfg.Anonymous.Subscribe = []string{"clock"}
	v := newVerifier(t, cfg)
	for _, claim := range []any{nil, map[string]any{}, map[string]any{"subscribe": nil, "publish": []string{}}} {
		rights, err := v.Authenticate(t.Context(), p.forge(t, map[string]any{"exp": farAway(), "carillon": claim}, nil))
		require.NoError(t, err)
		assert.Equal(t, []string{"clock"}, allows(rights.Subscribe, "clock", "chat"))
		assert.Empty(t, allows(rights.Publish, "clock", "chat"))
	}
	assert.Equal(t, access.Rights{Subscribe: v.Anonymous().Subscribe}, v.Anonymous(), "everybody has no name, no right to publish, no end")
	assert.Equal(t, []string{"clock"}, allows(v.Anonymous().Subscribe, "clock", "chat"))
}

// One claim that cannot be understood makes the whole token void: half of it might be more than was meant.
func TestMalformedClaims(t *testing.T) {
	p := newPair(t, "HS256")
	v := newVerifier(t, p.config())
	for name, claim := range map[string]any{
		"not an object":        "subscribe",
		"a list":               []string{"**"},
		"a string for a list":  map[string]any{"subscribe": "**"},
		"a number for a topic": map[string]any{"subscribe": []any{"a", 1}},
		"an object for a list": map[string]any{"publish": map[string]any{"a": true}},
		"an empty pattern":     map[string]any{"subscribe": []string{"a", ""}},
		"a star in a word":     map[string]any{"subscribe": []string{"a*"}},
		"stars in the middle":  map[string]any{"publish": []string{"a/**/b"}},
		"a line break":         map[string]any{"publish": []string{"a\nb"}},
		"too long":             map[string]any{"publish": []string{string(make([]byte, event.MaxName+1))}},
	} {
		t.Run(name, func(t *testing.T) {
			rights, err := v.Authenticate(t.Context(), p.forge(t, map[string]any{"exp": farAway(), "carillon": claim}, nil))
			require.ErrorIs(t, err, access.ErrInvalidToken)
			assert.Zero(t, rights)
		})
	}
}

// The leeway is only for accepting a token.
func TestRightsEndWithTheToken(t *testing.T) {
	p := newPair(t, "ES256")
	synctest.Test(t, func(t *testing.T) {
		for _, leeway := range []time.Duration{0, 30 * time.Second} {
			cfg := p.config()
			cfg.JWT.Leeway = leeway
			rights, err := newVerifier(t, cfg).Authenticate(t.Context(), p.sign(t))
			require.NoError(t, err)
			assert.Equal(t, time.Now().Add(time.Hour).Unix(), rights.Expires.Unix())
		}
	})
}

// The subject tells publishers apart: it may be shared only by tokens that have one owner for certain.
func TestSubjects(t *testing.T) {
	p := newPair(t, "ES256")
	cfg := p.config()
	cfg.PublishToken = "sesame"
	v := newVerifier(t, cfg)
	subject := func(token string) string {
		rights, err := v.Authenticate(t.Context(), token)
		require.NoError(t, err)
		require.NotEmpty(t, rights.Subject)
		return rights.Subject
	}
	of := func(issuer, name string) string {
		return subject(p.sign(t, func(r *tokens.SignRequest) { r.Issuer, r.Subject = issuer, name }))
	}
	assert.Equal(t, of("", "shop"), of("", "shop"))
	nameless := p.sign(t)
	assert.Equal(t, subject(nameless), subject(nameless))

	different := map[string]bool{
		of("", "shop"): true, of("", "bank"): true, of("i", "shop"): true, of("i shop", "x"): true, of("i", "shop x"): true,
		of("", "publish_token"): true, subject("sesame"): true, subject(nameless): true,
		subject(p.sign(t, func(r *tokens.SignRequest) { r.TTL = time.Minute })): true,
	}
	assert.Len(t, different, 9)
}

func farAway() int64 { return time.Now().Add(time.Hour).Unix() }

func TestMembersOfTokens(t *testing.T) {
	p := newPair(t, "HS256")
	v := newVerifier(t, p.config())
	long := strings.Repeat("x", event.MaxName)
	for name, c := range map[string]struct {
		sub  any
		info any
		want *access.Member
	}{
		"a subject":                {sub: "u1", want: &access.Member{ID: "u1"}},
		"and an info":              {sub: "u1", info: map[string]any{"name": "Ada <&>", "n": 1}, want: &access.Member{ID: "u1", Info: `{"n":1,"name":"Ada \u003c\u0026\u003e"}`}},
		"no subject":               {info: map[string]any{"name": "Ada"}},
		"the longest subject":      {sub: long, want: &access.Member{ID: long}},
		"a subject that is longer": {sub: long + "x"},
	} {
		t.Run(name, func(t *testing.T) {
			claims := map[string]any{"exp": farAway(), "carillon": map[string]any{"presence": []string{"room/*"}, "info": c.info}}
			if c.sub != nil {
				claims["sub"] = c.sub
			}
			rights, err := v.Authenticate(t.Context(), p.forge(t, claims, nil))
			require.NoError(t, err)
			assert.Equal(t, c.want, rights.Member)
			assert.Equal(t, []string{"room/1"}, allows(rights.Presence, "room", "room/1", "chat"))
		})
	}
	for name, claim := range map[string]map[string]any{
		"an info that is a list": {"info": []string{"x"}},
		"an info that is text":   {"info": "x"},
		"a large info":           {"info": map[string]any{"x": strings.Repeat("y", access.MaxInfo)}},
		"a wrong pattern":        {"presence": []string{"a*"}},
	} {
		_, err := v.Authenticate(t.Context(), p.forge(t, map[string]any{"exp": farAway(), "sub": "u1", "carillon": claim}, nil))
		require.ErrorIs(t, err, access.ErrInvalidToken, name)
		assert.ErrorContains(t, err, "claim carillon.", name)
		assert.NotContains(t, err.Error(), "yyy")
	}
	assert.Nil(t, v.Anonymous().Member)
}
