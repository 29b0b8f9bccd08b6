package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"carillon/internal/loadgen"
)

// benchFlags are the flags of "carillon bench".
type benchFlags struct {
	cfg            loadgen.Config
	server         remote
	headers        []string
	publishHeaders []string
	ca             string
	json           bool
	quiet          bool
}

func benchCommand() *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a server: memory and processor time per stream, latency, lost events",
		Long: `Opens streams and publishes events that carry the time they were due at. Reports how many events arrived
and how late, and how long the publishes took. With the id of the server's process, on this machine (Linux), it
also reports the memory, the processor time and the voluntary context switches of the server; those of threads
that ended during the measurement are not counted. With --streams 0 it only publishes.

Each stream has a connection of its own, over HTTP/1.1. With --http2 several streams share a connection, as those
of a browser's tabs do. Publishers use HTTP/1.1 in either case. Reading a stream over HTTP/2 or TLS takes more
processor time of this program; the last line of the report says how much it used.

The defaults are for Carillon. Another server that pushes Server-Sent Events can be measured with its paths, body
and headers. In paths and body, {n} is replaced by the number of a topic. In the body, each {stamp} is replaced
by the time, once for each event in the body, and {pad} by the padding.`,
		Example: `  carillon bench --token "$TOKEN" --streams 1000 --rate 50 --duration 10s --pid "$(pgrep -xn carillon)"
  carillon bench --token "$TOKEN" --streams 10000 --duration 0 --idle 30s --pid "$(pgrep -xn carillon)"
  carillon bench --token "$TOKEN" --streams 0 --rate 2000 --pid "$(pgrep -xn carillon)"
  carillon bench --token "$TOKEN" --url https://localhost:8443 --ca cert.pem --http2 --pid "$(pgrep -xn carillon)"
  carillon bench --url http://127.0.0.1:3000 --subscribe '/.well-known/mercure?topic=bench' \
      --publish /.well-known/mercure --body 'topic=bench&data={stamp}' \
      --publish-header 'Content-Type: application/x-www-form-urlencoded' --token "$JWT"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	f.server.flags(cmd)
	flags.IntVar(&f.cfg.Streams, "streams", 1000, "number `N` of streams to open (0: only publish)")
	flags.BoolVar(&f.cfg.HTTP2, "http2", false, fmt.Sprintf("hold the streams over HTTP/2, %d on each connection; publishers use HTTP/1.1, so not with --streams 0", loadgen.StreamsPerConnection))
	flags.IntVar(&f.cfg.Stalled, "stalled", 0, "number `N` of streams that are not read")
	flags.IntVar(&f.cfg.Topics, "topics", 1, "number `N` of topics; streams and events are spread over them")
	flags.Float64Var(&f.cfg.Rate, "rate", 50, "`EVENTS` per second (0: as fast as the server responds)")
	flags.IntVar(&f.cfg.Publishers, "publishers", 1, "number `N` of connections that publish")
	flags.IntVar(&f.cfg.Size, "size", 0, "`BYTES` of padding in each event")
	flags.DurationVar(&f.cfg.Duration, "duration", 10*time.Second, "how long to publish (0: only open streams)")
	flags.DurationVar(&f.cfg.Idle, "idle", 0, "how long to keep the streams idle before publishing")
	flags.StringVar(&f.cfg.SubscribePath, "subscribe", "/events?topic=bench/{n}", "`PATH` and query to subscribe with")
	flags.StringVar(&f.cfg.PublishPath, "publish", "/events?topic=bench/{n}", "`PATH` and query to publish with")
	flags.StringVar(&f.cfg.PublishMethod, "method", http.MethodPost, "`METHOD` to publish with")
	flags.StringVar(&f.cfg.Body, "body", `{"t":"{stamp}","pad":"{pad}"}`, "`TEXT` to publish")
	flags.StringArrayVar(&f.headers, "header", nil, "header `'NAME: VALUE'` to subscribe with; may be repeated")
	flags.StringArrayVar(&f.publishHeaders, "publish-header", nil, "header `'NAME: VALUE'` to publish with; may be repeated")
	flags.StringVar(&f.ca, "ca", "", "verify an https server with the certificates in `FILE` (PEM) instead of the system's")
	flags.IntVar(&f.cfg.PID, "pid", 0, "process `ID` of the server, to measure its memory and processor time")
	flags.BoolVar(&f.json, "json", false, "print the report as JSON")
	flags.BoolVar(&f.quiet, "quiet", false, "do not print progress on standard error")
	return cmd
}

func (f *benchFlags) run(cmd *cobra.Command) error {
	var err error
	f.cfg.URL, _ = url.Parse(f.server.url) // Validate reports nil; the error of url.Parse would show a password
	if f.cfg.URL != nil && strings.Trim(f.cfg.URL.Path, "/") == "events" {
		f.cfg.URL.Path = "" // as for the other commands
	}
	if f.cfg.SubscribeHeader, err = headersOf(f.headers); err != nil {
		return usageError{err}
	}
	if f.cfg.PublishHeader, err = headersOf(f.publishHeaders); err != nil {
		return usageError{err}
	}
	if f.cfg.Roots, err = rootsIn(f.ca); err != nil {
		return usageError{err}
	}
	if token := f.server.bearer(); token != "" {
		f.cfg.PublishHeader.Set("Authorization", "Bearer "+token)
		f.cfg.SubscribeHeader.Set("Authorization", "Bearer "+token)
	}
	if err := f.cfg.Validate(); err != nil {
		return usageError{err}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var progress func(loadgen.Progress)
	terminal := isTerminal(cmd.ErrOrStderr())
	if !f.quiet {
		progress = progressPrinter(cmd.ErrOrStderr(), terminal)
	}
	report, err := loadgen.Run(ctx, f.cfg, progress)
	if progress != nil && terminal {
		_, _ = fmt.Fprintln(cmd.ErrOrStderr())
	}
	if err != nil {
		return err
	}
	if f.json {
		out := json.NewEncoder(cmd.OutOrStdout())
		out.SetIndent("", "  ")
		return out.Encode(report)
	}
	return report.Write(cmd.OutOrStdout())
}

// rootsIn returns the certificates in a file; without a file it returns nil, which means the system's.
func rootsIn(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	written, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(written) {
		return nil, fmt.Errorf("ca: no certificate in %s", file)
	}
	return roots, nil
}

// progressPrinter returns a function that prints progress. On a terminal it overwrites one line; elsewhere, where control
// codes would remain in a file, it prints a line for each phase.
func progressPrinter(out io.Writer, terminal bool) func(loadgen.Progress) {
	start, end, phase := clearLine, "", loadgen.Phase("")
	if !terminal {
		start, end = "", "\n"
	}
	return func(p loadgen.Progress) {
		if !terminal && p.Phase == phase {
			return
		}
		phase = p.Phase
		_, _ = fmt.Fprintf(out, "%s%s: %s, %d streams, %d published, %d delivered%s", start, p.Elapsed.Truncate(time.Second), p.Phase, p.Opened, p.Published, p.Delivered, end)
	}
}

func headersOf(lines []string) (http.Header, error) {
	headers := make(http.Header, len(lines))
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		if !found || strings.TrimSpace(name) == "" {
			return nil, fmt.Errorf("header: must be 'NAME: VALUE' (got %q)", line)
		}
		headers.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return headers, nil
}
