package tokens_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/access"
	"carillon/internal/infra/tokens"
)

var algorithms = []string{"HS256", "RS256", "ES256", "EdDSA"}

// pair is a key to make tokens with and one to check them, as a configuration takes them. A shared secret is both.
type pair struct {
	algorithm       string
	signer          any // as the JWT library takes it
	private, public []byte
}

func newPair(t testing.TB, algorithm string) pair {
	t.Helper()
	switch algorithm {
	case "HS256":
		secret := []byte(rand.Text() + rand.Text())
		return pair{algorithm, secret, secret, secret}
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		return pairOf(t, algorithm, key)
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		return pairOf(t, algorithm, key)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return pairOf(t, algorithm, key)
}

func pairOf(t testing.TB, algorithm string, key crypto.Signer) pair {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	require.NoError(t, err)
	return pair{
		algorithm, key,
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
	}
}

// config returns a configuration that accepts tokens of this pair only.
func (p pair) config() tokens.Config {
	return tokens.Config{JWT: tokens.JWT{Algorithm: p.algorithm, Key: access.Secret(p.public)}}
}

// sign makes a token as the command line does, good for an hour.
func (p pair) sign(t testing.TB, change ...func(*tokens.SignRequest)) string {
	t.Helper()
	request := tokens.SignRequest{Algorithm: p.algorithm, Key: p.private, Subscribe: []string{"**"}, TTL: time.Hour}
	for _, c := range change {
		c(&request)
	}
	token, err := tokens.Sign(request, time.Now())
	require.NoError(t, err)
	return token
}

// forge returns a token with any claims and any header.
func (p pair) forge(t testing.TB, claims, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.GetSigningMethod(p.algorithm), jwt.MapClaims(claims))
	maps.Copy(token.Header, header)
	text, err := token.SignedString(p.signer)
	require.NoError(t, err)
	return text
}

func newVerifier(t testing.TB, cfg tokens.Config) *tokens.Verifier {
	t.Helper()
	v, err := tokens.New(cfg, nil)
	require.NoError(t, err)
	return v
}

// named is the public half as a JSON Web Key (RFC 7517) with an id.
func (p pair) named(kid string) jwkset.JWKMarshal {
	options := jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: kid, ALG: jwkset.ALG(p.algorithm), USE: jwkset.UseSig}}
	key, err := jwkset.NewJWKFromKey(p.signer.(crypto.Signer).Public(), options)
	if err != nil {
		panic(err) // a key that was just made
	}
	return key.Marshal()
}

// keySet returns a JSON Web Key Set.
func keySet(t testing.TB, keys ...any) []byte {
	t.Helper()
	set, err := json.Marshal(map[string]any{"keys": append([]any{}, keys...)})
	require.NoError(t, err)
	return set
}

// weakEC returns a key on a curve that ES256 does not allow.
func weakEC(t testing.TB) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	return pairOf(t, "ES384", key)
}

// shared makes a shared secret of whatever it is given.
func shared(secret []byte) pair { return pair{"HS256", secret, secret, secret} }
