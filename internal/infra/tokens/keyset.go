package tokens

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
)

// keySet is a set of keys from a URL.
type keySet struct {
	keys  keyfunc.Keyfunc
	names keyNames
}

// readKeySet parses a JSON Web Key Set. Keys that are not usable are ignored (RFC 7517, section 5): a set may contain keys
// of other kinds. A document without "keys" is not a set.
func readKeySet(algorithm string, body []byte) (*keySet, error) {
	var read struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &read); err != nil || read.Keys == nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	store := jwkset.NewMemoryStorage()
	var usable []any
	for _, raw := range read.Keys {
		// The metadata is not validated: some identity providers publish wrong certificate thumbprints.
		key, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil || key.Marshal().USE == jwkset.UseEnc || !isUsable(algorithm, key.Key()) {
			continue
		}
		if err := store.KeyWrite(context.Background(), key); err != nil {
			return nil, fmt.Errorf("storing a key: %w", err)
		}
		usable = append(usable, key.Key())
	}
	keys, err := keyfunc.New(keyfunc.Options{Storage: store})
	return &keySet{keys: keys, names: newKeyNames(usable)}, err
}

// isUsable reports whether a public key fits the algorithm, by the same rules as a configured key.
func isUsable(algorithm string, key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return algorithm == "RS256" && checkRSA(key) == nil
	case *ecdsa.PublicKey:
		return algorithm == "ES256" && checkEC(key) == nil
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
