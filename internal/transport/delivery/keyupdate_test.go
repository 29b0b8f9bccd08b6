package delivery_test

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/sse"
)

// keyUpdate returns the record with which a TLS 1.3 client requests new keys (RFC 8446, 4.6.3 and 5.2), after one record
// of application data. Go's client never sends one.
func keyUpdate(t *testing.T, secret []byte) []byte {
	t.Helper()
	expand := func(label string, length int) []byte {
		info := []byte{0, byte(length), byte(len("tls13 " + label))}
		key, err := hkdf.Expand(sha256.New, secret, string(append(append(info, "tls13 "+label...), 0)), length)
		require.NoError(t, err)
		return key
	}
	block, err := aes.NewCipher(expand("key", 16))
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	nonce := expand("iv", aead.NonceSize())
	nonce[len(nonce)-1] ^= 1              // the number of the record
	content := []byte{24, 0, 0, 1, 1, 22} // a key_update that requests another, in a handshake record
	head := []byte{23, 3, 3, 0, byte(len(content) + aead.Overhead())}
	return aead.Seal(head, nonce, content, head)
}

// A client may request new keys on a stream that has been quiet for longer than the timeout of a write. TLS answers it
// with a write of its own.
func TestNewKeysOnAQuietStream(t *testing.T) {
	s := newTestServer(t, connKind{secure: true}, func(stream *delivery.Config, _ *pubsub.Config) { stream.WriteTimeout = 300 * time.Millisecond })
	dialed, err := net.Dial("tcp", s.web.Listener.Addr().String())
	require.NoError(t, err)
	defer dialed.Close()
	raw := &counted{Conn: dialed}
	var secrets bytes.Buffer
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets})
	_, err = io.WriteString(conn, "GET /?topic=a HTTP/1.1\r\nHost: x\r\n\r\n")
	require.NoError(t, err)
	if conn.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skip("this machine prefers another cipher")
	}
	in := bufio.NewReader(conn)
	for line := ""; line != "\r\n"; {
		line, err = in.ReadString('\n')
		require.NoError(t, err)
	}
	client := &reader{t: t, in: sse.NewDecoder(chunked(in), 1<<20, ""), close: func() { _ = raw.Close() }}
	s.publish("a", "before")
	assert.Equal(t, "before", client.next().Data)
	<-time.After(700 * time.Millisecond) // longer than the timeout

	var secret []byte
	for line := range strings.SplitSeq(secrets.String(), "\n") {
		if rest, ok := strings.CutPrefix(line, "CLIENT_TRAFFIC_SECRET_0 "); ok {
			_, text, _ := strings.Cut(rest, " ")
			secret, err = hex.DecodeString(text)
			require.NoError(t, err)
		}
	}
	// The server answers before anything else is written.
	before := raw.received.Load()
	var reading sync.WaitGroup
	var m sse.Message
	reading.Go(func() { m, err = client.in.Next() })
	_, sending := raw.Write(keyUpdate(t, secret))
	require.NoError(t, sending)
	require.Eventually(t, func() bool { return raw.received.Load() > before }, waitTimeout, time.Millisecond, "the server did not answer")
	s.publish("a", "after")
	reading.Wait()
	require.NoError(t, err)
	assert.Equal(t, "after", m.Data)
}

// counted is a connection that counts what it receives.
type counted struct {
	net.Conn

	received atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.received.Add(int64(n))
	return n, err
}
