package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		configured, fileLimit int
		limited               bool
		want                  capacity
	}{
		"configured":        {100, 1024, true, capacity{100, "configured", 1024, false}},
		"more than files":   {1000, 1024, true, capacity{1000, "configured", 1024, true}},
		"derived":           {0, 1024, true, capacity{922, "derived from the file limit 1024", 1024, false}},
		"derived, few":      {0, 256, true, capacity{192, "derived from the file limit 256", 256, false}},
		"derived, too few":  {0, 32, true, capacity{1, "derived from the file limit 32", 32, false}},
		"derived, enormous": {0, 1 << 30, true, capacity{1_000_000, "derived from the file limit 1073741824", 1 << 30, false}},
		"no file limit":     {0, 0, false, capacity{1_000_000, "derived: the system has no file limit", 0, false}},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, newCapacity(c.configured, c.fileLimit, c.limited))
		})
	}
}
