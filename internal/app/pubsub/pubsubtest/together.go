package pubsubtest

import (
	"testing"

	"pgregory.net/rapid"
)

func together() []promise {
	return []promise{
		{name: "whatever is done in turn, the log is the model", check: likeTheModel, own: true},
		{name: "whatever is done at once, all agree", check: allAgree, own: true},
	}
}

func likeTheModel(t *testing.T, a Adapter) {
	rapid.Check(t, func(rt *rapid.T) {
		p := drawScript(rt, a)
		var err error
		a.run(t, func(t *testing.T) { err = p.play(t, a) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func allAgree(t *testing.T, a Adapter) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCrowd(rt, a)
		var err error
		a.run(t, func(t *testing.T) { err = c.run(t, a) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}
