package pubsubtest

import (
	"testing"

	"pgregory.net/rapid"
)

func propertyGuarantees() []guarantee {
	return []guarantee{
		{name: "any sequence of operations equals the model", check: equalsModel, ownBubble: true},
		{name: "concurrent readers and followers agree", check: concurrentUsersAgree, ownBubble: true},
	}
}

func equalsModel(t *testing.T, a Adapter) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScript(rt, a)
		var err error
		a.run(t, func(t *testing.T) { err = s.run(t, a) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}

func concurrentUsersAgree(t *testing.T, a Adapter) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScenario(rt, a)
		var err error
		a.run(t, func(t *testing.T) { err = s.run(t, a) })
		if err != nil {
			rt.Fatal(err)
		}
	})
}
