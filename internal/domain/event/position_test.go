package event_test

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/domain/event"
)

func TestPositionIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := event.Position{
			Epoch:  event.Epoch(rapid.StringMatching(`[A-Za-z0-9]{1,43}`).Draw(t, "epoch")),
			Offset: rapid.Uint64().Draw(t, "offset"),
		}
		got, err := event.ParsePosition(p.String())
		if err != nil || got != p {
			t.Fatalf("%+v is written %q and read %+v, %v", p, p, got, err)
		}
		if !regexp.MustCompile(`^[A-Za-z0-9-]{3,64}$`).MatchString(p.String()) {
			t.Fatalf("%q is not written as an id may be", p)
		}
	})
}

func TestPositionAppends(t *testing.T) {
	p := event.Position{Epoch: "e1", Offset: math.MaxUint64}
	assert.Equal(t, "id: e1-18446744073709551615", string(p.Append([]byte("id: "))))
	room := make([]byte, 0, event.MaxPosition)
	assert.Zero(t, testing.AllocsPerRun(100, func() { p.Append(room) }))
}

func TestZeroPositionIsNone(t *testing.T) {
	assert.True(t, event.Position{}.IsZero())
	assert.False(t, event.Position{Epoch: "e"}.IsZero())
	assert.False(t, event.Position{Offset: 1}.IsZero())
	_, err := event.ParsePosition(event.Position{}.String())
	requireInvalid(t, err, "position", "-0")
}

func TestPositionRefuses(t *testing.T) {
	const form = "position is not of the form <epoch>-<offset>"
	for _, s := range []string{
		"", "-", "e", "e-", "-1", "1", "e1", "--1", "e--1", "e-1-", "e-1-2", "a-b", "e-x", "e-1x", "e-0x1", "e-1_0",
		"e-+1", "e--1", "e-01", "e-00", "e-1.0", "e-1e3", "e-18446744073709551616", "e-99999999999999999999999",
		" e-1", "e-1 ", "e -1", "e- 1", "e_x-1", "e.x-1", "é-1", "e-١", "e-１", "data: e-1", "*-1", "e/1", "\"e-1\"",
	} {
		got, err := event.ParsePosition(s)
		require.EqualError(t, err, form, "%q", s)
		requireInvalid(t, err, "position", s)
		assert.Equal(t, event.Position{}, got)
	}
	for what, bad := range hostile {
		for _, s := range []string{bad, bad + "e-1", "e" + bad + "-1", "e-" + bad + "1", "e-1" + bad} {
			_, err := event.ParsePosition(s)
			require.Error(t, err, what)
			requireInvalid(t, err, "position", s)
		}
	}
	_, err := event.ParsePosition(strings.Repeat("e", 62) + "-1")
	require.NoError(t, err)
	for _, s := range []string{strings.Repeat("e", 63) + "-1", strings.Repeat("x", 5<<20)} {
		_, err = event.ParsePosition(s)
		require.EqualError(t, err, fmt.Sprintf("position is %d bytes long, at most 64 are allowed", len(s)))
	}
}

func FuzzParsePosition(f *testing.F) {
	for _, s := range []string{"", "e-1", "e-0", "e-01", "e--1", "e-18446744073709551615", "e-18446744073709551616", "é-1", "e-1\n"} {
		f.Add(s)
	}
	form := regexp.MustCompile(`\A[A-Za-z0-9]+-(0|[1-9][0-9]*)\z`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := event.ParsePosition(s)
		_, digits, _ := strings.Cut(s, "-")
		offset, tooLarge := strconv.ParseUint(digits, 10, 64)
		require.Equal(t, form.MatchString(s) && len(s) <= event.MaxPosition && tooLarge == nil, err == nil, "%q", s)
		if err != nil {
			requireInvalid(t, err, "position", s)
			require.True(t, p.IsZero())
			return
		}
		require.Equal(t, s, p.String())
		require.Equal(t, offset, p.Offset)
	})
}

func ExamplePosition() {
	p := event.Position{Epoch: "k3j9", Offset: 42}
	fmt.Println(p)

	p, err := event.ParsePosition("k3j9-43")
	fmt.Println(p.Epoch, p.Offset, err)

	_, err = event.ParsePosition("yesterday")
	fmt.Println(err)
	// Output:
	// k3j9-42
	// k3j9 43 <nil>
	// position is not of the form <epoch>-<offset>
}
