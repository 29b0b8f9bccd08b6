package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"carillon/configs"
)

// YAML returns the configuration in the shape and order of default.yaml, with the origin of each value that is not at its
// default as a comment. Secrets are masked by their type.
func (c *Configuration) YAML() ([]byte, error) {
	var document yaml.Node
	if err := yaml.Unmarshal(configs.Default, &document); err != nil {
		return nil, err
	}
	values, err := flatten(c.Settings)
	if err != nil {
		return nil, err
	}
	root := document.Content[0]
	if err := c.fill(root, "", values); err != nil {
		return nil, err
	}
	return yaml.Marshal(root)
}

// fill replaces the values of a mapping with the effective ones, and its comments with the origins of the values.
func (c *Configuration) fill(mapping *yaml.Node, section string, values map[string]any) error {
	for pair := range slices.Chunk(mapping.Content, 2) {
		name, node := pair[0], pair[1]
		*name = yaml.Node{Kind: yaml.ScalarNode, Value: name.Value}
		key := section + name.Value
		value, isValue := values[key]
		if !isValue {
			if err := c.fill(node, key+".", values); err != nil {
				return err
			}
			continue
		}
		if d, ok := value.(time.Duration); ok {
			value = formatDuration(d)
		}
		var fresh yaml.Node
		if err := fresh.Encode(value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if origin, found := c.origins[key]; found {
			// The comment of a list with items is written after the last item, where it seems to belong to the next key.
			commented := &fresh
			if fresh.Kind == yaml.SequenceNode && len(fresh.Content) > 0 {
				commented = name
			}
			commented.LineComment = "# " + origin
		}
		*node = fresh
	}
	return nil
}

// formatDuration returns the duration without the trailing zero units of [time.Duration.String]: 5m, not 5m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
