package delivery_test

import (
	"bufio"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var chunkSize = regexp.MustCompile(`\A[1-9a-f][0-9a-f]*\r\n\z`)

// nextChunk reads one chunk as strictly as RFC 9112 writes it; "" is the last one.
func nextChunk(t *testing.T, in *bufio.Reader) string {
	t.Helper()
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	if line == "0\r\n" {
		end, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "\r\n", end)
		return ""
	}
	require.Regexp(t, chunkSize, line)
	size, err := strconv.ParseInt(strings.TrimSpace(line), 16, 64)
	require.NoError(t, err)
	content := make([]byte, size+2)
	_, err = io.ReadFull(in, content)
	require.NoError(t, err)
	require.Equal(t, "\r\n", string(content[size:]))
	return string(content[:size])
}

// Each frame has a chunk of its own, so that all streams can share it, however they are batched.
func TestAFrameIsAChunk(t *testing.T) {
	s := newTestServer(t, connKind{takeOver: true})
	_, in := s.dial(0)
	assert.Regexp(t, `\Aretry: \d+\n: carillon\nid: \w+-0\n\n\z`, nextChunk(t, in))
	var texts []string
	for _, size := range []int{0, 1, 14, 15, 16, 100, 255, 256, 4095, 4096, 65_535, 65_536, 1 << 20} {
		texts = append(texts, strings.Repeat("x", size))
	}
	for _, together := range []bool{false, true} {
		var ids []string
		if together {
			ids = s.publish("a", texts...)
		}
		for i, text := range texts {
			if !together {
				ids = append(ids, s.publish("a", text)...)
			}
			require.Equal(t, "id: "+ids[i]+"\ndata: "+text+"\n\n", nextChunk(t, in))
		}
	}
	require.NoError(t, s.engine.Drain(t.Context(), 0))
	assert.Regexp(t, `\Aretry: \d+\nevent: carillon.goaway\ndata: {"reason":"drain"}\n\n\z`, nextChunk(t, in))
	assert.Empty(t, nextChunk(t, in))
	_, err := in.ReadByte()
	assert.ErrorIs(t, err, io.EOF)
}
