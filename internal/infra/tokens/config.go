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

// Config configures who may do what. Its keys are under "auth".
type Config struct {
	PublishToken access.Secret `mapstructure:"publish_token"`
	Anonymous    Anonymous     `mapstructure:"anonymous"`
	JWT          JWT           `mapstructure:"jwt"`
}

// Anonymous configures the rights of requests without a token.
type Anonymous struct {
	Subscribe []string `mapstructure:"subscribe"` // patterns
}

// JWT configures how signed tokens are verified. At most one of Key, KeyFile and JWKSURL is set; with none, no JWT is accepted.
type JWT struct {
	Algorithm       string        `mapstructure:"algorithm"` // HS256, RS256, ES256 or EdDSA
	Key             access.Secret `mapstructure:"key"`       // a shared secret, or a key in PEM
	KeyFile         string        `mapstructure:"key_file"`
	PreviousKey     access.Secret `mapstructure:"previous_key"` // still accepted while keys are rotated
	PreviousKeyFile string        `mapstructure:"previous_key_file"`
	JWKSURL         string        `mapstructure:"jwks_url"`
	JWKSRefresh     time.Duration `mapstructure:"jwks_refresh"`
	Issuer          string        `mapstructure:"issuer"`
	Audience        string        `mapstructure:"audience"`
	Leeway          time.Duration `mapstructure:"leeway"`
}

// minRefresh bounds how often the key server is asked.
const minRefresh = 10 * time.Second

// Validate returns an error that names every key whose value is invalid. It reads key files.
func (c Config) Validate() error {
	_, anonymousErr := patternsOf(c.Anonymous.Subscribe)
	if anonymousErr != nil {
		anonymousErr = fmt.Errorf("auth.anonymous.subscribe: %w", anonymousErr)
	}
	var tokenErr error
	switch token := c.PublishToken.Reveal(); {
	case len(token) > maxToken:
		tokenErr = fmt.Errorf("auth.publish_token: must be at most %d bytes long (got %d)", maxToken, len(token))
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		tokenErr = errors.New("auth.publish_token: must be printable ASCII without spaces, because it is sent in a header")
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
		return errors.New("auth.jwt: must have at most one of key, key_file and jwks_url")
	case c.Leeway < 0 || c.Leeway > time.Hour:
		return fmt.Errorf("auth.jwt.leeway: must be between 0s and 1h (got %s)", c.Leeway)
	case sources == 0 && (c.PreviousKey != "" || c.PreviousKeyFile != ""):
		return errors.New("auth.jwt.previous_key: must not be set without a current key")
	case sources == 0:
		return nil
	case !known(c.Algorithm):
		return fmt.Errorf("auth.jwt.algorithm: must be HS256, RS256, ES256 or EdDSA (got %q)", c.Algorithm)
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
		return errors.New("auth.jwt.previous_key: must not be set with jwks_url, whose set holds earlier keys too")
	case err != nil || u.Host == "":
		return errors.New("auth.jwt.jwks_url: must be a URL")
	case u.User != nil:
		return errors.New("auth.jwt.jwks_url: must not contain a user name or a password")
	case u.Scheme == "http" && !loopback(u.Hostname()), u.Scheme != "http" && u.Scheme != "https":
		// Whoever can change the response in transit can forge tokens.
		return errors.New("auth.jwt.jwks_url: must be an https URL, or an http URL of a loopback address")
	case c.Algorithm == "HS256":
		return errors.New("auth.jwt.algorithm: must be an algorithm with public keys where jwks_url is set (got HS256)")
	case c.JWKSRefresh < minRefresh:
		return fmt.Errorf("auth.jwt.jwks_refresh: must be at least %s (got %s)", minRefresh, c.JWKSRefresh)
	}
	return nil
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// keys returns the keys that tokens are verified with, the current one first.
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

// read returns the text of a secret or the content of a file, and nil when neither is set.
func read(text access.Secret, file string) ([]byte, error) {
	switch {
	case text != "":
		return []byte(text.Reveal()), nil
	case file == "":
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read the file: %w", err)
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
