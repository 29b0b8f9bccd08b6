package natslog_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/infra/natslog"
	"carillon/internal/infra/natslog/natstest"
)

func TestCredentials(t *testing.T) {
	servers := natstest.Start(t, func(o *server.Options) { o.Username, o.Password = "carillon", "canary" })
	cfg := config(servers, pubsubtest.LargeLimits())
	start := time.Now()
	_, err := natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "history.nats.url: cannot connect to "+servers.URLs()[0])
	require.ErrorContains(t, err, "Authorization Violation")
	assert.Less(t, time.Since(start), 5*time.Second, "at once")
	cfg.User, cfg.Password = "carillon", "canary"
	n := open(t, cfg)
	publish(t, n, say("one", "t"))
	for _, record := range n.records.All() {
		assert.NotContains(t, record.Message, "canary")
		for _, value := range record.ContextMap() {
			assert.NotEqual(t, "canary", value)
		}
	}
}

func TestToken(t *testing.T) {
	servers := natstest.Start(t, func(o *server.Options) { o.Authorization = "canary" })
	cfg := config(servers, pubsubtest.LargeLimits())
	_, err := natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "Authorization Violation")
	cfg.Token = "canary"
	publish(t, open(t, cfg), say("one", "t"))
}

func TestNKey(t *testing.T) {
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	public, err := pair.PublicKey()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	servers := natstest.Start(t, func(o *server.Options) { o.Nkeys = []*server.NkeyUser{{Nkey: public}} })
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.NKeyFile = write(t, "seed", seed)
	publish(t, open(t, cfg), say("one", "t"))
}

// Both sides show certificates of one authority.
func TestTLS(t *testing.T) {
	certificate, key := selfSigned(t)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	require.NoError(t, err)
	text, err := os.ReadFile(certificate)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(text))
	servers := natstest.Start(t, func(o *server.Options) {
		o.TLS, o.TLSVerify, o.TLSTimeout = true, true, 5
		o.TLSConfig = &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12,
		}
	})
	cfg := config(servers, pubsubtest.LargeLimits())
	cfg.URL[0] = strings.Replace(cfg.URL[0], "nats://", "tls://", 1)
	cfg.TLS = natslog.TLS{CAFile: certificate, CertFile: certificate, KeyFile: key}
	publish(t, open(t, cfg), say("one", "t"))

	start := time.Now()
	cfg.TLS.CAFile, _ = selfSigned(t)
	_, err = natslog.Open(cfg, zap.NewNop())
	require.ErrorContains(t, err, "certificate signed by unknown authority")
	assert.Less(t, time.Since(start), 5*time.Second, "at once")
}

// A file that cannot be used stops the start at once and names its key.
func TestCredentialFiles(t *testing.T) {
	servers := natstest.Start(t)
	start := time.Now()
	certificate, _ := selfSigned(t)
	for problem, change := range map[string]func(*natslog.Config){
		"history.nats.creds_file: open /missing: no such file":     func(c *natslog.Config) { c.CredsFile = "/missing" },
		"history.nats.nkey_file: ":                                 func(c *natslog.Config) { c.NKeyFile = "/missing" },
		"history.nats.tls.ca_file: open /missing: no such file":    func(c *natslog.Config) { c.TLS.CAFile = "/missing" },
		"history.nats.tls.ca_file: contains no certificate in PEM": func(c *natslog.Config) { c.TLS.CAFile = write(t, "empty", nil) },
		"history.nats.tls.cert_file: open /missing: no such file":  func(c *natslog.Config) { c.TLS.CertFile, c.TLS.KeyFile = certificate, "/missing" },
	} {
		cfg := config(servers, pubsubtest.LargeLimits())
		change(&cfg)
		_, err := natslog.Open(cfg, zap.NewNop())
		require.ErrorContains(t, err, problem)
	}
	assert.Less(t, time.Since(start), 5*time.Second)
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(name, content, 0o600))
	return name
}

// selfSigned returns the files of a certificate for 127.0.0.1, which is its own authority, and of its key.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	return write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
