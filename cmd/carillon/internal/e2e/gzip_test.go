package e2e_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/transport/sse"
)

// spaced are texts published one by one, each only when the one before has arrived: so none may wait in a decompressor for
// the next one to push it out. Some compress well and some not at all.
var spaced = []string{"one", "two", strings.Repeat("long ", 20_000), "", "🔔", strings.Repeat("\x00\uffff", 3000), "last"}

// paths are the two ways a stream is written: by a shard, and by the handler itself.
var paths = []string{"STREAM_TAKE_OVER=true", "STREAM_TAKE_OVER=false"}

func startCompressing(t *testing.T, path string) *node {
	t.Helper()
	return startNode(t, append(quiet, path, "STREAM_COMPRESSION=true")...)
}

func TestABrowserSeesEachCompressedEventAtOnce(t *testing.T) {
	whole(t)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			n := startCompressing(t, path)
			p := openListener(t, n.url(""))
			p.listenOpen("s", "news")
			var want []row
			for _, data := range spaced {
				want = append(want, publishAll(t, n, "news", data)...)
				p.until(fmt.Sprintf(`streams.s.heard.length === %d`, len(want)))
			}
			assert.Equal(t, want, p.heard("s", len(want)))
			p.untilNoted(&p.encodings, func(encoding string) bool { return encoding == "gzip" })

			assert.Zero(t, n.stop(t))
			goaway := p.heard("s", len(want)+1)[len(want)]
			assert.Equal(t, row{ID: want[len(want)-1].ID, Type: "carillon.goaway", Data: `{"reason":"drain"}`}, goaway)
		})
	}
}

func TestCurlSeesEachCompressedEventAtOnce(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	whole(t)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			n := startCompressing(t, path)
			head := filepath.Join(t.TempDir(), "head")
			cmd := exec.CommandContext(t.Context(), "curl", "-sSN", "--compressed", "--max-time", fmt.Sprint(patience.Seconds()), "-D", head, n.url("/events?topic=news"))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			in := bufio.NewReader(out)
			opening, err := in.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, opening, "retry: ")
			answered, err := os.ReadFile(head)
			require.NoError(t, err)
			assert.Contains(t, strings.ToLower(string(answered)), "content-encoding: gzip\r\n")

			events := sse.NewDecoder(in, 1<<20, "")
			for _, data := range spaced {
				want := publishAll(t, n, "news", data)[0]
				require.Equal(t, want, next(t, events))
			}
			assert.Zero(t, n.stop(t))
			assert.Equal(t, "carillon.goaway", next(t, events).Type)
			_, err = events.Next()
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, cmd.Wait(), "curl found the end in order")
		})
	}
}

// The checksum at the end is over everything that was sent: what all streams share, and what was this one's own.
func TestACompressedStreamEndsWithItsChecksum(t *testing.T) {
	whole(t)
	for _, path := range paths {
		t.Run(path, func(t *testing.T) {
			n := startCompressing(t, path)
			n.publish(t, "news", "", "kept from before")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.url("/events?topic=news&last=5"), http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Accept-Encoding", "gzip")
			watch := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: patience}
			resp, err := watch.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
			plain, err := gzip.NewReader(resp.Body)
			require.NoError(t, err)
			events := sse.NewDecoder(plain, 1<<20, "")
			assert.Equal(t, "kept from before", next(t, events).Data)
			for _, data := range spaced {
				want := publishAll(t, n, "news", data)[0]
				require.Equal(t, want, next(t, events))
			}
			assert.Zero(t, n.stop(t))
			assert.Equal(t, "carillon.goaway", next(t, events).Type)
			_, err = events.Next()
			require.ErrorIs(t, err, io.EOF, "the decompressor found the end whole and the checksum right")
		})
	}
}

// next waits for the next event with data: a bookmark without is none.
func next(t *testing.T, events *sse.Decoder) row {
	t.Helper()
	got := make(chan sse.Message, 1)
	var failed error
	go func() {
		defer close(got)
		if m, err := events.Next(); err == nil {
			got <- m
		} else {
			failed = err
		}
	}()
	select {
	case m, ok := <-got:
		require.True(t, ok, "%v", failed)
		return row{ID: m.ID, Type: m.Type, Data: m.Data}
	case <-time.After(patience):
		require.FailNow(t, "no event came")
	}
	return row{}
}
