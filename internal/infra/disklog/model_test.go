package disklog_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"carillon/internal/app/pubsub/pubsubtest"
	"carillon/internal/domain/event"
	"carillon/internal/infra/disklog"
)

// kept is an event of the model, and when it was appended.
type kept struct {
	text, key string
	offset    uint64
	size      int64
	at        time.Time
}

// model is a log in a slice.
type model struct {
	limits  pubsubtest.Limits
	all     []kept
	trimmed int // so many of all are not kept any more
	keys    []kept
}

func (m *model) trim(now time.Time) {
	bytes, n := int64(0), len(m.all)
	for ; n > m.trimmed; n-- {
		e := m.all[n-1]
		bytes += e.size
		if len(m.all)-n >= m.limits.Events || bytes > m.limits.Bytes || now.Sub(e.at) > m.limits.Age {
			break
		}
	}
	m.trimmed = n
	m.keys = slices.DeleteFunc(m.keys, func(k kept) bool { return now.Sub(k.at) > m.limits.KeyWindow })
	m.keys = m.keys[max(0, len(m.keys)-m.limits.Keys):]
}

// append returns the offset of each event.
func (m *model) append(events []event.Event, now time.Time) []uint64 {
	m.trim(now)
	var offsets []uint64
	for _, e := range events {
		if i := slices.IndexFunc(m.keys, func(k kept) bool { return k.key == e.Key.String() }); i >= 0 {
			offsets = append(offsets, m.keys[i].offset)
			continue
		}
		k := kept{e.Data.String(), e.Key.String(), uint64(len(m.all) + 1), int64(e.Size()), now}
		m.all = append(m.all, k)
		if k.key != "" {
			m.keys = append(m.keys, k)
		}
		offsets = append(offsets, k.offset)
	}
	m.trim(now)
	return offsets
}

// TestLikeTheModel does things in turn, among them closing the log and opening it again with the same limits, and holds
// that the log is the model.
func TestLikeTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limits := pubsubtest.Limits{
			Events:    rapid.SampledFrom([]int{1, 3, 20, 200}).Draw(rt, "events"),
			Bytes:     rapid.SampledFrom([]int64{1, 2000, 4000, 1 << 30}).Draw(rt, "bytes"),
			Age:       rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(rt, "age"),
			Keys:      rapid.SampledFrom([]int{1, 2, 3, 100}).Draw(rt, "keys"),
			KeyWindow: rapid.SampledFrom([]time.Duration{time.Second, time.Minute, time.Hour}).Draw(rt, "window"),
		}
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{"append", "append", "append", "reopen", "wait"}), 1, 40).Draw(rt, "steps")
		pick := rapid.Custom(func(rt *rapid.T) int { return rapid.IntRange(0, 1000).Draw(rt, "pick") })
		picks := rapid.SliceOfN(pick, len(steps), len(steps)).Draw(rt, "picks")
		var failed error
		synctest.Test(t, func(t *testing.T) { failed = play(t, limits, steps, picks) })
		if failed != nil {
			rt.Fatal(failed)
		}
	})
}

func play(t *testing.T, limits pubsubtest.Limits, steps []string, picks []int) error {
	t.Helper()
	dir := memoryDir(t)
	log := open(t, config(dir, limits))
	epoch := log.Extent().Epoch
	m := model{limits: limits}
	for i, step := range steps {
		switch step {
		case "append":
			var events []event.Event
			for n := range 1 + picks[i]%4 {
				text := fmt.Sprint(i, "/", n, strings.Repeat(".", picks[i]%7*300))
				key := (picks[i] + n) % 5
				if key > 0 { // a key always has the same event
					text = strings.Repeat(".", key*300)
				}
				events = append(events, say(t, text, []string{"", "a", "b", "c", "d"}[key]))
			}
			positions := publish(t, log, events...)
			for n, want := range m.append(events, time.Now()) {
				if got := positions[n]; got != (event.Position{Epoch: epoch, Offset: want}) {
					return fmt.Errorf("step %d: event %d is at %v, want %d", i, n, got, want)
				}
			}
		case "reopen":
			log.close()
			require.NoError(t, disklog.Check(dir))
			log = open(t, config(dir, limits))
		case "wait":
			time.Sleep([]time.Duration{time.Millisecond, time.Second, 20 * time.Second, time.Minute}[picks[i]%4])
		}
		m.trim(time.Now())
		var want []string
		for _, e := range m.all[m.trimmed:] {
			want = append(want, fmt.Sprintf("%s-%d %s %s %v", epoch, e.offset, e.text, e.key, e.at.UnixNano()))
		}
		var got []string
		for _, e := range readAll(t, log) {
			got = append(got, fmt.Sprintf("%v %s %s %v", e.Position, e.Event.Data, e.Event.Key, e.Time.UnixNano()))
		}
		if !slices.Equal(got, want) {
			return fmt.Errorf("step %d (%s): kept %v, want %v", i, step, got, want)
		}
		if extent := log.Extent(); extent.Oldest != uint64(m.trimmed+1) || extent.Newest != uint64(len(m.all)) {
			return fmt.Errorf("step %d (%s): extent %v, want %d to %d", i, step, extent, m.trimmed+1, len(m.all))
		}
	}
	return nil
}
