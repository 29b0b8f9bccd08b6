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

// readKeySet parses a JSON Web Key Set and returns how many of its keys are usable. Others are ignored (RFC 7517,
// section 5): a set may contain keys of other kinds. A document without "keys" is not a set.
func readKeySet(algorithm string, body []byte) (set keyfunc.Keyfunc, usable int, err error) {
	var read struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &read); err != nil || read.Keys == nil {
		return nil, 0, errors.New("not a JSON Web Key Set")
	}
	store := jwkset.NewMemoryStorage()
	for _, raw := range read.Keys {
		// The metadata is not validated: some identity providers publish wrong certificate thumbprints.
		key, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil || key.Marshal().USE == jwkset.UseEnc || !isUsable(algorithm, key.Key()) {
			continue
		}
		if err := store.KeyWrite(context.Background(), key); err != nil {
			return nil, 0, fmt.Errorf("storing a key: %w", err)
		}
		usable++
	}
	set, err = keyfunc.New(keyfunc.Options{Storage: store})
	return set, usable, err
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
