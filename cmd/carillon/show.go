package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"carillon/configs"
)

func configCommand(file *string) *cobra.Command {
	var defaults bool
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print the effective configuration, secrets masked",
		Long: `Prints the configuration that the server would run with, as YAML: the defaults, then the
file, then the environment. Each value that is not at its default says who set it.
Secrets are masked. Fails as the server would, if the configuration is wrong.`,
		Example: `  carillon config --config carillon.yaml
  carillon config --defaults > carillon.yaml    a file to start from, every key explained`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if defaults {
				_, err := cmd.OutOrStdout().Write(configs.Default)
				return err
			}
			c, err := load(*file, os.Environ())
			if err != nil {
				return err
			}
			text, err := c.yaml()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	cmd.Flags().BoolVar(&defaults, "defaults", false, "print the defaults instead, with all comments")
	return cmd
}

// yaml writes the configuration in the shape and order of default.yaml. Secrets mask themselves.
func (c *configuration) yaml() ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(configs.Default, &document); err != nil {
		return nil, err
	}
	values, err := leaves(c.Settings)
	if err != nil {
		return nil, err
	}
	root := document.Content[0]
	if err := c.fill(root, "", values); err != nil {
		return nil, err
	}
	return yaml.Marshal(root)
}

// fill puts the effective values into a mapping, and in place of its comments who set them.
func (c *configuration) fill(mapping *yaml.Node, section string, values map[string]any) error {
	for pair := range slices.Chunk(mapping.Content, 2) {
		name, node := pair[0], pair[1]
		*name = yaml.Node{Kind: yaml.ScalarNode, Value: name.Value}
		key := section + name.Value
		value, isLeaf := values[key]
		if !isLeaf {
			if err := c.fill(node, key+".", values); err != nil {
				return err
			}
			continue
		}
		if d, ok := value.(time.Duration); ok {
			value = shortly(d)
		}
		var fresh yaml.Node
		if err := fresh.Encode(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if origin, found := c.origins[key]; found {
			fresh.LineComment = "# " + origin
		}
		*node = fresh
	}
	return nil
}

// shortly writes a duration without the zeros that its own method ends it with.
func shortly(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
