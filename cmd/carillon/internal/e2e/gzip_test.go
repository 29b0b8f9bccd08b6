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

// texts are published one by one, each when the one before has arrived. So none may wait in a decompressor until the next
// one pushes it out. Some compress well and some not at all.
var texts = []string{"one", "two", strings.Repeat("long ", 20_000), "", "🔔", strings.Repeat("\x00\uffff", 3000), "last"}

// deliveries are the two ways in which a stream is written: by a shard, and by its handler.
var deliveries = []string{"STREAM_TAKE_OVER=true", "STREAM_TAKE_OVER=false"}

func startCompressing(t *testing.T, delivery string) *node {
	t.Helper()
	return startNode(t, append(quiet, delivery, "STREAM_COMPRESSION=true")...)
}

func TestBrowserReceivesCompressedEventsAtOnce(t *testing.T) {
	endToEnd(t)
	for _, delivery := range deliveries {
		t.Run(delivery, func(t *testing.T) {
			n := startCompressing(t, delivery)
			p := openListener(t, n.URL(""))
			p.listenOpen("s", "news")
			var want []shownEvent
			for _, data := range texts {
				want = append(want, publishAll(t, n, "news", data)...)
				p.until(fmt.Sprintf(`streams.s.received.length === %d`, len(want)))
			}
			assert.Equal(t, want, p.received("s", len(want)))
			p.untilNoted(&p.encodings, func(encoding string) bool { return encoding == "gzip" })

			assert.Zero(t, n.Stop(t))
			goaway := p.received("s", len(want)+1)[len(want)]
			assert.Equal(t, shownEvent{ID: want[len(want)-1].ID, Type: "carillon.goaway", Data: `{"reason":"drain"}`}, goaway)
		})
	}
}

func TestCurlReceivesCompressedEventsAtOnce(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	endToEnd(t)
	for _, delivery := range deliveries {
		t.Run(delivery, func(t *testing.T) {
			n := startCompressing(t, delivery)
			head := filepath.Join(t.TempDir(), "head")
			cmd := exec.CommandContext(t.Context(), "curl", "-sSN", "--compressed", "--max-time", fmt.Sprint(waitTimeout.Seconds()), "-D", head, n.URL("/events?topic=news"))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			in := bufio.NewReader(out)
			opening, err := in.ReadString('\n')
			require.NoError(t, err)
			assert.Contains(t, opening, "retry: ")
			header, err := os.ReadFile(head)
			require.NoError(t, err)
			assert.Contains(t, strings.ToLower(string(header)), "content-encoding: gzip\r\n")

			events := sse.NewDecoder(in, 1<<20, "")
			for _, data := range texts {
				want := publishAll(t, n, "news", data)[0]
				require.Equal(t, want, next(t, events))
			}
			assert.Zero(t, n.Stop(t))
			assert.Equal(t, "carillon.goaway", next(t, events).Type)
			_, err = events.Next()
			require.ErrorIs(t, err, io.EOF)
			require.NoError(t, cmd.Wait(), "curl received a complete response")
		})
	}
}

// The checksum at the end covers everything that was sent: what all streams share and what only this one was sent.
func TestCompressedStreamEndsWithItsChecksum(t *testing.T) {
	endToEnd(t)
	for _, delivery := range deliveries {
		t.Run(delivery, func(t *testing.T) {
			n := startCompressing(t, delivery)
			n.publish(t, "news", "", "from the history")
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL("/events?topic=news&last=5"), http.NoBody)
			require.NoError(t, err)
			req.Header.Set("Accept-Encoding", "gzip")
			client := &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: waitTimeout}
			resp, err := client.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
			plain, err := gzip.NewReader(resp.Body)
			require.NoError(t, err)
			events := sse.NewDecoder(plain, 1<<20, "")
			assert.Equal(t, "from the history", next(t, events).Data)
			for _, data := range texts {
				want := publishAll(t, n, "news", data)[0]
				require.Equal(t, want, next(t, events))
			}
			assert.Zero(t, n.Stop(t))
			assert.Equal(t, "carillon.goaway", next(t, events).Type)
			_, err = events.Next()
			require.ErrorIs(t, err, io.EOF, "the data is complete and the checksum is correct")
		})
	}
}

// next waits for the next event; an id without data is none.
func next(t *testing.T, events *sse.Decoder) shownEvent {
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
		return shownEvent{ID: m.ID, Type: m.Type, Data: m.Data}
	case <-time.After(waitTimeout):
		require.FailNow(t, "no event came")
	}
	return shownEvent{}
}
