package timefeed_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/timefeed"
	"carillon/internal/domain/clock"
)

func TestConfigAccepts(t *testing.T) {
	for _, c := range []timefeed.Config{
		{Interval: time.Second, Timezone: "Local", Layout: time.DateTime},
		{Interval: clock.MinInterval, Timezone: "UTC", Layout: "json"},
		{Interval: clock.MaxInterval, Timezone: "Europe/Berlin", Layout: time.RFC1123},
		{Interval: 7 * time.Second, Timezone: "Asia/Kathmandu", Layout: "Uhrzeit: 15 Uhr 04"},
		{Interval: time.Second, Timezone: "UTC", Layout: "05.000"},
		{Interval: time.Second, Timezone: "UTC", Layout: "Monday"},
		{Interval: time.Second, Timezone: "UTC", Layout: "PM"},
		{Interval: time.Second, Timezone: "UTC", Layout: "002"},
		{Interval: time.Second, Timezone: "UTC", Layout: "date 2006-01-02\ntime 15:04:05"},
	} {
		assert.NoError(t, c.Validate(), "%+v", c)
	}
}

func TestConfigErrorsNameTheKeyTheRuleAndTheValue(t *testing.T) {
	good := timefeed.Config{Interval: time.Second, Timezone: "UTC", Layout: time.DateTime}
	interval := func(d time.Duration) timefeed.Config { c := good; c.Interval = d; return c }
	timezone := func(s string) timefeed.Config { c := good; c.Timezone = s; return c }
	layout := func(s string) timefeed.Config { c := good; c.Layout = s; return c }
	const (
		needInterval = "clock.interval: must be a whole number of milliseconds between 10ms and 24h (got "
		needTimezone = `clock.timezone: must be a time zone name such as "Europe/Berlin", "UTC" or "Local" (got `
		needLayout   = `clock.layout: must be a Go time layout such as "2006-01-02 15:04:05", or "json" (got `
	)
	for _, c := range []struct {
		cfg  timefeed.Config
		want string
	}{
		{interval(0), needInterval + "0s)"},
		{interval(-time.Second), needInterval + "-1s)"},
		{interval(9 * time.Millisecond), needInterval + "9ms)"},
		{interval(1500 * time.Microsecond * 10001), needInterval + "15.0015s)"},
		{interval(25 * time.Hour), needInterval + "25h0m0s)"},
		{timezone(""), needTimezone + `"")`},
		{timezone("Mars/Olympus"), needTimezone + `"Mars/Olympus")`},
		{timezone("../etc/passwd"), needTimezone + `"../etc/passwd")`},
		{timezone("Europe"), needTimezone + `"Europe")`},
		{timezone("UTC\n"), needTimezone + `"UTC\n")`},
		{layout(""), needLayout + `"")`},
		{layout("JSON"), needLayout + `"JSON")`},
		{layout("HH:mm:ss"), needLayout + `"HH:mm:ss")`},
		{layout("%H:%M:%S"), needLayout + `"%H:%M:%S")`},
		{layout("MST -0700"), needLayout + `"MST -0700")`},
		{layout("15:04\xff"), `clock.layout: must be valid UTF-8 (got "15:04\xff")`},
	} {
		t.Run(c.want, func(t *testing.T) {
			require.EqualError(t, c.cfg.Validate(), c.want)
			_, err := timefeed.New(c.cfg, time.Now, nil, nil)
			require.EqualError(t, err, c.want)
		})
	}
}
