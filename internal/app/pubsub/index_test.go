package pubsub_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// Streams that end leave nothing in the index, and the remaining ones are always found.
func TestIndexRemovesEndedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		rnd := rand.New(rand.NewPCG(1, 2))
		texts := []string{"**", "*", "a/**", "*/**", "a/*/c/**", "a/*/c", "a/b", "a/b/**", "a", "a/b/c/d"}
		for i := range 60 {
			texts = append(texts, fmt.Sprintf("a/%d", i), fmt.Sprintf("*/%d/**", i))
		}
		type listener struct {
			stream   *pubsub.Stream
			sink     *fakeSink
			patterns []event.Pattern
			want     []string
		}
		var open []*listener
		for round := range 60 {
			for range 20 {
				var chosen []string
				for range 1 + rnd.IntN(5) {
					chosen = append(chosen, texts[rnd.IntN(len(texts))])
				}
				st, sink := f.listen(next, chosen...)
				open = append(open, &listener{stream: st, sink: sink, patterns: patterns(chosen...), want: []string{}})
			}
			synctest.Wait()
			topic := []string{"a", "a/b", "a/b/c", fmt.Sprintf("a/%d", round), fmt.Sprintf("x/%d/y", round), "a/x/c/z"}[round%6]
			f.publish(1, topic)
			for _, l := range open {
				for _, p := range l.patterns {
					if p.Matches(event.MustTopic(topic)) {
						l.want = append(l.want, fmt.Sprint(f.published))
						break
					}
				}
			}
			synctest.Wait()
			rnd.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
			for range rnd.IntN(30) {
				if len(open) == 0 {
					break
				}
				l := open[len(open)-1]
				open = open[:len(open)-1]
				l.stream.End(pubsub.EndGone)
				synctest.Wait()
				assert.Equal(t, append(l.want, "close:gone"), l.sink.Text())
			}
		}
		for _, l := range open {
			assert.Equal(t, l.want, l.sink.Text())
			l.stream.End(pubsub.EndGone)
		}
		synctest.Wait()
		topics, nodes, wild := f.engine.IndexSize()
		assert.Equal(t, [3]int{}, [3]int{topics, nodes, wild}, "topics, nodes and pattern subscriptions left in the index")
		assert.Zero(t, f.engine.Streams())
	})
}
