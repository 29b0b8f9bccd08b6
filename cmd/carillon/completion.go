package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// completionCommand replaces the one that cobra adds, which has a command for each shell and its own words for errors.
func completionCommand() *cobra.Command {
	scripts := map[string]func(*cobra.Command, io.Writer) error{
		"bash":       func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"fish":       func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
		"powershell": (*cobra.Command).GenPowerShellCompletionWithDesc,
		"zsh":        (*cobra.Command).GenZshCompletion,
	}
	shells := slices.Sorted(maps.Keys(scripts))
	return &cobra.Command{
		Use:   "completion bash|fish|powershell|zsh",
		Short: "Print a script that completes commands and flags in a shell",
		Long: `Prints a script that makes a shell complete the commands and flags of carillon. The .deb and .rpm packages
install the scripts of bash, zsh and fish.`,
		Example: `  source <(carillon completion bash)
  carillon completion zsh > "${fpath[1]}/_carillon"
  carillon completion fish > ~/.config/fish/completions/carillon.fish
  carillon completion powershell | Out-String | Invoke-Expression`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 1 && slices.Contains(shells, args[0]) {
				return nil
			}
			got := "nothing"
			if len(args) > 0 {
				got = fmt.Sprintf("%q", strings.Join(args, " "))
			}
			return usageError{fmt.Errorf("the shell must be one of %s (got %s)", strings.Join(shells, ", "), got)}
		},
		RunE: func(cmd *cobra.Command, args []string) error { return scripts[args[0]](cmd.Root(), cmd.OutOrStdout()) },
	}
}
