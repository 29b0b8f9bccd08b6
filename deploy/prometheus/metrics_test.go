package prometheus_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// scrapes returns the metrics of servers with different settings, which together have every metric there is.
func scrapes(t *testing.T) []string {
	t.Helper()
	crt, key := certificate(t)
	return []string{
		exposition(t, "http", "HISTORY_BACKEND=memory"),
		exposition(t, "http", "HISTORY_BACKEND=disk", "HISTORY_DISK_PATH="+t.TempDir()),
		exposition(t, "https", "HTTP_TLS_CERT_FILE="+crt, "HTTP_TLS_KEY_FILE="+key),
	}
}

// certificate returns the files of a self-signed certificate and its key.
func certificate(t *testing.T) (crt, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return file
	}
	return write("tls.crt", "CERTIFICATE", der), write("tls.key", "PRIVATE KEY", keyDER)
}

// existing are the names of the series that servers expose, each with the labels that it may have.
type existing map[string]map[string]bool

var (
	exposed     existing
	exposedOnce sync.Once
)

// series returns the series of all servers.
func series(t *testing.T) existing {
	t.Helper()
	exposedOnce.Do(func() {
		found := existing{}
		for _, text := range scrapes(t) {
			parser := expfmt.NewTextParser(model.UTF8Validation)
			families, err := parser.TextToMetricFamilies(strings.NewReader(text))
			require.NoError(t, err)
			for name, family := range families {
				found.add(name, family)
			}
		}
		exposed = found
	})
	require.NotEmpty(t, exposed, "no server could be scraped")
	return exposed
}

func (e existing) add(name string, family *dto.MetricFamily) {
	names := []string{name}
	if family.GetType() == dto.MetricType_HISTOGRAM {
		names = []string{name + "_bucket", name + "_sum", name + "_count"}
	}
	for _, name := range names {
		if e[name] == nil {
			e[name] = map[string]bool{"job": true, "instance": true} // which Prometheus adds
		}
		if strings.HasSuffix(name, "_bucket") {
			e[name]["le"] = true
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				e[name][label.GetName()] = true
			}
		}
	}
}

func TestPromtoolHasNoComplaintsAboutTheMetrics(t *testing.T) {
	for _, text := range scrapes(t) {
		out, err := runPromtool(t, text, "check", "metrics")
		require.NoError(t, err, out)
		assert.Empty(t, out)
	}
}
