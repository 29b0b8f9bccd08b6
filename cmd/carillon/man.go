package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// manCommand returns the command that writes the manual page of the packages. One page has all commands, as the help does.
func manCommand() *cobra.Command {
	var date string
	cmd := &cobra.Command{
		Use:    "man",
		Short:  "Print the manual page (roff)",
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			built, err := time.Parse(time.RFC3339, date)
			if err != nil {
				return usageError{fmt.Errorf("--date: must be an RFC 3339 time (got %q)", date)}
			}
			return doc.GenMan(manPage(cmd.Root()), &doc.GenManHeader{Section: "1", Date: &built, Source: "carillon " + thisBuild().version}, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&date, "date", time.Now().UTC().Format(time.RFC3339), "date of the page, an RFC 3339 `TIME`")
	return cmd
}

// manPage returns the program as one command whose long text lists every command with its flags.
func manPage(root *cobra.Command) *cobra.Command {
	page := &cobra.Command{Use: root.Use, Short: root.Short, Long: root.Long + "\n\n## Commands\n", Example: root.Example, Run: func(*cobra.Command, []string) {}}
	page.DisableAutoGenTag = true
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() {
			continue
		}
		text := c.Long
		if text == "" {
			text = c.Short + "."
		}
		page.Long += fmt.Sprintf("\n### %s\n\n%s\n", c.UseLine(), text)
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden || f.Name == "help" {
				return
			}
			kind, usage := pflag.UnquoteUsage(f)
			page.Long += fmt.Sprintf("\n* **--%s** %s: %s\n", f.Name, kind, usage)
		})
	}
	page.Flags().AddFlagSet(root.PersistentFlags())
	page.Flags().AddFlag(root.Flags().Lookup("version"))
	return page
}
