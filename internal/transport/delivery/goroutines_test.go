package delivery_test

import (
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// reading is what the goroutine that reads from a hijacked connection begins with.
const reading = "carillon/internal/transport/delivery.(*hijackedConn).read"

// standing is what the goroutines that a server has without streams begin with. They may begin late.
var standing = []string{
	"carillon/internal/app/pubsub.(*Engine).Run", "carillon/internal/app/pubsub.(*shard).run",
	"carillon/internal/transport/delivery.(*Server).Run", "net/http.(*Server).Serve",
}

// goroutines counts the goroutines of streams by what they begin with: all that run code of the program or of net/http,
// except the standing ones. [runtime.NumGoroutine] would count those of the test and of the runtime too, which come and
// go.
func goroutines() map[string]int {
	stacks := make([]byte, 1<<20)
	n := runtime.Stack(stacks, true)
	for ; n == len(stacks); n = runtime.Stack(stacks, true) {
		stacks = make([]byte, 2*len(stacks))
	}
	counts := make(map[string]int)
	for stack := range strings.SplitSeq(string(stacks[:n]), "\n\n") {
		first := ""
		for line := range strings.SplitSeq(stack, "\n") {
			if strings.HasPrefix(line, "created by ") {
				break
			}
			name := line[:max(strings.LastIndexByte(line, '('), 0)]
			if strings.HasPrefix(name, "net/http.") || strings.HasPrefix(name, "carillon/") && !strings.Contains(name, "_test.") {
				first = name
			}
		}
		if first != "" && !slices.ContainsFunc(standing, func(prefix string) bool { return strings.HasPrefix(first, prefix) }) {
			counts[first]++
		}
	}
	return counts
}

// waitGoroutines waits until streams have exactly these goroutines. It polls in the test's own goroutine and adds none.
func waitGoroutines(t *testing.T, want map[string]int) {
	t.Helper()
	for giveUp := time.Now().Add(waitTimeout); time.Now().Before(giveUp); <-time.After(5 * time.Millisecond) {
		if maps.Equal(goroutines(), want) {
			return
		}
	}
	assert.Equal(t, want, goroutines())
}
