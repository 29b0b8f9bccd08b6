package natslog

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

// options returns the credentials and the TLS settings. Files are read here to name the key of one that cannot be used, and
// by nats.go at each connection, so that they may be renewed.
func (c Connection) options() ([]nats.Option, error) {
	credentials, err := c.credentials()
	if err != nil {
		return nil, err
	}
	certificates, err := c.TLS.options()
	return append(credentials, certificates...), err
}

func (c Connection) credentials() ([]nats.Option, error) {
	switch {
	case c.User != "":
		return []nats.Option{nats.UserInfo(c.User, c.Password.Reveal())}, nil
	case c.Token.Reveal() != "":
		return []nats.Option{nats.Token(c.Token.Reveal())}, nil
	case c.CredsFile != "":
		if _, err := os.ReadFile(c.CredsFile); err != nil {
			return nil, fmt.Errorf("history.nats.creds_file: %w", err)
		}
		return []nats.Option{nats.UserCredentials(c.CredsFile)}, nil
	case c.NKeyFile != "":
		nkey, err := nats.NkeyOptionFromSeed(c.NKeyFile)
		if err != nil {
			return nil, fmt.Errorf("history.nats.nkey_file: %w", err)
		}
		return []nats.Option{nkey}, nil
	}
	return nil, nil
}

func (t TLS) options() (options []nats.Option, err error) {
	if t.CAFile != "" {
		pem, err := os.ReadFile(t.CAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			err = errors.New("contains no certificate in PEM")
		}
		if err != nil {
			return nil, fmt.Errorf("history.nats.tls.ca_file: %w", err)
		}
		options = append(options, nats.RootCAs(t.CAFile))
	}
	if t.CertFile != "" {
		if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
			return nil, fmt.Errorf("history.nats.tls.cert_file: %w", err)
		}
		options = append(options, nats.ClientCert(t.CertFile, t.KeyFile))
	}
	return options, nil
}
