package gzipjoin_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/transport/gzipjoin"
)

func ExampleAppendEnd() {
	shared, own := []byte("shared by many streams, "), []byte("and for this one")
	sum := gzipjoin.Sum(shared)
	stream := append([]byte(gzipjoin.Header), gzipjoin.Deflate(shared)...)
	sum.Join(gzipjoin.Sum(own))
	stream = gzipjoin.AppendStored(stream, own)
	stream = gzipjoin.AppendEnd(stream, sum)

	r, _ := gzip.NewReader(bytes.NewReader(stream))
	text, err := io.ReadAll(r)
	fmt.Println(string(text), err)
	// Output: shared by many streams, and for this one <nil>
}

// The standard library's reader checks the checksum and the size at the end.
func TestJoinedPiecesAreOneGzipStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var text []byte
		stream, sum := []byte(gzipjoin.Header), gzipjoin.Sum(nil)
		for range rapid.IntRange(0, 8).Draw(t, "pieces") {
			piece := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "text"), rapid.SampledFrom([]int{1, 1, 1, 500}).Draw(t, "times"))
			if rapid.Bool().Draw(t, "deflated") {
				stream = append(stream, gzipjoin.Deflate(piece)...)
			} else {
				stream = gzipjoin.AppendStored(stream, piece)
			}
			sum.Join(gzipjoin.Sum(piece))
			text = append(text, piece...)
		}
		stream = gzipjoin.AppendEnd(stream, sum)

		r, err := gzip.NewReader(bytes.NewReader(stream))
		require.NoError(t, err)
		r.Multistream(false)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, got))
	})
}

func TestAWrongChecksumIsNoticed(t *testing.T) {
	stream := gzipjoin.AppendStored([]byte(gzipjoin.Header), []byte("text"))
	r, err := gzip.NewReader(bytes.NewReader(gzipjoin.AppendEnd(stream, gzipjoin.Sum([]byte("test")))))
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	assert.ErrorIs(t, err, gzip.ErrChecksum)
}

// A client must see each piece when it arrives, not when the next one does.
func TestAPieceIsReadableBeforeTheNext(t *testing.T) {
	for name, piece := range map[string][]byte{
		"deflated":            gzipjoin.Deflate([]byte("now")),
		"stored":              gzipjoin.AppendStored(nil, []byte("now")),
		"stored in two parts": gzipjoin.AppendStored(nil, []byte(strings.Repeat("now", 1<<15))),
	} {
		t.Run(name, func(t *testing.T) {
			in, out := io.Pipe()
			defer in.Close()
			go func() { _, _ = out.Write(append([]byte(gzipjoin.Header), piece...)) }()
			r, err := gzip.NewReader(in)
			require.NoError(t, err)
			got := make([]byte, len("now"))
			_, err = io.ReadFull(r, got)
			require.NoError(t, err)
			assert.Equal(t, "now", string(got))
		})
	}
}

func TestStoredWritesExactBytes(t *testing.T) {
	assert.Equal(t, "\x00\x02\x00\xfd\xffhi\x00\x00\x00\xff\xff", string(gzipjoin.AppendStored(nil, []byte("hi"))))
	assert.Equal(t, "\x00\x00\x00\xff\xff", string(gzipjoin.AppendStored(nil, nil)))
}
