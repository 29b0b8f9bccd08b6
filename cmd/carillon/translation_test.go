package main_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	codeBlocks = regexp.MustCompile("(?ms)^```.*?^```$")
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	linkTarget = regexp.MustCompile(`\]\(([^)]+)\)`)
	settingRow = regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\| `([^`]*)` \\|")
)

// The Chinese README has the code blocks, links, settings and inline code (keys, events, tests) of the English one, in which
// only the prose differs. A change of one without the other fails.
func TestTranslationHoldsToTheReadme(t *testing.T) {
	english := readme(t)
	content, err := os.ReadFile("../../README.zh-CN.md")
	require.NoError(t, err)
	chinese := string(content)
	assert.Contains(t, english, "](README.zh-CN.md)")
	assert.Contains(t, chinese, "](README.md)")
	assert.Equal(t, codeBlocks.FindAllString(english, -1), codeBlocks.FindAllString(chinese, -1), "code blocks, in their order")

	withoutBlocks := func(text string) string { return codeBlocks.ReplaceAllString(text, "") }
	english, chinese = withoutBlocks(english), withoutBlocks(chinese)
	assert.Equal(t, rowsOf(english), rowsOf(chinese), "settings and their defaults, in their order")
	assertSame(t, "inline code", unique(inlineCode, english), unique(inlineCode, chinese))
	links := func(text string) []string {
		return slices.DeleteFunc(unique(linkTarget, text), func(link string) bool { return strings.HasPrefix(link, "README.") })
	}
	assertSame(t, "links", links(english), links(chinese))
	for _, heading := range []string{"## ", "### "} {
		assert.Equal(t, strings.Count(english, "\n"+heading), strings.Count(chinese, "\n"+heading), "sections with %q", heading)
	}
}

// unique returns what the expression finds, sorted, each once.
func unique(find *regexp.Regexp, text string) []string {
	var found []string
	text = strings.ReplaceAll(text, "``", "") // an empty default
	for _, match := range find.FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// rowsOf returns the settings of the table with their defaults.
func rowsOf(text string) (rows []string) {
	for _, row := range settingRow.FindAllStringSubmatch(text, -1) {
		rows = append(rows, row[1]+"="+row[2])
	}
	return rows
}

// assertSame says what is in one language only.
func assertSame(t *testing.T, what string, english, chinese []string) {
	t.Helper()
	for _, item := range english {
		assert.Contains(t, chinese, item, "%s: only in README.md", what)
	}
	for _, item := range chinese {
		assert.Contains(t, english, item, "%s: only in README.zh-CN.md", what)
	}
}
