package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"carillon/internal/client"
)

// lines are the options of publish for many events.
type lines struct{ lines, ndjson, ids bool }

func (l *lines) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.lines, "lines", false, "publish each line of standard input as an event")
	cmd.Flags().BoolVar(&l.ndjson, "ndjson", false, "publish each line of standard input, a JSON object with topic, data, type, retry and key, as an event")
	cmd.Flags().BoolVar(&l.ids, "ids", false, "with --lines or --ndjson, print the id of each event")
}

// checkArguments returns an error for arguments that are missing or too many.
func (l *lines) checkArguments(args []string) error {
	most, hint := 2, "data with spaces needs quotes"
	switch {
	case l.ndjson:
		most, hint = 0, "with --ndjson each line names its own topic"
	case l.lines:
		most, hint = 1, "with --lines the data comes from standard input"
	}
	switch {
	case most > 0 && len(args) == 0:
		return errors.New("TOPIC is missing")
	case len(args) > most:
		return fmt.Errorf("unexpected argument %q: %s", args[most], hint)
	}
	return nil
}

// check returns an error for flags that exclude each other.
func (l *lines) check(cmd *cobra.Command) error {
	many := "--lines"
	excluded := []string{"key"} // all events would have the same
	switch {
	case l.lines && l.ndjson:
		return usageError{errors.New("--lines and --ndjson exclude each other")}
	case l.ndjson:
		many, excluded = "--ndjson", []string{"key", "topic", "type", "retry"} // each line has its own
	case !l.lines && l.ids:
		return usageError{errors.New("--ids needs --lines or --ndjson")}
	case !l.lines:
		return nil
	}
	for _, name := range excluded {
		if cmd.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s and %s exclude each other", name, many)}
		}
	}
	return nil
}

// publish publishes the lines of standard input.
func (l *lines) publish(cmd *cobra.Command, c *client.Client, request client.PublishRequest) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	out := bufio.NewWriter(cmd.OutOrStdout())
	progress := newProgress(cmd.ErrOrStderr())
	defer progress.end()
	last, published := "", 0
	err := c.PublishLines(ctx, request.TraceParent, l.events(cmd.InOrStdin(), request), func(_ int, id string) error {
		last = id
		published++
		progress.show(published)
		if !l.ids {
			return nil
		}
		_, err := fmt.Fprintln(out, id)
		return err
	})
	if !l.ids && last != "" {
		_, _ = fmt.Fprintln(out, last)
	}
	err = errors.Join(err, out.Flush())
	if err != nil {
		return fmt.Errorf("%w; events published: %d", err, published)
	}
	return nil
}

// maxInputLine is the longest line that is read; servers refuse much shorter ones.
const maxInputLine = 64 << 20

// events returns the events of the lines, as JSON objects.
func (l *lines) events(in io.Reader, request client.PublishRequest) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(nil, maxInputLine)
		for number := 1; scanner.Scan(); number++ {
			event, err := l.event(scanner.Bytes(), request)
			if err != nil {
				yield(nil, &client.LineError{Line: number, Err: err})
				return
			}
			if event != nil && !yield(event, nil) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			yield(nil, fmt.Errorf("reading standard input: %w", err))
		}
	}
}

// event returns the event of a line, or nil for a line without one.
func (l *lines) event(line []byte, request client.PublishRequest) ([]byte, error) {
	if !l.ndjson {
		return json.Marshal(struct {
			Topic []string `json:"topic"`
			Type  string   `json:"type,omitempty"`
			Data  string   `json:"data"`
			Retry int64    `json:"retry,omitempty"`
		}{request.Topics, request.Type, string(line), request.Retry.Milliseconds()})
	}
	line = bytes.TrimSpace(line)
	switch {
	case len(line) == 0:
		return nil, nil
	case line[0] != '{' || !json.Valid(line):
		return nil, errors.New("is not a JSON object with topic, data, type, retry and key")
	}
	return line, nil
}

// progress shows on a terminal how far publishing is.
type progress struct {
	out         io.Writer // nil where there is no terminal
	start, next time.Time
	count       int
}

const progressInterval = 200 * time.Millisecond

func newProgress(out io.Writer) *progress {
	p := &progress{start: time.Now()}
	if f, ok := out.(*os.File); ok && isatty.IsTerminal(f.Fd()) {
		p.out = out
	}
	return p
}

// show counts, and shows the count from time to time.
func (p *progress) show(count int) {
	p.count = count
	if p.out == nil {
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(progressInterval)
		p.write()
	}
}

func (p *progress) write() {
	rate := float64(p.count) / max(time.Since(p.start).Seconds(), 0.001)
	_, _ = fmt.Fprintf(p.out, "\r%d events, %.0f a second\x1b[K", p.count, rate)
}

// end shows the last count.
func (p *progress) end() {
	if p.out != nil && p.count > 0 {
		p.write()
		_, _ = fmt.Fprintln(p.out)
	}
}
