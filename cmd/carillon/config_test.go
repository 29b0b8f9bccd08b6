package main

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

	"carillon/configs"
	"carillon/internal/infra/tokens"
)

func defaults(t testing.TB) *configuration {
	t.Helper()
	c, err := load("", nil)
	require.NoError(t, err)
	return c
}

// fileOf is a configuration file with this content.
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
	values, err := leaves(Settings{})
	require.NoError(t, err)
	assert.ElementsMatch(t, slices.Collect(maps.Keys(values)), written)

	names := map[string]string{}
	for _, key := range written {
		assert.NotContains(t, names, envName(key), "two keys, one variable")
		names[envName(key)] = key
	}
}

func TestExampleForProductionLoads(t *testing.T) {
	c, err := load("../../configs/production.yaml", []string{"CARILLON_AUTH_PUBLISH_TOKEN=secret-of-32-characters-and-more!"})
	require.NoError(t, err)
	assert.Equal(t, 50_000, c.Limits.MaxStreams)
	assert.Equal(t, "json", c.Log.Encoding)
}

func TestEnvironmentOverFileOverDefaults(t *testing.T) {
	file := fileOf(t, "clock: {interval: 2s, timezone: Europe/Berlin}\nHTTP: {Addr: ':1'}\nlimits: {event_bytes: 64KiB}")
	c, err := load(file, []string{"CARILLON_CLOCK_INTERVAL=3s", "CARILLON_HTTP_TRUSTED_PROXIES= 10.0.0.0/8 ,::1", "PATH=/bin"})
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, c.Clock.Interval)
	assert.Equal(t, "Europe/Berlin", c.Clock.Timezone)
	assert.Equal(t, defaults(t).Clock.Layout, c.Clock.Layout)
	assert.Equal(t, ":1", c.HTTP.Addr, "keys are found whatever their case")
	assert.EqualValues(t, 65536, c.Limits.EventBytes)
	assert.Equal(t, []string{"10.0.0.0/8", "::1"}, c.HTTP.TrustedProxies)
	assert.Equal(t, map[string]string{
		"clock.interval": "CARILLON_CLOCK_INTERVAL", "clock.timezone": file, "http.addr": file, "limits.event_bytes": file,
		"http.trusted_proxies": "CARILLON_HTTP_TRUSTED_PROXIES",
	}, c.origins)
}

func TestFileNamedByTheEnvironment(t *testing.T) {
	file := fileOf(t, "clock: {interval: 2s}")
	c, err := load("", []string{"CARILLON_CONFIG=" + file})
	require.NoError(t, err)
	assert.Equal(t, 2*time.Second, c.Clock.Interval)

	c, err = load(fileOf(t, "# nothing"), []string{"CARILLON_CONFIG=" + file})
	require.NoError(t, err)
	assert.Equal(t, time.Second, c.Clock.Interval, "the command line's file comes first")
}

// Every key can be set from the environment: to its own default, written as text.
func TestEveryKeyFromTheEnvironment(t *testing.T) {
	want := defaults(t)
	values, err := leaves(want.Settings)
	require.NoError(t, err)
	var environ []string
	for key, value := range values {
		text := fmt.Sprint(value)
		if list, ok := value.([]string); ok {
			text = strings.Join(list, ",")
		}
		if _, ok := value.(tokens.Secret); ok {
			text = ""
		}
		environ = append(environ, envName(key)+"="+text)
	}
	got, err := load("", environ)
	require.NoError(t, err)
	assert.Equal(t, want.Settings, got.Settings)
	assert.Len(t, got.origins, len(values))
}

func TestEmptyVariableIsTheEmptyList(t *testing.T) {
	c, err := load(fileOf(t, "http: {trusted_proxies: [10.0.0.1]}"), []string{"CARILLON_HTTP_TRUSTED_PROXIES="})
	require.NoError(t, err)
	assert.Empty(t, c.HTTP.TrustedProxies)
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		environ []string
		want    []string // FILE is the file's name
	}{
		"misspelt key":          {file: "clock: {intervall: 1s}", want: []string{"clock.intervall in FILE: there is no such key; did you mean clock.interval?"}},
		"unknown key":           {file: "bells: 3", want: []string{"bells in FILE: there is no such key"}},
		"value for a section":   {file: "clock: 1s", want: []string{"clock in FILE: is a section, takes keys such as interval"}},
		"section for a value":   {file: "clock: {interval: {seconds: 1}}", want: []string{"clock.interval.seconds in FILE: there is no such key"}},
		"nothing for a value":   {file: "clock:\n  interval:", want: []string{"clock.interval in FILE: got nothing, takes a value; leave the key out for its default"}},
		"number for a duration": {file: "clock: {interval: 5}", want: []string{"clock.interval: got 5, takes a duration such as 500ms, 15s or 1h30m (set in FILE)"}},
		"text for a duration":   {file: "clock: {interval: soon}", want: []string{`clock.interval: got "soon", takes a duration such as 500ms, 15s or 1h30m (set in FILE)`}},
		"fraction for a number": {file: "limits: {max_streams: 1.5}", want: []string{"limits.max_streams: got 1.5, takes a whole number, which may end in KiB, MiB or GiB (set in FILE)"}},
		"too large a number":    {file: "limits: {event_bytes: 9000000000GiB}", want: []string{`limits.event_bytes: got "9000000000GiB", takes a whole number, which may end in KiB, MiB or GiB (set in FILE)`}},
		"text for a number":     {file: "limits: {publish_rate: fast}", want: []string{`limits.publish_rate: got "fast", takes a number (set in FILE)`}},
		"number for text":       {file: "clock: {timezone: 1}", want: []string{"clock.timezone: got 1, takes text (in quotes, where it looks like something else) (set in FILE)"}},
		"number for a choice":   {file: "stream: {take_over: 7}", want: []string{"stream.take_over: got 7, takes true or false (set in FILE)"}},
		"number for a list":     {file: "http: {trusted_proxies: 7}", want: []string{"http.trusted_proxies: got 7, takes a list (set in FILE)"}},
		"number in a list":      {file: "http: {trusted_proxies: [7]}", want: []string{"http.trusted_proxies[0]: got 7, takes text (in quotes, where it looks like something else) (set in FILE)"}},
		"list for a value":      {file: "clock: {layout: [json]}", want: []string{"clock.layout: got a list, takes text (in quotes, where it looks like something else) (set in FILE)"}},
		"number for a secret":   {file: "auth: {publish_token: 8154711}", want: []string{"auth.publish_token: got something that is no text, takes text (in quotes, where it looks like a number) (set in FILE)"}},
		"mask for a secret":     {file: "auth: {publish_token: '***'}", want: []string{`auth.publish_token: got the mask that "carillon config" prints, takes the secret itself (set in FILE)`}},
		"no YAML":               {file: "clock: {interval: 1s", want: []string{"FILE: While parsing config: yaml: line 1: did not find expected ',' or '}'"}},
		"a key twice":           {file: "log: {level: info}\nlog: {level: info}", want: []string{`FILE: While parsing config: yaml: unmarshal errors: line 2: mapping key "log" already defined at line 1`}},

		"misspelt variable":    {environ: []string{"CARILLON_HTP_ADDR=:80"}, want: []string{"CARILLON_HTP_ADDR: there is no such setting; did you mean CARILLON_HTTP_ADDR?"}},
		"unknown variable":     {environ: []string{"CARILLON_BELLS=3"}, want: []string{"CARILLON_BELLS: there is no such setting"}},
		"empty variable":       {environ: []string{"CARILLON_CLOCK_INTERVAL="}, want: []string{"clock.interval: got nothing, takes a duration such as 500ms, 15s or 1h30m (set in CARILLON_CLOCK_INTERVAL)"}},
		"file for no secret":   {environ: []string{"CARILLON_HTTP_ADDR_FILE=/x"}, want: []string{"CARILLON_HTTP_ADDR_FILE: there is no such setting"}},
		"secret's file":        {environ: []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE=/nowhere"}, want: []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE: open /nowhere: no such file or directory"}},
		"impossible value":     {environ: []string{"CARILLON_LOG_LEVEL=loud"}, want: []string{`log.level: got "loud", takes debug, info, warn or error (set in CARILLON_LOG_LEVEL)`}},
		"impossible together":  {environ: []string{"CARILLON_DRAIN_TIMEOUT=20s"}, want: []string{"drain.timeout: got 20s, takes a duration longer than drain.window (20s) (set in CARILLON_DRAIN_TIMEOUT)"}},
		"open to the world":    {file: "http: {cors: {origins: ['*'], credentials: true}}", want: []string{`http.cors.credentials: must be false with the origin "*", or every site could act as its visitors; list the origins instead (got true) (set in FILE)`}},
		"several":              {file: "log: {encoding: xml}", environ: []string{"CARILLON_DRAIN_WINDOW=-1s"}, want: []string{"drain.window: got -1s, takes a duration from 0s to 1h (set in CARILLON_DRAIN_WINDOW)", `log.encoding: got "xml", takes auto, json or console (set in FILE)`}},
		"several of each kind": {file: "bells: 3\nclock: {interval: 5}", environ: []string{"CARILLON_BELL=1"}, want: []string{"bells in FILE: there is no such key", "CARILLON_BELL: there is no such setting", "clock.interval: got 5, takes a duration such as 500ms, 15s or 1h30m (set in FILE)"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := ""
			if c.file != "" {
				file = fileOf(t, c.file)
			}
			_, err := load(file, c.environ)
			require.Error(t, err)
			got := strings.Split(err.Error(), "\n")
			for i, line := range got {
				if file != "" {
					got[i] = strings.ReplaceAll(line, file, "FILE")
				}
			}
			if name == "unknown variable" || name == "file for no secret" || name == "several of each kind" {
				for i := range got { // a suggestion may follow
					got[i], _, _ = strings.Cut(got[i], "; did you mean")
				}
			}
			assert.Equal(t, c.want, got)
		})
	}
}

func TestLoadMissesTheFile(t *testing.T) {
	_, err := load("/nowhere/carillon.yaml", nil)
	assert.EqualError(t, err, "reading the configuration file: open /nowhere/carillon.yaml: no such file or directory")
}

func TestVariablesThatAreNoSettings(t *testing.T) {
	_, err := load("", []string{
		"CARILLON_URL=http://localhost:8080", "CARILLON_TOKEN=x", "CARILLON_CONFIG=",
		// What Kubernetes puts beside a service named carillon, and one named carillon-admin.
		"CARILLON_SERVICE_HOST=10.0.0.1", "CARILLON_SERVICE_PORT=80", "CARILLON_SERVICE_PORT_HTTP=80",
		"CARILLON_PORT=tcp://10.0.0.1:80", "CARILLON_PORT_80_TCP=tcp://10.0.0.1:80", "CARILLON_PORT_80_TCP_PROTO=tcp",
		"CARILLON_PORT_80_TCP_PORT=80", "CARILLON_PORT_80_TCP_ADDR=10.0.0.1", "CARILLON_ADMIN_PORT=tcp://10.0.0.1:9090",
	})
	require.NoError(t, err)

	_, err = load("", []string{"CARILLON_HTTP_PORT=80"})
	assert.ErrorContains(t, err, "CARILLON_HTTP_PORT: there is no such setting")
}

func TestSecrets(t *testing.T) {
	const secret = "a-secret-nobody-may-see-0123456789"
	file := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))

	t.Run("from a file", func(t *testing.T) {
		c, err := load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN_FILE=" + file})
		require.NoError(t, err)
		assert.Equal(t, tokens.Secret(secret), c.Auth.PublishToken)
	})
	t.Run("not from two places", func(t *testing.T) {
		_, err := load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN=" + secret, "CARILLON_AUTH_PUBLISH_TOKEN_FILE=" + file})
		require.ErrorContains(t, err, "auth.publish_token: set by both CARILLON_AUTH_PUBLISH_TOKEN and CARILLON_AUTH_PUBLISH_TOKEN_FILE, takes one of them")
		assert.NotContains(t, err.Error(), secret)
	})
	t.Run("masked", func(t *testing.T) {
		c, err := load("", []string{"CARILLON_AUTH_PUBLISH_TOKEN=" + secret})
		require.NoError(t, err)
		text, err := c.yaml()
		require.NoError(t, err)
		assert.Contains(t, string(text), `publish_token: '***' # CARILLON_AUTH_PUBLISH_TOKEN`)
		assert.NotContains(t, string(text), secret)
		assert.NotContains(t, fmt.Sprintf("%v %+v", c.Settings, c.Settings), secret)
	})
}

func TestConfigIsAConfigurationFile(t *testing.T) {
	want, err := load("", []string{"CARILLON_CLOCK_INTERVAL=90s", "CARILLON_HTTP_CORS_ORIGINS=https://a.example,https://b.example"})
	require.NoError(t, err)
	text, err := want.yaml()
	require.NoError(t, err)
	assert.Contains(t, string(text), "interval: 1m30s # CARILLON_CLOCK_INTERVAL\n")
	got, err := load(fileOf(t, string(text)), nil)
	require.NoError(t, err)
	assert.Equal(t, want.Settings, got.Settings)
}

func TestShortly(t *testing.T) {
	for want, d := range map[string]time.Duration{
		"0s": 0, "10s": 10 * time.Second, "5m": 5 * time.Minute, "24h": 24 * time.Hour, "1h30m": 90 * time.Minute,
		"10m": 10 * time.Minute, "1m30s": 90 * time.Second, "1h0m1s": time.Hour + time.Second, "1.5s": 1500 * time.Millisecond,
	} {
		assert.Equal(t, want, shortly(d))
	}
}

// Nothing that is in the environment makes the program panic, and what is taken is valid.
func FuzzEnvironment(f *testing.F) {
	f.Add("HTTP_ADDR", ":8080")
	f.Add("CLOCK_INTERVAL", "1s")
	f.Add("LIMITS_EVENT_BYTES", "1MiB")
	f.Add("LIMITS_PUBLISH_RATE", "1e3")
	f.Add("HTTP_TRUSTED_PROXIES", "10.0.0.0/8,")
	f.Add("STREAM_TAKE_OVER", "false")
	f.Fuzz(func(t *testing.T, name, value string) {
		if name == "CONFIG" || strings.HasSuffix(name, fileSuffix) {
			t.Skip("reads files")
		}
		c, err := load("", []string{envPrefix + name + "=" + value})
		if err == nil {
			require.NoError(t, c.Validate())
		}
	})
}
