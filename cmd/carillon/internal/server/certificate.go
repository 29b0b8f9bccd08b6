package server

import (
	"crypto/tls"
	"crypto/x509"

	"go.uber.org/zap"

	"carillon/internal/infra/certificate"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/httpapi"
)

// serverCertificate is the certificate of the public listener. The zero value is that of one without TLS.
type serverCertificate struct{ *certificate.Pair }

// loadCertificate reads the certificate of the public listener, if it has one.
func loadCertificate(cfg httpapi.TLS, logger *zap.Logger) (serverCertificate, error) {
	if !cfg.Enabled() {
		return serverCertificate{}, nil
	}
	pair, err := certificate.Load(cfg.CertFile, cfg.KeyFile, certificate.Events{
		Renewed: func(leaf *x509.Certificate) {
			logger.Info("certificate renewed", zap.Time("not_after", leaf.NotAfter), zap.Stringer("serial", leaf.SerialNumber))
		},
		Failed: func(err error) {
			logger.Error("certificate not renewed: its files cannot be used; the previous one stays in use", zap.Error(err))
		},
	})
	return serverCertificate{pair}, err
}

// tlsConfig returns the settings of TLS, or nil without TLS.
func (c serverCertificate) tlsConfig() *tls.Config {
	if c.Pair == nil {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.Get}
}

// reload reads the files again, if there are any.
func (c serverCertificate) reload() {
	if c.Pair != nil {
		c.Reload()
	}
}

// metrics returns what the metrics show of the certificate, or nil without TLS.
func (c serverCertificate) metrics() func() metrics.Certificate {
	if c.Pair == nil {
		return nil
	}
	return func() metrics.Certificate { return metrics.Certificate(c.Stats()) }
}
