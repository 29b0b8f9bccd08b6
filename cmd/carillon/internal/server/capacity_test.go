package server_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"carillon/cmd/carillon/internal/server"
)

func TestCapacity(t *testing.T) {
	for name, c := range map[string]struct {
		configured, fileLimit int
		limited               bool
		want                  any
	}{
		"configured":        {100, 1024, true, server.Capacity(100, "configured", 1024, false)},
		"more than files":   {1000, 1024, true, server.Capacity(1000, "configured", 1024, true)},
		"derived":           {0, 1024, true, server.Capacity(922, "derived from the file limit 1024", 1024, false)},
		"derived, few":      {0, 256, true, server.Capacity(192, "derived from the file limit 256", 256, false)},
		"derived, too few":  {0, 32, true, server.Capacity(1, "derived from the file limit 32", 32, false)},
		"derived, enormous": {0, 1 << 30, true, server.Capacity(1_000_000, "derived from the file limit 1073741824", 1<<30, false)},
		"no file limit":     {0, 0, false, server.Capacity(1_000_000, "derived: the system has no file limit", 0, false)},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, server.NewCapacity(c.configured, c.fileLimit, c.limited))
		})
	}
}
