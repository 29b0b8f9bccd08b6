package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/domain/event"
)

// hostile are characters and bytes that no name may hold anywhere.
var hostile = map[string]string{
	"CR":                           "\r",
	"LF":                           "\n",
	"CRLF":                         "\r\n",
	"NUL":                          "\x00",
	"TAB":                          "\t",
	"ESC":                          "\x1b",
	"unit separator":               "\x1f",
	"DEL":                          "\x7f",
	"C1 PAD":                       "\u0080",
	"C1 NEL":                       "\u0085",
	"C1 APC":                       "\u009f",
	"soft hyphen":                  "\u00ad",
	"Arabic letter mark":           "\u061c",
	"zero width space":             "\u200b",
	"zero width joiner":            "\u200d",
	"left-to-right mark":           "\u200e",
	"right-to-left mark":           "\u200f",
	"line separator":               "\u2028",
	"paragraph separator":          "\u2029",
	"bidi embedding":               "\u202a",
	"bidi override":                "\u202e",
	"word joiner":                  "\u2060",
	"bidi isolate":                 "\u2066",
	"bidi pop isolate":             "\u2069",
	"byte order mark":              "\ufeff",
	"interlinear annotation":       "\ufff9",
	"language tag":                 "\U000e0001",
	"tag letter":                   "\U000e0061",
	"lone high surrogate":          "\xed\xa0\x80",
	"lone low surrogate":           "\xed\xb0\x80",
	"surrogate pair, byte by byte": "\xed\xa0\xbd\xed\xb8\x80",
	"stray continuation byte":      "\x80",
	"cut-off sequence":             "\xe2\x82",
	"overlong NUL":                 "\xc0\x80",
	"overlong slash":               "\xc0\xaf",
	"above U+10FFFF":               "\xf4\x90\x80\x80",
	"byte FF":                      "\xff",
}

// unusual are uncommon names that are valid.
var unusual = []string{
	"a", "orders/42", "https://example.com/books/1?q=x#y", "/", "//", "a//b", "/a", "a/",
	"data: x", ": comment", "id: 7", `{"a":1}`, `"`, `\`, "a b", "a%0Ab", "-", "_", ".", "..",
	"naïve", "日本語", "Ω≈ç√", "a\u00a0b", "a\u3000b", "\ufffd", "🔔", "🏳️", "e\u0301", "\U0010ffff", "\ue000",
}

// names are the parsers of what follows the rules of a name, without the rules of each parser.
var names = map[string]func(string) (string, error){
	"topic": func(s string) (string, error) { v, err := event.ParseTopic(s); return v.String(), err },
	"pattern": func(s string) (string, error) {
		v, err := event.ParsePattern(s)
		return v.String(), err
	},
	"type": func(s string) (string, error) { v, err := event.ParseType(s); return v.String(), err },
	"key":  func(s string) (string, error) { v, err := event.ParseKey(s); return v.String(), err },
}

// requireInvalid checks that an error is of the one kind, names the field and does not repeat the value.
func requireInvalid(t *testing.T, err error, field, value string) {
	t.Helper()
	require.ErrorIs(t, err, event.ErrInvalid)
	invalid, ok := errors.AsType[*event.InvalidError](err)
	require.True(t, ok, "%T", err)
	assert.Equal(t, field, invalid.Field)
	assert.True(t, strings.HasPrefix(err.Error(), field+" "), err)
	for _, r := range err.Error() {
		assert.True(t, event.Printable(r), "the error for %q repeats it: %q", value, err)
	}
}

func fieldOf(parser string) string {
	if parser == "pattern" {
		return "topic"
	}
	return parser
}

func TestNamesRefuseWhatIsHostile(t *testing.T) {
	for parser, parse := range names {
		for what, bad := range hostile {
			for where, s := range map[string]string{"alone": bad, "first": bad + "x", "inside": "a/" + bad + "b", "last": "x" + bad} {
				t.Run(parser+"/"+what+"/"+where, func(t *testing.T) {
					_, err := parse(s)
					requireInvalid(t, err, fieldOf(parser), s)
				})
			}
		}
	}
}

func TestNamesKeepWhatIsGood(t *testing.T) {
	for parser, parse := range names {
		for _, s := range unusual {
			got, err := parse(s)
			require.NoError(t, err, "%s %q", parser, s)
			assert.Equal(t, s, got, parser)
		}
	}
}

func TestNamesAreAtMost255Bytes(t *testing.T) {
	for parser, parse := range names {
		for _, s := range []string{strings.Repeat("x", 255), strings.Repeat("ü", 127) + "x", strings.Repeat("/", 255)} {
			_, err := parse(s)
			require.NoError(t, err, parser)
		}
		for _, s := range []string{strings.Repeat("x", 256), strings.Repeat("ü", 128), strings.Repeat("x", 5<<20)} {
			_, err := parse(s)
			requireInvalid(t, err, fieldOf(parser), s)
			assert.Contains(t, err.Error(), "at most 255 are allowed", parser)
		}
	}
}

func TestDataKeepsTextAndRefusesBrokenUTF8(t *testing.T) {
	for what, s := range hostile {
		s = "a" + s + "b"
		d, err := event.ParseData(s)
		if strings.ToValidUTF8(s, "") != s {
			requireInvalid(t, err, "data", s)
			continue
		}
		require.NoError(t, err, what)
		assert.Equal(t, strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n"), d.String(), what)
	}
	for _, s := range append(unusual, "", " ", " a ", "\n", "\n\n", "a\n", "\ufeff", "data: x\n\nevent: y", strings.Repeat("x", 5<<20)) {
		d, err := event.ParseData(s)
		require.NoError(t, err)
		assert.Equal(t, s, d.String())
	}
}
