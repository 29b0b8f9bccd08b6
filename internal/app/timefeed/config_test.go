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

func TestConfigRefusesWithTheKeyTheValueAndWhatItTakes(t *testing.T) {
	good := timefeed.Config{Interval: time.Second, Timezone: "UTC", Layout: time.DateTime}
	interval := func(d time.Duration) timefeed.Config { c := good; c.Interval = d; return c }
	timezone := func(s string) timefeed.Config { c := good; c.Timezone = s; return c }
	layout := func(s string) timefeed.Config { c := good; c.Layout = s; return c }
	const (
		takesInterval = ", takes a whole number of milliseconds from 10ms to 24h"
		takesTimezone = `, takes a name such as "Europe/Berlin", "UTC" or "Local"`
		takesLayout   = `, takes a Go time layout such as "2006-01-02 15:04:05", or "json"`
	)
	for _, c := range []struct {
		cfg  timefeed.Config
		want string
	}{
		{interval(0), "clock.interval: got 0s" + takesInterval},
		{interval(-time.Second), "clock.interval: got -1s" + takesInterval},
		{interval(9 * time.Millisecond), "clock.interval: got 9ms" + takesInterval},
		{interval(1500 * time.Microsecond * 10001), "clock.interval: got 15.0015s" + takesInterval},
		{interval(25 * time.Hour), "clock.interval: got 25h0m0s" + takesInterval},
		{timezone(""), `clock.timezone: got ""` + takesTimezone},
		{timezone("Mars/Olympus"), `clock.timezone: got "Mars/Olympus"` + takesTimezone},
		{timezone("../etc/passwd"), `clock.timezone: got "../etc/passwd"` + takesTimezone},
		{timezone("Europe"), `clock.timezone: got "Europe"` + takesTimezone},
		{timezone("UTC\n"), `clock.timezone: got "UTC\n"` + takesTimezone},
		{layout(""), `clock.layout: got ""` + takesLayout},
		{layout("JSON"), `clock.layout: got "JSON"` + takesLayout},
		{layout("HH:mm:ss"), `clock.layout: got "HH:mm:ss"` + takesLayout},
		{layout("%H:%M:%S"), `clock.layout: got "%H:%M:%S"` + takesLayout},
		{layout("MST -0700"), `clock.layout: got "MST -0700"` + takesLayout},
		{layout("15:04\xff"), `clock.layout: got "15:04\xff", takes valid UTF-8`},
	} {
		require.EqualError(t, c.cfg.Validate(), c.want)
		_, err := timefeed.New(c.cfg, time.Now, nil, nil)
		require.EqualError(t, err, c.want)
	}
}
