package tokens

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"carillon/internal/domain/access"
	"carillon/internal/domain/event"
)

// Config says who may do what. Its keys live under "auth".
type Config struct {
	PublishToken access.Secret `mapstructure:"publish_token"`
	Anonymous    Anonymous     `mapstructure:"anonymous"`
	JWT          JWT           `mapstructure:"jwt"`
}

// Anonymous is what everybody may do.
type Anonymous struct {
	Subscribe []string `mapstructure:"subscribe"` // patterns
}

// JWT says how signed tokens are checked. At most one of Key, KeyFile and JWKSURL is set; with none, no JWT is accepted.
type JWT struct {
	Algorithm       string        `mapstructure:"algorithm"` // HS256, RS256, ES256 or EdDSA
	Key             access.Secret `mapstructure:"key"`       // a shared secret, or a key in PEM
	KeyFile         string        `mapstructure:"key_file"`
	PreviousKey     access.Secret `mapstructure:"previous_key"` // still accepted while keys are changed
	PreviousKeyFile string        `mapstructure:"previous_key_file"`
	JWKSURL         string        `mapstructure:"jwks_url"`
	JWKSRefresh     time.Duration `mapstructure:"jwks_refresh"`
	Issuer          string        `mapstructure:"issuer"`
	Audience        string        `mapstructure:"audience"`
	Leeway          time.Duration `mapstructure:"leeway"`
}

// minRefresh keeps a server from asking for keys all the time.
const minRefresh = 10 * time.Second

// Validate names every key that is out of range. It reads key files.
func (c Config) Validate() error {
	_, anonymousErr := patternsOf(c.Anonymous.Subscribe)
	if anonymousErr != nil {
		anonymousErr = fmt.Errorf("auth.anonymous.subscribe: %w", anonymousErr)
	}
	var tokenErr error
	switch token := c.PublishToken.Reveal(); {
	case len(token) > maxToken:
		tokenErr = fmt.Errorf("auth.publish_token: got %d bytes, takes at most %d", len(token), maxToken)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		tokenErr = errors.New("auth.publish_token: got spaces or characters beyond ASCII, which no header carries")
	}
	return errors.Join(tokenErr, anonymousErr, c.JWT.validate())
}

func (c JWT) validate() error {
	sources := 0
	for _, set := range []bool{c.Key != "", c.KeyFile != "", c.JWKSURL != ""} {
		if set {
			sources++
		}
	}
	switch {
	case sources > 1:
		return errors.New("auth.jwt: got more than one of key, key_file and jwks_url, takes one of them")
	case c.Leeway < 0 || c.Leeway > time.Hour:
		return fmt.Errorf("auth.jwt.leeway: got %s, takes a duration from 0s to 1h", c.Leeway)
	case sources == 0 && (c.PreviousKey != "" || c.PreviousKeyFile != ""):
		return errors.New("auth.jwt.previous_key: is set without a key that follows it")
	case sources == 0:
		return nil
	case !known(c.Algorithm):
		return fmt.Errorf("auth.jwt.algorithm: got %q, takes HS256, RS256, ES256 or EdDSA", c.Algorithm)
	case c.JWKSURL != "":
		return c.validateJWKS()
	}
	_, err := c.keys()
	return err
}

func (c JWT) validateJWKS() error {
	u, err := url.Parse(c.JWKSURL)
	switch {
	case c.PreviousKey != "" || c.PreviousKeyFile != "":
		return errors.New("auth.jwt.previous_key: got one with jwks_url, where earlier keys are in the set")
	case err != nil || u.Host == "":
		return errors.New("auth.jwt.jwks_url: is not a URL")
	case u.User != nil:
		return errors.New("auth.jwt.jwks_url: takes a URL without a name and a password")
	case u.Scheme == "http" && !loopback(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		// Whoever can change the answer on its way can make tokens.
		return errors.New("auth.jwt.jwks_url: takes an https URL, or http on this machine")
	case c.Algorithm == "HS256":
		return errors.New("auth.jwt.algorithm: got HS256 with jwks_url, takes an algorithm with public keys")
	case c.JWKSRefresh < minRefresh:
		return fmt.Errorf("auth.jwt.jwks_refresh: got %s, takes a duration of at least %s", c.JWKSRefresh, minRefresh)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// keys reads the keys that tokens are checked with, the current one first.
func (c JWT) keys() ([]any, error) {
	var keys []any
	for _, source := range []struct {
		name string
		text access.Secret
		file string
	}{
		{"key", c.Key, ""},
		{"key_file", "", c.KeyFile},
		{"previous_key", c.PreviousKey, ""},
		{"previous_key_file", "", c.PreviousKeyFile},
	} {
		material, err := read(source.text, source.file)
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.%s: %w", source.name, err)
		}
		if material == nil {
			continue
		}
		key, err := parseVerifyingKey(c.Algorithm, material)
		if err != nil {
			return nil, fmt.Errorf("auth.jwt.%s: %w", source.name, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// read is a secret's text or a file's, nil when neither is set.
func read(text access.Secret, file string) ([]byte, error) {
	switch {
	case text != "":
		return []byte(text.Reveal()), nil
	case file == "":
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	return content, nil
}

func patternsOf(texts []string) ([]event.Pattern, error) {
	patterns := make([]event.Pattern, 0, len(texts))
	for _, text := range texts {
		p, err := event.ParsePattern(text)
		if err != nil {
			return nil, err
		}
		patterns = append(patterns, p)
	}
	return patterns, nil
}
