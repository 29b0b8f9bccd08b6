package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"carillon/internal/doctor"
)

// exitProblems is the exit code of "carillon doctor" when it has found problems.
const exitProblems = 3

// errProblems ends the process with exitProblems; the report says which problems.
var errProblems = errors.New("problems were found")

func doctorCommand() *cobra.Command {
	var server remote
	var cfg doctor.Config
	var asJSON, strict bool
	cmd := &cobra.Command{
		Use:   "doctor [URL]",
		Short: "Examine what lies between a client and a server: buffering, time-outs, lost headers",
		Long: `Opens event streams as a browser does and reports what the way to the server does to them: whether the
head arrives at once, what is buffered, compressed or cached, which idle time-out cuts a quiet stream, the
version of HTTP, whether ids and a resume get through, CORS, cookies, refusals, and the clock difference.
Each finding says what it means, what to change, and how in nginx, HAProxy, Caddy, Traefik and Cloudflare.

URL is that of an event stream; without a path, /events is added; without a URL, it is CARILLON_URL or
http://localhost:8080. Any server of Server-Sent Events can be examined; about Carillon it says more.
Nothing is published.

Exit codes: 0 no problems, 1 the server could not be reached, 2 the command line is wrong, 3 problems were
found (with --strict also for warnings).`,
		Example: `  carillon doctor https://events.example.com
  carillon doctor https://events.example.com --origin https://app.example.com --idle-timeout 5m
  carillon doctor https://api.example.com/stream --json --idle-timeout 0 | jq '.findings[] | select(.level == "fail")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if err := cobra.MaximumNArgs(1)(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.URL, cfg.Token = serverURL(), server.bearer()
			if len(args) == 1 {
				cfg.URL = args[0]
			}
			if err := cfg.Validate(); err != nil {
				return usageError{err}
			}
			if isTerminal(cmd.ErrOrStderr()) {
				cfg.Progress = progressLine(cmd.ErrOrStderr())
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			report, err := doctor.Run(ctx, cfg)
			if cfg.Progress != nil {
				_, _ = fmt.Fprint(cmd.ErrOrStderr(), clearLine)
			}
			if err != nil {
				return err
			}
			if err := writeReport(cmd.OutOrStdout(), report, asJSON); err != nil {
				return err
			}
			if report.Level == doctor.Fail || strict && report.Level == doctor.Warn {
				return errProblems
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&server.token, "token", "", "bearer `TOKEN`; better given as CARILLON_TOKEN, which no list of processes shows")
	flags.StringVar(&cfg.Origin, "origin", "", "`ORIGIN` of the pages that shall use the server, to check CORS")
	flags.StringVar(&cfg.Cookie, "cookie", "", "cookie `NAME=VALUE` to send, to check that it reaches the server")
	flags.DurationVar(&cfg.Timeout, "timeout", 10*time.Second, "how long to wait for the head of a response")
	flags.DurationVar(&cfg.Watch, "watch", 6*time.Second, "how long to watch a live stream for buffering")
	flags.DurationVar(&cfg.IdleTimeout, "idle-timeout", 70*time.Second, "how long to watch a quiet stream for a cut; 0 skips that")
	flags.BoolVar(&asJSON, "json", false, "print the report as JSON")
	flags.BoolVar(&strict, "strict", false, "exit with 3 for warnings too")
	return cmd
}

func writeReport(w io.Writer, report doctor.Report, asJSON bool) error {
	if !asJSON {
		return report.WriteText(w)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(report)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// clearLine moves to the start of a terminal's line and erases it.
const clearLine = "\r\x1b[K"

// progressLine returns a function that shows on a terminal how far a long check is.
func progressLine(w io.Writer) func(string, time.Duration, time.Duration) {
	return func(check string, elapsed, of time.Duration) {
		_, _ = fmt.Fprintf(w, "%s%s: %s of %s", clearLine, check, elapsed.Round(time.Second), of)
	}
}
