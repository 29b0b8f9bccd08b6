package tokens_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
)

// A token is taken from a leeway before it is good until a leeway after, to the second, and not a moment longer.
func TestTokensInTime(t *testing.T) {
	p := newPair(t, "HS256")
	for _, leeway := range []time.Duration{0, 30 * time.Second} {
		t.Run(leeway.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := p.config()
				cfg.JWT.Leeway = leeway
				v := newVerifier(t, cfg)
				start := time.Now()
				at := func(d time.Duration) int64 { return start.Add(d).Unix() }
				notBefore := p.forge(t, map[string]any{"nbf": at(time.Minute), "exp": at(time.Hour)}, nil)
				issued := p.forge(t, map[string]any{"iat": at(time.Minute), "exp": at(time.Hour)}, nil)

				for _, c := range []struct {
					after time.Duration
					want  error
				}{
					{0, access.ErrInvalidToken},
					{time.Minute - leeway - time.Millisecond, access.ErrInvalidToken},
					{time.Minute - leeway, nil},
					{time.Minute, nil},
					{time.Hour + leeway - time.Millisecond, nil},
					{time.Hour + leeway, access.ErrExpiredToken},
					{time.Hour + leeway + time.Millisecond, access.ErrExpiredToken},
					{time.Hour * 24 * 365, access.ErrExpiredToken},
				} {
					time.Sleep(time.Until(start.Add(c.after)))
					for name, token := range map[string]string{"nbf": notBefore, "iat": issued} {
						rights, err := v.Authenticate(t.Context(), token)
						require.ErrorIs(t, err, c.want, "%s after %s", name, c.after)
						if err == nil {
							require.True(t, rights.Expires.Equal(time.Unix(at(time.Hour), 0)), "%s after %s: the rights end at exp, without the leeway", name, c.after)
						}
					}
				}
			})
		})
	}
}
