package disklog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkFloor is the least that any log has to do on this disk: append and fdatasync, with appends that wait sharing
// the next fdatasync.
func BenchmarkFloor(b *testing.B) {
	for _, appenders := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("appenders=%d", appenders), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
			require.NoError(b, err)
			b.Cleanup(func() { require.NoError(b, f.Close()) })
			record := make([]byte, 140)
			waiting := make(chan chan error, 1024)
			var run sync.WaitGroup
			run.Go(func() {
				for first := range waiting {
					group, buf := []chan error{first}, append([]byte(nil), record...)
					for more := true; more; {
						select {
						case next, open := <-waiting:
							if more = open; open {
								group, buf = append(group, next), append(buf, record...)
							}
						default:
							more = false
						}
					}
					_, err := f.Write(buf)
					if err == nil {
						err = syscall.Fdatasync(int(f.Fd()))
					}
					for _, done := range group {
						done <- err
					}
				}
			})
			shared(b, appenders, 1, func(int, int) error {
				done := make(chan error, 1)
				waiting <- done
				return <-done
			})
			close(waiting)
			run.Wait()
		})
	}
}
