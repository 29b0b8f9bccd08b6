package config_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/viper"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/config"
	"carillon/configs"
	"carillon/internal/domain/access"
)

func defaults(t testing.TB) *config.Configuration {
	t.Helper()
	c, err := config.Load("", nil)
	require.NoError(t, err)
	return c
}

// fileOf writes a configuration file with this content and returns its name.
func fileOf(t testing.TB, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "carillon.yaml")
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	return name
}

func TestDefaultsAreExactlyTheSettings(t *testing.T) {
	v := viper.New()
	v.SetConfigType("yaml")
	require.NoError(t, v.ReadConfig(bytes.NewReader(configs.Default)))
	written := v.AllKeys()
	values, err := config.Flatten(config.Settings{})
	require.NoError(t, err)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(values)), written)

	names := map[string]string{}
	for _, key := range written {
		assert.NotContains(t, names, config.EnvName(key), "two keys have the same variable")
		names[config.EnvName(key)] = key
	}
}

func TestExampleForProductionLoads(t *testing.T) {
	c, err := config.Load("../../../../configs/production.yaml", []string{"CARILLON_AUTH_PUBLISH_TOKEN=secret-of-32-characters-and-more!"})
	require.NoError(t, err)
	assert.Equal(t, 50_000, c.Limits.MaxStreams)
	assert.Equal(t, "json", c.Log.Encoding)
}

func TestEnvironmentOverFileOverDefaults(t *testing.T) {
	file := fileOf(t, "clock: {interval: 2s, timezone: Europe/Berlin}\nHTTP: {Addr: ':1'}\nlimits: {event_bytes: 64KiB}")
	c, err := config.Load(file, []string{"CARILLON_CLOCK_INTERVAL=3s", "CARILLON_HTTP_TRUSTED_PROXIES= 10.0.0.0/8 ,::1", "PATH=/bin"})
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, c.Clock.Interval)
	assert.Equal(t, "Europe/Berlin", c.Clock.Timezone)
	assert.Equal(t, defaults(t).Clock.Layout, c.Clock.Layout)
	assert.Equal(t, ":1", c.HTTP.Addr, "keys are case-insensitive")
	assert.EqualValues(t, 65536, c.Limits.EventBytes)
	assert.Equal(t, []string{"10.0.0.0/8", "::1"}, c.HTTP.TrustedProxies)
	assert.Equal(t, map[string]string{
		"clock.interval": "CARILLON_CLOCK_INTERVAL", "clock.timezone": file, "http.addr": file, "limits.event_bytes": file,
		"http.trusted_proxies": "CARILLON_HTTP_TRUSTED_PROXIES",
	}, c.Origins())
}

func TestFileNamedByTheEnvironment(t *testing.T) {
	file := fileOf(t, "clock: {interval: 2s}")
	c, err := config.Load("", []string{"CARILLON_CONFIG=" + file})
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, c.Clock.Interval)

	c, err = config.Load(fileOf(t, "# nothing"), []string{"CARILLON_CONFIG=" + file})
	require.NoError(t, err)
	assert.Equal(t, time.Second, c.Clock.Interval, "the file of the command line takes precedence")
}

// Every key can be set from the environment: here to its default, written as text.
func TestEveryKeyFromTheEnvironment(t *testing.T) {
	want := defaults(t)
	values, err := config.Flatten(want.Settings)
	require.NoError(t, err)
	var environ []string
	for key, value := range values {
		text := fmt.Sprint(value)
		if list, ok := value.([]string); ok {
			text = strings.Join(list, ",")
		}
		if _, ok := value.(access.Secret); ok {
			text = ""
		}
		environ = append(environ, config.EnvName(key)+"="+text)
	}
	got, err := config.Load("", environ)
	require.NoError(t, err)
	assert.Equal(t, want.Settings, got.Settings)
	assert.Len(t, got.Origins(), len(values))
}

func TestEmptyVariableIsTheEmptyList(t *testing.T) {
	c, err := config.Load(fileOf(t, "http: {trusted_proxies: [10.0.0.1]}"), []string{"CARILLON_HTTP_TRUSTED_PROXIES="})
	require.NoError(t, err)
	assert.Empty(t, c.HTTP.TrustedProxies)
}

func TestListsFromTheEnvironment(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       {},
		"[]":                     {},
		" [ ] ":                  {},
		"orders/*, news":         {"orders/*", "news"},
		`["orders/*","**"]`:      {"orders/*", "**"},
		"[orders/*, news, '42']": {"orders/*", "news", "42"},
		"[42]":                   {"42"},
	} {
		c, err := config.Load("", []string{"CARILLON_AUTH_ANONYMOUS_SUBSCRIBE=" + text})
		require.NoError(t, err, text)
		assert.Equal(t, want, c.Auth.Anonymous.Subscribe, text)
	}
	for _, text := range []string{"[", "[a", "[**]", "[[a]]", "[{a: b}]", "[a],b", "[a],[b]", "[a]\n---\n[b]"} {
		_, err := config.Load("", []string{"CARILLON_AUTH_ANONYMOUS_SUBSCRIBE=" + text})
		require.EqualError(t, err, fmt.Sprintf(`auth.anonymous.subscribe: must be a list such as a,b or ["a","b"] (got %q) (set in CARILLON_AUTH_ANONYMOUS_SUBSCRIBE)`, text), text)
	}
}

// The origin of a list stands beside the list's key.
func TestOriginOfAList(t *testing.T) {
	c, err := config.Load("", []string{"CARILLON_HTTP_TRUSTED_PROXIES=10.0.0.0/8,::1", "CARILLON_AUTH_ANONYMOUS_SUBSCRIBE=[]"})
	require.NoError(t, err)
	text, err := c.YAML()
	require.NoError(t, err)
	assert.Contains(t, string(text), "trusted_proxies: # CARILLON_HTTP_TRUSTED_PROXIES\n        - 10.0.0.0/8\n        - ::1\n    cookie: \"\"\n")
	assert.Contains(t, string(text), "subscribe: [] # CARILLON_AUTH_ANONYMOUS_SUBSCRIBE\n")
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		environ []string
		want    []string // FILE is the file's name
	}{
		"misspelt key":          {file: "clock: {intervall: 1s}", want: []string{"clock.intervall in FILE: unknown key; did you mean clock.interval?"}},
		"unknown key":           {file: "colour: 3", want: []string{"colour in FILE: unknown key"}},
		"value for a section":   {file: "clock: 1s", want: []string{"clock in FILE: is a section and must have keys, such as enabled"}},
		"section for a value":   {file: "clock: {interval: {seconds: 1}}", want: []string{"clock.interval.seconds in FILE: unknown key"}},
		"no value":              {file: "clock:\n  interval:", want: []string{"clock.interval in FILE: must have a value; leave the key out for its default"}},
		"number for a duration": {file: "clock: {interval: 5}", want: []string{"clock.interval: must be a duration such as 500ms, 15s or 1h30m (got 5) (set in FILE)"}},
		"text for a duration":   {file: "clock: {interval: soon}", want: []string{`clock.interval: must be a duration such as 500ms, 15s or 1h30m (got "soon") (set in FILE)`}},
		"fraction for a number": {file: "limits: {max_streams: 1.5}", want: []string{"limits.max_streams: must be a whole number, which may end in KiB, MiB or GiB (got 1.5) (set in FILE)"}},
		"too large a number":    {file: "limits: {event_bytes: 9000000000GiB}", want: []string{`limits.event_bytes: must be a whole number, which may end in KiB, MiB or GiB (got "9000000000GiB") (set in FILE)`}},
		"text for a number":     {file: "limits: {publish_rate: fast}", want: []string{`limits.publish_rate: must be a number (got "fast") (set in FILE)`}},
		"number for text":       {file: "clock: {timezone: 1}", want: []string{"clock.timezone: must be text, in quotes if it looks like something else (got 1) (set in FILE)"}},
		"number for a boolean":  {file: "stream: {take_over: 7}", want: []string{"stream.take_over: must be true or false (got 7) (set in FILE)"}},
		"number for a list":     {file: "http: {trusted_proxies: 7}", want: []string{"http.trusted_proxies: must be a list (got 7) (set in FILE)"}},
		"number in a list":      {file: "http: {trusted_proxies: [7]}", want: []string{"http.trusted_proxies[0]: must be text, in quotes if it looks like something else (got 7) (set in FILE)"}},
		"list for a value":      {file: "clock: {layout: [json]}", want: []string{"clock.layout: must be text, in quotes if it looks like something else (got a list) (set in FILE)"}},
		"number for a secret":   {file: "auth: {publish_token: 8154711}", want: []string{"auth.publish_token: must be text, in quotes if it looks like a number (set in FILE)"}},
		"mask for a secret":     {file: "auth: {publish_token: '***'}", want: []string{`auth.publish_token: must be the secret itself, not the mask that "carillon config" prints (set in FILE)`}},
		"invalid YAML":          {file: "clock: {interval: 1s", want: []string{"FILE: While parsing config: yaml: line 1: did not find expected ',' or '}'"}},
		"duplicate key":         {file: "log: {level: info}\nlog: {level: info}", want: []string{`FILE: While parsing config: yaml: unmarshal errors: line 2: mapping key "log" already defined at line 1`}},

		"misspelt variable":                      {environ: []string{"CARILLON_HTP_ADDR=:80"}, want: []string{"CARILLON_HTP_ADDR: unknown setting; did you mean CARILLON_HTTP_ADDR?"}},
		"unknown variable":                       {environ: []string{"CARILLON_COLOURS=3"}, want: []string{"CARILLON_COLOURS: unknown setting"}},
		"empty variable":                         {environ: []string{"CARILLON_CLOCK_INTERVAL="}, want: []string{"clock.interval: must be a duration such as 500ms, 15s or 1h30m (got nothing) (set in CARILLON_CLOCK_INTERVAL)"}},
		"file for a key that is not secret":      {environ: []string{"CARILLON_HTTP_ADDR_FILE=/x"}, want: []string{"CARILLON_HTTP_ADDR_FILE: unknown setting"}},
		"missing file of a secret":               {environ: []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE=/nowhere"}, want: []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE: open /nowhere: no such file or directory"}},
		"invalid value":                          {environ: []string{"CARILLON_LOG_LEVEL=loud"}, want: []string{`log.level: must be debug, info, warn or error (got "loud") (set in CARILLON_LOG_LEVEL)`}},
		"invalid combination":                    {environ: []string{"CARILLON_DRAIN_TIMEOUT=20s"}, want: []string{"drain.timeout: must be longer than drain.window, which is 20s (got 20s) (set in CARILLON_DRAIN_TIMEOUT)"}},
		"invalid combination of another package": {file: "http: {cors: {origins: ['*'], credentials: true}}", want: []string{"http.cors.credentials: "}},
		"negative rate":                          {environ: []string{"CARILLON_DRAIN_RATE=-1"}, want: []string{"drain.rate: must be between 0 and 1000000 (got -1) (set in CARILLON_DRAIN_RATE)"}},
		"several":                                {file: "log: {encoding: xml}", environ: []string{"CARILLON_DRAIN_WINDOW=-1s"}, want: []string{"drain.window: must be between 0s and 1h (got -1s) (set in CARILLON_DRAIN_WINDOW)", `log.encoding: must be auto, json or console (got "xml") (set in FILE)`}},
		"several of each kind":                   {file: "colour: 3\nclock: {interval: 5}", environ: []string{"CARILLON_COLOUR=1"}, want: []string{"colour in FILE: unknown key", "CARILLON_COLOUR: unknown setting", "clock.interval: must be a duration such as 500ms, 15s or 1h30m (got 5) (set in FILE)"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := ""
			if c.file != "" {
				file = fileOf(t, c.file)
			}
			_, err := config.Load(file, c.environ)
			require.Error(t, err)
			got := strings.Split(err.Error(), "\n")
			for i, line := range got {
				if file != "" {
					got[i] = strings.ReplaceAll(line, file, "FILE")
				}
			}
			if name == "unknown variable" || name == "file for a key that is not secret" || name == "several of each kind" {
				for i := range got { // a suggestion may follow
					got[i], _, _ = strings.Cut(got[i], "; did you mean")
				}
			}
			if name == "invalid combination of another package" { // the text is httpapi's
				for i := range got {
					got[i], _, _ = strings.Cut(got[i], "credentials: ")
					got[i] += "credentials: "
				}
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestLoadMissingFile(t *testing.T) {
	_, err := config.Load("/nowhere/carillon.yaml", nil)
	assert.EqualError(t, err, "reading the configuration file: open /nowhere/carillon.yaml: no such file or directory")
}

func TestVariablesThatSetNoKey(t *testing.T) {
	_, err := config.Load("", []string{
		"CARILLON_URL=http://localhost:8080", "CARILLON_TOKEN=x", "CARILLON_CONFIG=",
		// Kubernetes adds these next to a service named carillon and one named carillon-admin.
		"CARILLON_SERVICE_HOST=10.0.0.1", "CARILLON_SERVICE_PORT=80", "CARILLON_SERVICE_PORT_HTTP=80",
		"CARILLON_PORT=tcp://10.0.0.1:80", "CARILLON_PORT_80_TCP=tcp://10.0.0.1:80", "CARILLON_PORT_80_TCP_PROTO=tcp",
		"CARILLON_PORT_80_TCP_PORT=80", "CARILLON_PORT_80_TCP_ADDR=10.0.0.1", "CARILLON_ADMIN_PORT=tcp://10.0.0.1:8079",
	})
	require.NoError(t, err)

	_, err = config.Load("", []string{"CARILLON_HTTP_PORT=80"})
	assert.ErrorContains(t, err, "CARILLON_HTTP_PORT: unknown setting")
}

func TestSecrets(t *testing.T) {
	const secret = "a-secret-that-is-not-shown-0123456789"
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))

	t.Run("from a file", func(t *testing.T) {
		c, err := config.Load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE=" + file})
		require.NoError(t, err)
		assert.Equal(t, access.Secret(secret), c.Auth.PublishToken)
	})
	t.Run("not from two sources", func(t *testing.T) {
		_, err := config.Load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN=" + secret, "CARILLON_AUTH_PUBLISH_TOKEN_FILE=" + file})
		require.ErrorContains(t, err, "auth.publish_token: must be set once (got both CARILLON_AUTH_PUBLISH_TOKEN and CARILLON_AUTH_PUBLISH_TOKEN_FILE)")
		assert.NotContains(t, err.Error(), secret)
	})
	t.Run("masked", func(t *testing.T) {
		c, err := config.Load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN=" + secret})
		require.NoError(t, err)
		text, err := c.YAML()
		require.NoError(t, err)
		assert.Contains(t, string(text), `publish_token: '***' # CARILLON_AUTH_PUBLISH_TOKEN`)
		assert.NotContains(t, string(text), secret)
		assert.NotContains(t, fmt.Sprintf("%v %+v", c.Settings, c.Settings), secret)
	})
}

func TestConfigIsAConfigurationFile(t *testing.T) {
	want, err := config.Load("", []string{"CARILLON_CLOCK_INTERVAL=90s", "CARILLON_HTTP_CORS_ORIGINS=https://a.example,https://b.example"})
	require.NoError(t, err)
	text, err := want.YAML()
	require.NoError(t, err)
	assert.Contains(t, string(text), "interval: 1m30s # CARILLON_CLOCK_INTERVAL\n")
	got, err := config.Load(fileOf(t, string(text)), nil)
	require.NoError(t, err)
	assert.Equal(t, want.Settings, got.Settings)
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "10s": 10 * time.Second, "5m": 5 * time.Minute, "24h": 24 * time.Hour, "1h30m": 90 * time.Minute,
		"10m": 10 * time.Minute, "1m30s": 90 * time.Second, "1h0m1s": time.Hour + time.Second, "1.5s": 1500 * time.Millisecond,
	} {
		assert.Equal(t, want, config.FormatDuration(d))
	}
}

// No environment makes Load panic, and what Load accepts is valid.
func FuzzEnvironment(f *testing.F) {
	f.Add("HTTP_ADDR", ":8080")
	f.Add("CLOCK_INTERVAL", "1s")
	f.Add("LIMITS_EVENT_BYTES", "1MiB")
	f.Add("LIMITS_PUBLISH_RATE", "1e3")
	f.Add("HTTP_TRUSTED_PROXIES", "10.0.0.0/8,")
	f.Add("STREAM_TAKE_OVER", "false")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "CONFIG" || strings.HasSuffix(name, config.FileSuffix) {
			t.Skip("reads files")
		}
		c, err := config.Load("", []string{"CARILLON_" + name + "=" + value})
		if err == nil {
			require.NoError(t, c.Validate())
		}
	})
}

func TestCompare(t *testing.T) {
	before := defaults(t).Settings
	after := before
	after.Auth.PublishToken, after.Log.Level = "another", "debug"
	after.Window.Events++
	changes, err := config.Compare(before, after)
	require.NoError(t, err)
	assert.Equal(t, []string{"auth.publish_token", "log.level"}, changes.Reloadable)
	assert.Equal(t, []string{"window.events"}, changes.NeedsRestart)

	before.ApplyReloadable(after)
	changes, err = config.Compare(before, after)
	require.NoError(t, err)
	assert.Empty(t, changes.Reloadable)
	assert.Equal(t, []string{"window.events"}, changes.NeedsRestart, "it is not forgotten")
}

// ApplyReloadable applies exactly the keys that Compare calls reloadable.
func TestApplyReloadableIsComplete(t *testing.T) {
	s := config.Settings{}
	s.ApplyReloadable(defaults(t).Settings)
	changes, err := config.Compare(s, defaults(t).Settings)
	require.NoError(t, err)
	assert.Empty(t, changes.Reloadable)
	assert.NotEmpty(t, changes.NeedsRestart)
}

func TestShortHistory(t *testing.T) {
	s := defaults(t).Settings
	assert.False(t, s.ShortHistory())
	s.History.Events = s.Window.Events
	assert.True(t, s.ShortHistory())
}

func TestAdminListenerNeedsATokenOrALoopbackAddress(t *testing.T) {
	_, err := config.Load("", []string{"CARILLON_ADMIN_ADDR=:8079"})
	require.ErrorContains(t, err, "admin.addr: ")
	require.ErrorContains(t, err, "(set in CARILLON_ADMIN_ADDR)")
	_, err = config.Load("", []string{"CARILLON_ADMIN_ADDR=:8079", "CARILLON_ADMIN_TOKEN=secret"})
	require.NoError(t, err)
}

// Few streams are ended at once, and many within the window.
func TestDrainPeriod(t *testing.T) {
	for _, c := range []struct {
		rate, streams int
		want          time.Duration
	}{
		{1000, 0, 0},
		{1000, 4, 4 * time.Millisecond},
		{1000, 1000, time.Second},
		{1000, 10_000, 10 * time.Second},
		{1000, 1_000_000, 20 * time.Second},
		{0, 0, 20 * time.Second},
		{0, 4, 20 * time.Second},
	} {
		drain := config.Drain{Rate: c.rate, Window: 20 * time.Second, Timeout: 30 * time.Second}
		require.NoError(t, drain.Validate())
		assert.Equal(t, c.want, drain.Period(c.streams), "%d streams at %d per second", c.streams, c.rate)
	}
}

// With the defaults, 1000 streams have ended well before the client of the first one is back, so that a restart of the only
// node is no slower for a client than a crash.
func TestDefaultDrainIsShorterThanTheRetry(t *testing.T) {
	c := defaults(t)
	assert.LessOrEqual(t, c.Drain.Period(1000), c.Stream.Retry/2)
}
