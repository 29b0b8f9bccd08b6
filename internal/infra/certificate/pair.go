// Package certificate keeps the certificate of a TLS server up to date with its files, so that a renewed one needs no
// restart.
//
// Guarantees: a [Pair] always has a certificate that fits its key. Files that cannot be used change nothing. The files are
// found again at each reading, so a file may be written in place, renamed, or reached by a symbolic link that changes, as
// in a Kubernetes volume.
package certificate

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Events are called when the files have changed. They must not block. Both may be nil.
type Events struct {
	Renewed func(leaf *x509.Certificate) // the new certificate is in use
	Failed  func(error)                  // the new files cannot be used; called once for each content
}

// Pair is a certificate and its key, read from files. Its methods may be called concurrently.
type Pair struct {
	certFile, keyFile string
	events            Events
	current           atomic.Pointer[tls.Certificate]
	failures          atomic.Uint64

	mu     sync.Mutex // held while the files are read
	inUse  content
	failed content // the last content that was reported
	doubt  content // content that could not be used when it was read the last time
}

// content identifies what two files hold, or the error of reading them.
type content [sha256.Size]byte

// Load reads a certificate and its key, both in PEM.
func Load(certFile, keyFile string, events Events) (*Pair, error) {
	p := &Pair{certFile: certFile, keyFile: keyFile, events: events}
	found, loaded, err := p.read()
	if err != nil {
		return nil, err
	}
	p.inUse = found
	p.current.Store(loaded)
	return p, nil
}

// Get returns the certificate in use. It is the GetCertificate of a [tls.Config].
func (p *Pair) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.current.Load(), nil }

// Stats are what a [Pair] counts.
type Stats struct {
	NotAfter time.Time // the end of the certificate in use
	Failures uint64    // contents of the files that could not be used
}

// Stats returns the counts.
func (p *Pair) Stats() Stats {
	return Stats{NotAfter: p.current.Load().Leaf.NotAfter, Failures: p.failures.Load()}
}

// read returns the certificate in the files and what identifies their content, also with an error.
func (p *Pair) read() (content, *tls.Certificate, error) {
	cert, err := os.ReadFile(p.certFile)
	if err != nil {
		return sha256.Sum256([]byte(err.Error())), nil, err
	}
	key, err := os.ReadFile(p.keyFile)
	if err != nil {
		return sha256.Sum256([]byte(err.Error())), nil, err
	}
	certSum, keySum := sha256.Sum256(cert), sha256.Sum256(key)
	found := sha256.Sum256(append(certSum[:], keySum[:]...))
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return found, nil, fmt.Errorf("%s and %s: must be a certificate and its key in PEM: %w", p.certFile, p.keyFile, err)
	}
	return found, &pair, nil
}
