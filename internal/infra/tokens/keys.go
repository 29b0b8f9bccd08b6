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
	minSecret = 32   // bytes of an HS256 key: as many as its hash has (RFC 7518, 3.2)
	minRSA    = 2048 // bits (RFC 7518, 3.3)
)

// method is the JWT algorithm of a name; nil is none that is taken.
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

// parseVerifyingKey reads a key to check tokens with. A private key serves as well: its public half is taken.
func parseVerifyingKey(algorithm string, material []byte) (any, error) {
	if algorithm == "HS256" {
		return parseSharedKey(material)
	}
	if key, err := parseSigningKey(algorithm, material); key != nil { // with an error it is a key that is too weak
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

// parseSigningKey reads a key to make tokens with. Each kind but the shared one knows its public half.
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
		// Tokens "signed" with a public key are what confusing the two kinds leads to.
		return nil, errors.New("is a key in PEM, HS256 takes a shared secret")
	}
	material = bytes.TrimRight(material, "\r\n") // which files end with
	if len(material) < minSecret {
		return nil, fmt.Errorf("has %d bytes, HS256 takes at least %d", len(material), minSecret)
	}
	return material, nil
}

func checkRSA(key *rsa.PublicKey) error {
	if bits := key.N.BitLen(); bits < minRSA {
		return fmt.Errorf("has %d bits, RS256 takes at least %d", bits, minRSA)
	}
	return nil
}

func checkEC(key *ecdsa.PublicKey) error {
	if key.Curve != elliptic.P256() {
		return errors.New("is not on the curve P-256, which ES256 takes")
	}
	return nil
}

// errNoKey does not say what it found: that may be a key.
func errNoKey(algorithm string) error {
	return fmt.Errorf("is not a key in PEM as %s takes it", algorithm)
}
