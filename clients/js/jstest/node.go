// Package jstest finds Node.js for tests.
package jstest

import (
	"context"
	"errors"
	"os/exec"
)

// errNoNode reports that no Node.js was found.
var errNoNode = errors.New("no Node.js 22 or later on the PATH; `make test` installs what the tests need")

// Node returns the path of a Node.js that the client supports: version 22 or later.
func Node() (string, error) {
	for _, name := range []string{"node", "node22"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		const recent = `process.exit(parseInt(process.versions.node) >= 22 ? 0 : 1)`
		if exec.CommandContext(context.Background(), path, "-e", recent).Run() == nil {
			return path, nil
		}
	}
	return "", errNoNode
}
