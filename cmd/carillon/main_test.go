package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"go.uber.org/goleak"

	"carillon/cmd/carillon/internal/servertest"
)

// runAsProgram in the environment makes the test binary run the program, so that tests can start, signal and wait for it.
const runAsProgram = "RUN_AS_CARILLON"

// program is the test binary as the program.
var program = servertest.Program{Path: os.Args[0], Env: []string{runAsProgram + "=1"}}

func TestMain(m *testing.M) {
	if os.Getenv(runAsProgram) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	for _, entry := range os.Environ() { // settings of the developer
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "CARILLON_") {
			_ = os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// carillon runs a command to its end in this process.
func carillon(args ...string) (code int, stdout, stderr string) {
	var out, problems bytes.Buffer
	code = run(args, &out, &problems)
	return code, out.String(), problems.String()
}

func setenv(t *testing.T, environ []string) {
	t.Helper()
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		t.Setenv(name, value)
	}
}

func TestCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		environ, args  []string
		code           int
		stdout, stderr string // stdout: what it begins with
	}{
		"invalid configuration": {[]string{"CARILLON_CLOCK_INTERVAL=5"}, nil, 1, "", "carillon: clock.interval: must be a duration such as 500ms, 15s or 1h30m (got \"5\") (set in CARILLON_CLOCK_INTERVAL)\n"},
		"missing file":          {nil, []string{"--config", "/nowhere"}, 1, "", "carillon: reading the configuration file: open /nowhere: no such file or directory\n"},
		"unknown command":       {nil, []string{"ring"}, 2, "", "carillon: unknown command \"ring\"\ncarillon: see carillon --help\n"},
		"misspelt command":      {nil, []string{"publsh", "a", "b"}, 2, "", "carillon: unknown command \"publsh\"; did you mean publish?\ncarillon: see carillon --help\n"},
		"unknown flag":          {nil, []string{"serve", "--loud"}, 2, "", "carillon: unknown flag: --loud\ncarillon: see carillon serve --help\n"},
		"no whole number":       {nil, []string{"subscribe", "--count", "x"}, 2, "", "carillon: --count: must be a whole number (got \"x\")\ncarillon: see carillon subscribe --help\n"},
		"no number":             {nil, []string{"bench", "--rate=x"}, 2, "", "carillon: --rate: must be a number (got \"x\")\ncarillon: see carillon bench --help\n"},
		"no duration":           {nil, []string{"bench", "--idle=5"}, 2, "", "carillon: --idle: must be a duration such as 500ms, 15s or 1h30m (got \"5\")\ncarillon: see carillon bench --help\n"},
		"bench, URL with path":  {nil, []string{"bench", "--url", "http://me:secret@host/x"}, 2, "", "carillon: url: must have no path and no query, which --subscribe and --publish set (got \"http://me:xxxxx@host/x\")\ncarillon: see carillon bench --help\n"},
		"bench, no URL":         {nil, []string{"bench", "--url", "http://me:secret@host:port"}, 2, "", "carillon: url: must be http://host:port or https://host:port\ncarillon: see carillon bench --help\n"},
		"no truth value":        {nil, []string{"bench", "--json=x"}, 2, "", "carillon: --json: must be true or false (got \"x\")\ncarillon: see carillon bench --help\n"},
		"negative count":        {nil, []string{"subscribe", "--count=-1"}, 2, "", "carillon: --count: must be at least 0 (got -1)\ncarillon: see carillon subscribe --help\n"},
		"negative last":         {nil, []string{"subscribe", "--last=-1"}, 2, "", "carillon: --last: must be at least 0 (got -1)\ncarillon: see carillon subscribe --help\n"},
		"unknown shell":         {nil, []string{"completion", "csh"}, 2, "", "carillon: the shell must be one of bash, fish, powershell, zsh (got \"csh\")\ncarillon: see carillon completion --help\n"},
		"no shell":              {nil, []string{"completion"}, 2, "", "carillon: the shell must be one of bash, fish, powershell, zsh (got nothing)\ncarillon: see carillon completion --help\n"},
		"completion":            {nil, []string{"completion", "bash"}, 0, "# bash completion V2 for carillon", ""},
		"too many arguments":    {nil, []string{"version", "1"}, 2, "", "carillon: carillon version takes no arguments (got \"1\")\ncarillon: see carillon version --help\n"},
		"version flag":          {nil, []string{"--version"}, 0, "carillon ", ""},
		"version":               {nil, []string{"version"}, 0, "carillon ", ""},
		"help":                  {nil, []string{"--help"}, 0, "Carillon pushes events", ""},
		"config":                {[]string{"CARILLON_LOG_LEVEL=warn"}, []string{"config"}, 0, "http:\n    addr: :8080\n", ""},
		"config, invalid":       {[]string{"CARILLON_LOG_LEVEL=loud"}, []string{"config"}, 1, "", "carillon: log.level: must be debug, info, warn or error (got \"loud\") (set in CARILLON_LOG_LEVEL)\n"},
		"defaults":              {nil, []string{"config", "--defaults"}, 0, "# Carillon's configuration", ""},
		"no server":             {[]string{"CARILLON_HTTP_ADDR=127.0.0.1:1"}, []string{"healthcheck"}, 1, "", "carillon: dial tcp 127.0.0.1:1: connect: connection refused\n"},
	} {
		t.Run(name, func(t *testing.T) {
			setenv(t, c.environ)
			code, stdout, stderr := carillon(c.args...)
			assert.Equal(t, c.code, code, stderr)
			if c.stdout == "" {
				assert.Empty(t, stdout)
			}
			assert.True(t, strings.HasPrefix(stdout, c.stdout), stdout)
			assert.Equal(t, c.stderr, stderr)
		})
	}
}

func TestVersionFlagAndCommandPrintTheSame(t *testing.T) {
	_, flag, _ := carillon("--version")
	_, command, _ := carillon("version")
	assert.Equal(t, command, flag)
}

func TestHelpListsCompletion(t *testing.T) {
	_, help, _ := carillon("--help")
	assert.Regexp(t, `(?m)^  completion +Print a script`, help)
	for _, shell := range []string{"bash", "fish", "powershell", "zsh"} {
		code, script, stderr := carillon("completion", shell)
		assert.Zero(t, code, stderr)
		assert.Contains(t, script, "__complete", shell)
	}
}
