package doctor

import (
	"fmt"
	"io"
	"strings"

	"carillon/internal/domain/event"
)

// WriteText writes a report for people: one line for each finding, and below those that are not fine what they mean
// and what to change, indented.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	server := "not recognised as Carillon"
	if r.Server == ServerCarillon {
		server = "Carillon"
	}
	fmt.Fprintf(&b, "%s (%s)\n", printable(r.URL), server)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-4s  %-11s  %s\n", f.Level, f.Check, printable(f.Summary))
		if f.Level == OK {
			continue
		}
		for _, text := range []string{f.Meaning, f.Change} {
			if text != "" {
				fmt.Fprintf(&b, "%19s%s\n", "", printable(text))
			}
		}
		for _, setting := range f.Config {
			for i, line := range setting.Lines {
				product := setting.Product
				if i > 0 {
					product = ""
				}
				fmt.Fprintf(&b, "%21s%-11s %s\n", "", product, printable(line))
			}
		}
	}
	count := map[Level]int{}
	for _, f := range r.Findings {
		count[f.Level]++
	}
	fmt.Fprintf(&b, "problems: %d, warnings: %d\n", count[Fail], count[Warn])
	_, err := io.WriteString(w, b.String())
	return err
}

// printable replaces characters that a terminal would act on: headers and bodies are not trusted.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if event.Printable(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
