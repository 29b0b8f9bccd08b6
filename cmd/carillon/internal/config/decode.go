package config

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"carillon/internal/domain/access"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"
)

// strict makes viper reject values of the wrong type: by default it would read 5 as five nanoseconds, 1.9 as 1 and "no"
// as text. Text is parsed where another type is wanted, because the environment holds only text.
func strict(c *mapstructure.DecoderConfig) {
	c.WeaklyTypedInput = false
	c.DecodeHook = decodeValue
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[access.Secret]()
)

// decodeValue converts a value from a file or from the environment to the type of the setting. Its error says what the
// setting must be.
func decodeValue(from, to reflect.Value) (any, error) {
	value := from.Interface()
	text, isText := value.(string)
	want := ""
	switch kind := to.Kind(); {
	case to.Type() == durationType:
		if d, err := time.ParseDuration(text); isText && err == nil {
			return d, nil
		}
		want = "a duration such as 500ms, 15s or 1h30m"
	case to.Type() == secretType:
		switch text {
		case "":
			if isText {
				return value, nil
			}
			// The value is not shown: it may be a secret all the same.
			return nil, errors.New("must be text, in quotes if it looks like a number")
		case access.Secret("a secret").String():
			return nil, errors.New(`must be the secret itself, not the mask that "carillon config" prints`)
		}
		return value, nil
	case to.CanInt():
		if n, ok := wholeNumber(value); ok && !to.OverflowInt(n) {
			return n, nil
		}
		want = "a whole number, which may end in KiB, MiB or GiB"
	case to.CanFloat():
		if f, ok := number(value); ok {
			return f, nil
		}
		want = "a number"
	case kind == reflect.Bool:
		if _, ok := value.(bool); ok {
			return value, nil
		}
		if b, err := strconv.ParseBool(text); isText && err == nil {
			return b, nil
		}
		want = "true or false"
	case kind == reflect.String:
		if isText {
			return value, nil
		}
		want = "text, in quotes if it looks like something else"
	case kind == reflect.Slice:
		if isText {
			if list, ok := listOf(text); ok {
				return list, nil
			}
			want = `a list such as a,b or ["a","b"]`
			break
		}
		if from.Kind() == reflect.Slice {
			return value, nil
		}
		want = "a list"
	default:
		return value, nil
	}
	return nil, fmt.Errorf("must be %s (got %s)", want, show(value))
}

// units are the suffixes that a number of bytes may have.
var units = []struct {
	suffix string
	shift  int
}{{"KiB", 10}, {"MiB", 20}, {"GiB", 30}}

func wholeNumber(value any) (int64, bool) {
	switch n := value.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case string:
		digits, shift := strings.TrimSpace(n), 0
		for _, unit := range units {
			if rest, found := strings.CutSuffix(digits, unit.suffix); found {
				digits, shift = strings.TrimSpace(rest), unit.shift
			}
		}
		i, err := strconv.ParseInt(digits, 10, 64)
		return i << shift, err == nil && i <= math.MaxInt64>>shift && i >= math.MinInt64>>shift
	}
	return 0, false
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int:
		return float64(n), true
	case float64:
		return n, !math.IsNaN(n) && !math.IsInf(n, 0)
	case string:
		f, err := strconv.ParseFloat(n, 64)
		return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return 0, false
}

// listOf parses a list as the environment has it: a,b,c or, as in a file, [a, "b"]. Empty text is the empty list. It
// reports whether the text is a list.
func listOf(text string) ([]any, bool) {
	list := []any{}
	if strings.HasPrefix(strings.TrimSpace(text), "[") {
		var items []string // an item that looks like a number is text, as it is without brackets
		in := yaml.NewDecoder(strings.NewReader(text))
		if in.Decode(&items) != nil || !errors.Is(in.Decode(new(any)), io.EOF) {
			return nil, false
		}
		for _, item := range items {
			list = append(list, item)
		}
		return list, true
	}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list, true
}

// maxShown is how many characters of a value an error shows.
const maxShown = 60

// show returns a value as an error message shows it.
func show(value any) string {
	switch v := value.(type) {
	case nil, string:
		if v == nil || v == "" {
			return "nothing"
		}
		return fmt.Sprintf("%.*q", maxShown, v)
	case map[string]any:
		return "a section"
	case []any:
		return "a list"
	}
	return fmt.Sprintf("%.*s", maxShown, fmt.Sprint(value))
}

// decodingProblems splits a decoder's error into one error for each key, which begins with the key.
func decodingProblems(err error) []error {
	var several interface{ Unwrap() []error }
	if errors.As(err, &several) {
		var problems []error
		for _, e := range several.Unwrap() {
			problems = append(problems, decodingProblems(e)...)
		}
		return problems
	}
	if one, ok := errors.AsType[*mapstructure.DecodeError](err); ok {
		return []error{fmt.Errorf("%s: %w", one.Name(), one.Unwrap())}
	}
	return []error{err}
}
