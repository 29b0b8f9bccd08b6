package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestBuildString(t *testing.T) {
	assert.Equal(t, "carillon v1 commit abc of 2025-06-18 (go1.26, "+platform()+")",
		build{version: "v1", commit: "abc", date: "2025-06-18", goVersion: "go1.26"}.String())
	assert.NotEmpty(t, thisBuild().version)
}
