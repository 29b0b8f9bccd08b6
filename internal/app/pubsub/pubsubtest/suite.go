// Package pubsubtest is the conformance suite of [pubsub.Log]: what every log must do, whatever it is made of.
//
// An adapter calls [TestLog] from its own tests. The suite knows the port and nothing of what is behind it: it asks for
// no dense offsets, and where a promise depends on where the log lives, the adapter says which it makes.
package pubsubtest

import (
	"testing"
	"testing/synctest"
	"time"

	"carillon/internal/app/pubsub"
)

// Limits are the bounds of a log to open.
type Limits struct {
	Events    int
	Bytes     int64
	Age       time.Duration
	Keys      int           // idempotency keys that are remembered
	KeyWindow time.Duration // and for how long
}

// Roomy are bounds that no test here comes near.
func Roomy() Limits {
	return Limits{Events: 1 << 20, Bytes: 1 << 30, Age: 24 * time.Hour, Keys: 1 << 20, KeyWindow: 24 * time.Hour}
}

// Adapter is a log to be tested.
type Adapter struct {
	// Open makes an empty log within bounds. What must be closed is closed by the test's Cleanup.
	Open func(t testing.TB, limits Limits) pubsub.Log

	// Reopen ends a log that Open or Reopen returned, as at the end of its process, and returns it as the next process
	// opens it, within the same bounds. It is nil for a log that ends with its process.
	Reopen func(t testing.TB, log pubsub.Log) pubsub.Log

	// FakeTime says that the log runs in a bubble of [synctest], so that ages and key windows can be waited for.
	FakeTime bool
	// SameProcess says that an entry reaches every follower before the Append that kept it returns.
	SameProcess bool
	// Exact says that after each call the log keeps as much as its bounds allow and no more, with [event.Event.Size]
	// as the measure of bytes. Others may trim late, or in larger steps.
	Exact bool
}

// TestLog holds a log to what the port promises, one subtest for each promise. Run it under the race detector.
func TestLog(t *testing.T, a Adapter) {
	t.Helper()
	for _, group := range [][]promise{appending(), reading(), trimming(), remembering(), following(), restarting(), together()} {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) {
				if p.needsTime && !a.FakeTime {
					t.Skip("needs fake time")
				}
				if p.needsReopen && a.Reopen == nil {
					t.Skip("this log ends with its process")
				}
				if p.own {
					p.check(t, a)
					return
				}
				a.run(t, func(t *testing.T) { p.check(t, a) })
			})
		}
	}
}

// promise is one thing a log must do.
type promise struct {
	name        string
	check       func(*testing.T, Adapter)
	needsTime   bool // it waits for ages or windows to pass
	needsReopen bool // it restarts the log
	own         bool // it opens bubbles itself
}

// run calls check as a test of its own: in a bubble where the log can live in one.
func (a Adapter) run(t *testing.T, check func(*testing.T)) {
	t.Helper()
	if a.FakeTime {
		synctest.Test(t, check)
		return
	}
	t.Run("run", check)
}
