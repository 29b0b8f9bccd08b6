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

// readKeySet reads a JSON Web Key Set, and tells how many of its keys serve. Others are left out and spoil nothing (RFC
// 7517, section 5): a set may hold keys of kinds that nobody here uses. What has no "keys" is not a set.
func readKeySet(algorithm string, body []byte) (set keyfunc.Keyfunc, serve int, err error) {
	var read struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(body, &read); err != nil || read.Keys == nil {
		return nil, 0, errors.New("not a JSON Web Key Set")
	}
	store := jwkset.NewMemoryStorage()
	for _, raw := range read.Keys {
		// What surrounds the key is not checked: known identity providers err in the thumbprints of certificates.
		key, err := jwkset.NewJWKFromRawJSON(raw, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
		if err != nil || key.Marshal().USE == jwkset.UseEnc || !serves(algorithm, key.Key()) {
			continue
		}
		if err := store.KeyWrite(context.Background(), key); err != nil {
			return nil, 0, fmt.Errorf("keeping a key: %w", err)
		}
		serve++
	}
	set, err = keyfunc.New(keyfunc.Options{Storage: store})
	return set, serve, err
}

// serves reports whether a public key is as the algorithm takes it, by the same rules as a configured one.
func serves(algorithm string, key any) bool {
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
