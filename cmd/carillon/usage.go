package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// usageError reports an invalid command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// noArgs rejects arguments. Those of the program itself are misspelt commands.
func noArgs(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case cmd.HasParent():
		return usageError{fmt.Errorf("%s takes no arguments (got %q)", cmd.CommandPath(), args[0])}
	}
	hint := ""
	cmd.SuggestionsMinimumDistance = 2 // edits
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		hint = "; did you mean " + similar[0] + "?"
	}
	return usageError{fmt.Errorf("unknown command %q%s", args[0], hint)}
}

// flagError returns the error of an invalid flag. For an invalid value it says what the flag must be: the error of the
// flag package names the Go function that parsed the value.
func flagError(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return usageError{err}
	}
	want := map[string]string{
		"bool":     "true or false",
		"int":      "a whole number",
		"float64":  "a number",
		"duration": "a duration such as 500ms, 15s or 1h30m",
	}[invalid.GetFlag().Value.Type()]
	if want == "" {
		return usageError{err}
	}
	return usageError{fmt.Errorf("--%s: must be %s (got %q)", invalid.GetFlag().Name, want, invalid.GetValue())}
}
