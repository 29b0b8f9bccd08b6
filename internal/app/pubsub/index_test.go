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

// Streams that come and go leave nothing behind, and those that stay are found all the while.
func TestIndexForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := start(t, config(), newLog(0))
		rnd := rand.New(rand.NewPCG(1, 2))
		texts := []string{"**", "*", "a/**", "*/**", "a/*/c/**", "a/*/c", "a/b", "a/b/**", "a", "a/b/c/d"}
		for i := range 60 {
			texts = append(texts, fmt.Sprintf("a/%d", i), fmt.Sprintf("*/%d/**", i))
		}
		type listener struct {
			stream *pubsub.Stream
			sink   *fakeSink
			asked  []event.Pattern
			want   []string
		}
		var here []*listener
		for round := range 60 {
			for range 20 {
				var chosen []string
				for range 1 + rnd.IntN(5) {
					chosen = append(chosen, texts[rnd.IntN(len(texts))])
				}
				st, sink := f.listen(next, chosen...)
				here = append(here, &listener{stream: st, sink: sink, asked: patterns(chosen...), want: []string{}})
			}
			synctest.Wait()
			topic := []string{"a", "a/b", "a/b/c", fmt.Sprintf("a/%d", round), fmt.Sprintf("x/%d/y", round), "a/x/c/z"}[round%6]
			f.publish(1, topic)
			for _, l := range here {
				for _, p := range l.asked {
					if p.Matches(event.MustTopic(topic)) {
						l.want = append(l.want, fmt.Sprint(f.published))
						break
					}
				}
			}
			synctest.Wait()
			rnd.Shuffle(len(here), func(i, j int) { here[i], here[j] = here[j], here[i] })
			for range rnd.IntN(30) {
				if len(here) == 0 {
					break
				}
				l := here[len(here)-1]
				here = here[:len(here)-1]
				l.stream.End(pubsub.EndGone)
				synctest.Wait()
				assert.Equal(t, append(l.want, "close:gone"), l.sink.Text())
			}
		}
		for _, l := range here {
			assert.Equal(t, l.want, l.sink.Text())
			l.stream.End(pubsub.EndGone)
		}
		synctest.Wait()
		topics, nodes, wild := f.engine.IndexSize()
		assert.Equal(t, [3]int{}, [3]int{topics, nodes, wild}, "topics, nodes and pattern subscriptions left in the index")
		assert.Zero(t, f.engine.Streams())
	})
}
