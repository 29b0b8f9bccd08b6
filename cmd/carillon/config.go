package main

import (
	"os"

	"github.com/spf13/cobra"

	"carillon/cmd/carillon/internal/config"
	"carillon/configs"
)

func configCommand(file *string) *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, secrets masked",
		Long: `Prints the configuration that the server would run with, as YAML: the defaults, overridden by the
file, overridden by the environment. Each value that is not at its default has its origin as a comment.
Secrets are masked. An invalid configuration fails as it would at the start of the server.`,
		Example: `  carillon config --config carillon.yaml
  carillon config --defaults > carillon.yaml    a file to start from, with every key explained`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := configs.Default
			if !defaults {
				c, err := config.Load(*file, os.Environ())
				if err != nil {
					return err
				}
				if text, err = c.YAML(); err != nil {
					return err
				}
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the defaults instead, with all comments")
	return cmd
}
