package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"carillon/configs"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	return string(text)
}

// The table in the README has every key with its default, and nothing else.
func TestReadmeHasEverySetting(t *testing.T) {
	_, table, _ := strings.Cut(readme(t), "<!-- configuration table")
	table, _, _ = strings.Cut(table, "<!-- end of configuration table")
	documented := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(table, -1) {
		documented[row[1]] = row[2]
	}
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(configs.Default, &document))
	defaults := map[string]string{}
	var walk func(node *yaml.Node, prefix string)
	walk = func(node *yaml.Node, prefix string) {
		for i := 0; i < len(node.Content); i += 2 {
			key, value := prefix+node.Content[i].Value, node.Content[i+1]
			switch value.Kind {
			case yaml.MappingNode:
				walk(value, key+".")
			case yaml.SequenceNode:
				var items []string
				for _, item := range value.Content {
					items = append(items, item.Value)
				}
				defaults[key] = strings.Join(items, ",")
			default:
				defaults[key] = value.Value
			}
		}
	}
	walk(document.Content[0], "")
	assert.Equal(t, defaults, documented)
}

// Every relative link in the documents has a target.
func TestLinksHaveTargets(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	records, err := filepath.Glob("../../docs/adr/*.md")
	require.NoError(t, err)
	for _, document := range append(append(documents, records...), "../../README.md", "../../examples/README.md") {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(document), link[1]))
			assert.NoError(t, err, "%s: %s", document, link[0])
		}
	}
}

// Every test that the README names exists.
func TestReadmeNamesTestsThatExist(t *testing.T) {
	names := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w+)`").FindAllStringSubmatch(readme(t), -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		found := exec.CommandContext(t.Context(), "grep", "-rqE", "--include=*_test.go", "^func "+name[1]+"\\(", "../..")
		assert.NoError(t, found.Run(), name[1])
	}
}
