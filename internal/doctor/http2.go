package doctor

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"time"
)

const (
	http2Preface      = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	http2EmptySetting = "\x00\x00\x00\x04\x00\x00\x00\x00\x00" // a SETTINGS frame without any (RFC 9113, 6.5)
	frameHeader       = 9
	maxFrame          = 16 << 10 // bytes, as long as the client allows no more
	frameSettings     = 4
	settingMaxStreams = 3
	settingSize       = 6
	maxFrames         = 8 // SETTINGS come first; this many frames are read at most
)

// maxStreams returns how many HTTP/2 streams the server lets a connection have at a time. net/http keeps that to itself,
// so a connection is made for it that sends no request. A server without a limit has the largest number.
func (t *Target) maxStreams(ctx context.Context) (uint32, error) {
	if t.viaProxy() {
		return 0, errors.New("the environment names a proxy")
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.cfg.TLS != nil {
		cfg = t.cfg.TLS.Clone()
	}
	cfg.NextProtos = []string{"h2"}
	port := t.url.Port()
	if port == "" {
		port = "443"
	}
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Timeout)
	defer cancel()
	conn, err := (&tls.Dialer{Config: cfg}).DialContext(ctx, "tcp", net.JoinHostPort(t.url.Hostname(), port))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(t.cfg.Timeout)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(conn, http2Preface+http2EmptySetting); err != nil {
		return 0, err
	}
	return readMaxStreams(conn)
}

// readMaxStreams reads frames up to the server's settings.
func readMaxStreams(in io.Reader) (uint32, error) {
	for range maxFrames {
		var head [frameHeader]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return 0, err
		}
		size := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if size > maxFrame {
			return 0, errors.New("a frame is larger than any may be")
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(in, body); err != nil {
			return 0, err
		}
		if head[3] != frameSettings {
			continue
		}
		limit := uint32(math.MaxUint32)
		for ; len(body) >= settingSize; body = body[settingSize:] {
			if binary.BigEndian.Uint16(body) == settingMaxStreams {
				limit = binary.BigEndian.Uint32(body[2:])
			}
		}
		return limit, nil
	}
	return 0, errors.New("no settings came")
}

// viaProxy reports whether the environment names a proxy for the server.
func (t *Target) viaProxy() bool {
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: t.url})
	return err != nil || proxy != nil
}
