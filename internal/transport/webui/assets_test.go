package webui_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func assets(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("assets")
	require.NoError(t, err)
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("assets", name))
	require.NoError(t, err)
	return string(text)
}

// A browser would block these because of the policy; this test finds them without one.
func TestMarkupHoldsNoScriptNoStyleAndNoForeignAddress(t *testing.T) {
	for _, name := range assets(t) {
		if ext := filepath.Ext(name); ext != ".html" && ext != ".svg" {
			continue
		}
		ids := map[string]bool{}
		decoder := xml.NewDecoder(strings.NewReader(read(t, name)))
		decoder.Strict, decoder.Entity = false, xml.HTMLEntity
		for inScript := false; ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err, name)
			switch token := token.(type) {
			case xml.StartElement:
				inScript = token.Name.Local == "script"
				assert.NotEqual(t, "style", token.Name.Local, "%s: style element", name)
				attributes := map[string]string{}
				for _, attribute := range token.Attr {
					attributes[attribute.Name.Local] = attribute.Value
				}
				assert.False(t, inScript && attributes["src"] == "", "%s: script without src", name)
				assert.NotContains(t, attributes, "style", name)
				for key, value := range attributes {
					assert.False(t, strings.HasPrefix(key, "on"), "%s: handler attribute %s", name, key)
					assert.True(t, key == "xmlns" || !foreign.MatchString(value), "%s: %s=%q", name, key, value)
				}
				if id := attributes["id"]; id != "" {
					assert.False(t, ids[id], "%s: id %s twice", name, id)
					ids[id] = true
				}
			case xml.CharData:
				assert.False(t, inScript && strings.TrimSpace(string(token)) != "", "%s: inline script", name)
			case xml.EndElement:
				inScript = false
			}
		}
	}
}

var foreign = regexp.MustCompile(`(?i)^\s*(?:[a-z][a-z0-9+.-]*:|//)`)

func TestScriptsAndStylesReferToNoOtherOrigin(t *testing.T) {
	address := map[string]*regexp.Regexp{
		".mjs": regexp.MustCompile("(?i)(?:https?|wss?|blob|javascript):|[\"'`](?://|data:)|import\\("),
		".css": regexp.MustCompile(`(?i)url\(|@import|//`),
	}
	// APIs that turn text into markup or code, and stores that could keep a token.
	sink := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|srcdoc|` +
		`setAttribute\("(?:on|style)|localStorage|sessionStorage|indexedDB|document\.cookie`)
	for _, name := range assets(t) {
		if pattern := address[filepath.Ext(name)]; pattern != nil {
			assert.Empty(t, pattern.FindAllString(read(t, name), -1), name)
			assert.Empty(t, sink.FindAllString(read(t, name), -1), name)
		}
	}
}

// A form is submitted without its unnamed fields, so even a page whose script failed does not put a token into a URL.
func TestTokenFieldsHaveNoName(t *testing.T) {
	fields := regexp.MustCompile(`<input[^>]*type="password"[^>]*>`).FindAllString(read(t, "index.html"), -1)
	require.Len(t, fields, 3)
	for _, field := range fields {
		assert.NotContains(t, field, " name=")
		assert.Contains(t, field, `autocomplete="off"`)
	}
}

func TestScripts(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the page's modules are tried by the browser tests alone")
	}
	tests, err := filepath.Glob("*_test.mjs")
	require.NoError(t, err)
	require.NotEmpty(t, tests)
	out, err := exec.CommandContext(t.Context(), node, append([]string{"--test"}, tests...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
