package tokens

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"

	"github.com/golang-jwt/jwt/v5"
)

const (
	minSecret = 32   // bytes of an HS256 key: the size of its hash (RFC 7518, 3.2)
	minRSA    = 2048 // bits (RFC 7518, 3.3)
)

// method returns the signing method of a JWT algorithm, and nil for one that is not supported.
func method(algorithm string) jwt.SigningMethod {
	switch algorithm {
	case "HS256":
		return jwt.SigningMethodHS256
	case "RS256":
		return jwt.SigningMethodRS256
	case "ES256":
		return jwt.SigningMethodES256
	case "EdDSA":
		return jwt.SigningMethodEdDSA
	}
	return nil
}

func known(algorithm string) bool { return method(algorithm) != nil }

// parseVerifyingKey parses a key to verify tokens with. Of a private key it returns the public half.
func parseVerifyingKey(algorithm string, material []byte) (any, error) {
	if algorithm == "HS256" {
		return parseSharedKey(material)
	}
	if key, err := parseSigningKey(algorithm, material); key != nil { // an error with a key: the key is too weak
		return key.(interface{ Public() any }).Public(), err
	}
	switch algorithm {
	case "RS256":
		key, err := jwt.ParseRSAPublicKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		return key, checkRSA(key)
	case "ES256":
		key, err := jwt.ParseECPublicKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		return key, checkEC(key)
	case "EdDSA":
		key, err := jwt.ParseEdPublicKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		return key, nil
	}
	return nil, errNoKey(algorithm)
}

// parseSigningKey parses a key to sign tokens with. Every kind but the shared secret has a Public method.
func parseSigningKey(algorithm string, material []byte) (any, error) {
	switch algorithm {
	case "HS256":
		return parseSharedKey(material)
	case "RS256":
		key, err := jwt.ParseRSAPrivateKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		return rsaKey{key}, checkRSA(&key.PublicKey)
	case "ES256":
		key, err := jwt.ParseECPrivateKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		return ecKey{key}, checkEC(&key.PublicKey)
	case "EdDSA":
		key, err := jwt.ParseEdPrivateKeyFromPEM(material)
		if err != nil {
			return nil, errNoKey(algorithm)
		}
		private, ok := key.(ed25519.PrivateKey)
		if !ok {
			return nil, errNoKey(algorithm)
		}
		return edKey{private}, nil
	}
	return nil, errNoKey(algorithm)
}

func parseSharedKey(material []byte) ([]byte, error) {
	if bytes.HasPrefix(bytes.TrimSpace(material), []byte("-----BEGIN")) {
		// A public key used as a shared secret would let anybody who knows it sign tokens.
		return nil, errors.New("must be a shared secret for HS256 (got a key in PEM)")
	}
	material = bytes.TrimRight(material, "\r\n") // line ends at the end of a file
	if len(material) < minSecret {
		return nil, fmt.Errorf("must be at least %d bytes long for HS256 (got %d)", minSecret, len(material))
	}
	return material, nil
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < minRSA {
		return fmt.Errorf("must have at least %d bits for RS256 (got %d)", minRSA, bits)
	}
	return nil
}

func checkEC(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() {
		return errors.New("must be on the curve P-256 for ES256")
	}
	return nil
}

// errNoKey does not repeat the material: it may be a key.
func errNoKey(algorithm string) error {
	return fmt.Errorf("must be an %s key in PEM", algorithm)
}
