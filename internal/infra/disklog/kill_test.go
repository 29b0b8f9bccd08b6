package disklog_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

var killRounds = flag.Int("disklog.kill-rounds", 20, "how often the kill test kills its child process")

// appenderEnv makes the test binary a process that appends to the log in the directory it names.
const appenderEnv = "CARILLON_DISKLOG_APPENDER"

const appenders = 16

// runAppenders appends until it is killed, and writes a line for each acknowledged event. Each key is used by two
// appenders.
func runAppenders(dir string) int {
	log, err := disklog.Open(config(dir, pubsubtest.LargeLimits()))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = log.Run(context.Background()) }()
	begin := log.Extent().Newest
	out := make(chan string)
	for a := range appenders {
		go func() {
			for n := 0; ; n++ {
				key, err := event.ParseKey(fmt.Sprintf("%d/%d/%d", begin, a/2, n))
				if err != nil {
					panic(err)
				}
				data, err := event.ParseData(key.String())
				if err != nil {
					panic(err)
				}
				appended, err := log.Append(context.Background(),
					[]event.Event{{Topics: []event.Topic{event.MustTopic("t")}, Data: data, Key: key}})
				if err != nil {
					panic(err)
				}
				out <- fmt.Sprintln(appended[0].Position, key)
			}
		}()
	}
	for line := range out {
		_, _ = io.WriteString(os.Stdout, line)
	}
	return 0
}

// killed runs a child that appends to a directory, kills it after so many acknowledged events, and returns all that it
// acknowledged: positions by key.
func killed(t *testing.T, dir string, after int) map[string]string {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0])
	child.Env = append(os.Environ(), appenderEnv+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	acknowledged := make(map[string]string)
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == after {
			require.NoError(t, child.Process.Kill())
		}
		line, err := lines.ReadString('\n')
		if err != nil { // a line without an end was cut off by the kill
			break
		}
		position, key, found := strings.Cut(strings.TrimSpace(line), " ")
		require.True(t, found, line)
		if first, twice := acknowledged[key]; twice {
			require.Equal(t, first, position, "one key, one position")
		}
		acknowledged[key] = position
	}
	require.Error(t, child.Wait(), "killed")
	return acknowledged
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	all := make(map[string]string)
	var epoch event.Epoch
	for round := range *killRounds {
		maps.Copy(all, killed(t, dir, 37+round%20*29))
		require.NoError(t, disklog.Check(dir))
		log := open(t, config(dir, pubsubtest.LargeLimits()))
		if round > 0 {
			require.Equal(t, epoch, log.Extent().Epoch)
		}
		epoch = log.Extent().Epoch
		found, last := make(map[string]string), uint64(0)
		for _, e := range readAll(t, log) {
			require.Equal(t, last+1, e.Position.Offset, "in order, without a gap")
			last = e.Position.Offset
			key := e.Event.Key.String()
			require.Equal(t, key, e.Event.Data.String())
			if _, twice := found[key]; twice {
				require.Fail(t, "a key is there twice", key)
			}
			found[key] = e.Position.String()
		}
		for key, position := range all {
			if position != found[key] {
				require.Equal(t, position, found[key], "acknowledged: %s", key)
			}
		}
		var again sync.WaitGroup // the keys are remembered too
		for key, position := range all {
			again.Go(func() { assert.Equal(t, position, publish(t, log, say(t, key, key))[0].String()) })
		}
		again.Wait()
		assert.Equal(t, last, log.Extent().Newest)
		log.close()
	}
	t.Logf("%d events were acknowledged in %d rounds", len(all), *killRounds)
}
