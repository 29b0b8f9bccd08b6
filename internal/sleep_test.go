package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sleepsForReal reports whether a file calls time.Sleep without testing/synctest.
// Such a test is slow on a fast machine and unreliable on a slow one.
func sleepsForReal(file *ast.File) bool {
	for _, spec := range file.Imports {
		if spec.Path.Value == `"testing/synctest"` {
			return false
		}
	}
	found := false
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
			pkg, ok := sel.X.(*ast.Ident)
			found = found || ok && pkg.Name == "time"
		}
		return true
	})
	return found
}

func TestTestsDoNotSleep(t *testing.T) {
	err := filepath.WalkDir("..", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if sleepsForReal(file) {
			t.Errorf("%s sleeps in real time: use testing/synctest, or wait for the expected event", name)
		}
		return nil
	})
	require.NoError(t, err)
}

func TestSleepRule(t *testing.T) {
	for src, want := range map[string]bool{
		"package p\nimport \"time\"\nfunc f() { time.Sleep(1) }":                         true,
		"package p\nimport (\"testing/synctest\"; \"time\")\nfunc f() { time.Sleep(1) }": false,
		"package p\nimport \"time\"\nfunc f() { time.After(1) }":                         false,
		"package p\nfunc f(dog interface{ Sleep() }) { dog.Sleep() }":                    false,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "p_test.go", src, parser.SkipObjectResolution)
		require.NoError(t, err)
		assert.Equal(t, want, sleepsForReal(file), src)
	}
}
