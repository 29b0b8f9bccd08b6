package certificate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/infra/certificate"
	"carillon/internal/infra/certificate/certificatetest"
)

// write writes a pair into a folder, or only what is not nil.
func write(t *testing.T, dir string, cert, key []byte) {
	t.Helper()
	for name, text := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
		if text != nil {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		}
	}
}

// events records what a pair reports.
type events struct {
	mu      sync.Mutex
	renewed []*x509.Certificate
	failed  []error
}

// renewals returns the certificates that were reported as new.
func (e *events) renewals() []*x509.Certificate {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.renewed)
}

// failures returns the errors that were reported.
func (e *events) failures() []error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.failed)
}

func load(t *testing.T, dir string) (*certificate.Pair, *events) {
	t.Helper()
	seen := &events{}
	p, err := certificate.Load(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), certificate.Events{
		Renewed: func(leaf *x509.Certificate) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.renewed = append(seen.renewed, leaf)
		},
		Failed: func(err error) {
			seen.mu.Lock()
			defer seen.mu.Unlock()
			seen.failed = append(seen.failed, err)
		},
	})
	require.NoError(t, err)
	return p, seen
}

// run polls the files in the bubble of the test until it ends.
func run(t *testing.T, p *certificate.Pair) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.ErrorIs(t, p.Run(ctx), context.Canceled) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// pass lets time pass and waits for what it started.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// presented returns the name in the certificate that a client sees on a TLS connection.
func presented(t *testing.T, p *certificate.Pair) string {
	t.Helper()
	near, far := net.Pipe()
	server := tls.Server(far, &tls.Config{GetCertificate: p.Get, MinVersion: tls.VersionTLS12})
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true})
	var handshake sync.WaitGroup
	handshake.Go(func() { assert.NoError(t, server.HandshakeContext(t.Context())) })
	require.NoError(t, client.HandshakeContext(t.Context()))
	handshake.Wait()
	name := client.ConnectionState().PeerCertificates[0].Subject.CommonName
	require.NoError(t, errors.Join(near.Close(), far.Close()))
	return name
}

func TestRenewedFilesAreUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first, second := certificatetest.New(t, "first"), certificatetest.New(t, "second")
		write(t, dir, first.Cert, first.Key)
		p, seen := load(t, dir)
		run(t, p)
		assert.Equal(t, "first", presented(t, p))
		pass(time.Minute)
		assert.Empty(t, seen.renewals(), "the files are the same")

		write(t, dir, second.Cert, second.Key)
		pass(certificate.Interval)
		assert.Equal(t, "second", presented(t, p))
		require.Len(t, seen.renewals(), 1)
		assert.Equal(t, seen.renewals()[0].NotAfter, p.Stats().NotAfter)
		assert.Empty(t, seen.failures())
	})
}

// Kubernetes replaces a symbolic link to a folder, so neither file is written and the links to them stay the same.
func TestFilesBehindALinkThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		for _, name := range []string{"one", "two"} {
			pair := certificatetest.New(t, name)
			require.NoError(t, os.Mkdir(filepath.Join(dir, name), 0o700))
			write(t, filepath.Join(dir, name), pair.Cert, pair.Key)
		}
		require.NoError(t, os.Symlink("one", filepath.Join(dir, "..data")))
		for _, name := range []string{"tls.crt", "tls.key"} {
			require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)))
		}
		p, _ := load(t, dir)
		run(t, p)
		require.NoError(t, os.Symlink("two", filepath.Join(dir, "..new")))
		require.NoError(t, os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")))
		pass(certificate.Interval)
		assert.Equal(t, "two", presented(t, p))
	})
}

func TestFilesThatCannotBeUsedChangeNothing(t *testing.T) {
	good, other, third := certificatetest.New(t, "good"), certificatetest.New(t, "other"), certificatetest.New(t, "third")
	for name, damage := range map[string]func(t *testing.T, dir string){
		"of another pair": func(t *testing.T, dir string) { write(t, dir, nil, other.Key) },
		"garbage":         func(t *testing.T, dir string) { write(t, dir, []byte("no certificate"), nil) },
		"empty":           func(t *testing.T, dir string) { write(t, dir, []byte{}, []byte{}) },
		"missing":         func(t *testing.T, dir string) { require.NoError(t, os.Remove(filepath.Join(dir, "tls.crt"))) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				write(t, dir, good.Cert, good.Key)
				p, seen := load(t, dir)
				run(t, p)

				damage(t, dir)
				pass(certificate.Interval)
				assert.Empty(t, seen.failures(), "the files may be incomplete")
				pass(time.Hour)
				require.Len(t, seen.failures(), 1, "it is reported once")
				assert.Contains(t, seen.failures()[0].Error(), "tls.")
				assert.EqualValues(t, 1, p.Stats().Failures)
				assert.Equal(t, "good", presented(t, p))

				write(t, dir, third.Cert, third.Key)
				pass(certificate.Interval)
				assert.Equal(t, "third", presented(t, p))
				assert.Len(t, seen.renewals(), 1)

				damage(t, dir)
				pass(time.Minute)
				assert.Len(t, seen.failures(), 2, "it is reported again")
			})
		})
	}
}

// A program that writes the certificate and then the key causes no error, even if the files are read in between.
func TestFilesThatAreWrittenOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		first, second := certificatetest.New(t, "first"), certificatetest.New(t, "second")
		write(t, dir, first.Cert, first.Key)
		p, seen := load(t, dir)
		run(t, p)
		write(t, dir, second.Cert, nil)
		pass(certificate.Interval)
		assert.Equal(t, "first", presented(t, p))
		write(t, dir, nil, second.Key)
		pass(certificate.Interval)
		assert.Equal(t, "second", presented(t, p))
		assert.Empty(t, seen.failures())
	})
}

// A reload that was asked for reports at once.
func TestReloadReportsAtOnce(t *testing.T) {
	dir := t.TempDir()
	first, second := certificatetest.New(t, "first"), certificatetest.New(t, "second")
	write(t, dir, first.Cert, first.Key)
	p, seen := load(t, dir)
	p.Reload()
	assert.Empty(t, seen.renewals())
	write(t, dir, second.Cert, nil)
	p.Reload()
	p.Reload()
	assert.Len(t, seen.failures(), 1)
	write(t, dir, nil, second.Key)
	p.Reload()
	assert.Len(t, seen.renewals(), 1)
	assert.Equal(t, "second", presented(t, p))
}

func TestLoadNeedsAPair(t *testing.T) {
	dir := t.TempDir()
	good, other := certificatetest.New(t, "good"), certificatetest.New(t, "other")
	write(t, dir, good.Cert, other.Key)
	_, err := certificate.Load(filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), certificate.Events{})
	require.ErrorContains(t, err, "must be a certificate and its key in PEM")
	_, err = certificate.Load(filepath.Join(dir, "none"), filepath.Join(dir, "tls.key"), certificate.Events{})
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestConcurrentUse(t *testing.T) {
	dir := t.TempDir()
	first, second := certificatetest.New(t, "first"), certificatetest.New(t, "second")
	write(t, dir, first.Cert, first.Key)
	p, _ := load(t, dir)
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for range 50 {
				p.Reload()
				certificate, err := p.Get(nil)
				assert.NoError(t, err)
				assert.NotNil(t, certificate.PrivateKey)
				assert.False(t, p.Stats().NotAfter.IsZero())
			}
		})
	}
	write(t, dir, second.Cert, second.Key)
	users.Wait()
}
