package proxy_test

import (
	"crypto/x509"
	"testing"

	"carillon/internal/infra/certificate/certificatetest"
)

// keyPair is a self-signed certificate for 127.0.0.1 and its key, in files.
type keyPair struct {
	crt, key, both string
	pool           *x509.CertPool
}

func certificate(t *testing.T) keyPair {
	t.Helper()
	pair, dir := certificatetest.New(t, "carillon"), t.TempDir()
	return keyPair{
		crt: write(t, dir, "carillon.crt", string(pair.Cert)), key: write(t, dir, "carillon.key", string(pair.Key)),
		both: write(t, dir, "carillon.pem", string(pair.Cert)+string(pair.Key)), pool: pair.Pool(t),
	}
}
