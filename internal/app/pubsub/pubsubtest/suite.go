// Package pubsubtest is the conformance suite of [pubsub.Log]: what every implementation must do.
//
// An implementation calls [TestLog] from its own tests. The suite knows only the interface: offsets need not be dense,
// and where a guarantee depends on whether the log is in the same process, the [Adapter] states which guarantees it
// gives.
package pubsubtest

import (
	"testing"
	"testing/synctest"
	"time"

	"carillon/internal/app/pubsub"
)

// Limits are the bounds of a log.
type Limits = pubsub.HistoryBounds

// LargeLimits returns bounds that no test reaches.
func LargeLimits() Limits {
	return Limits{Events: 1 << 20, Bytes: 1 << 30, Age: 24 * time.Hour, Keys: 1 << 20, KeyWindow: 24 * time.Hour}
}

// Adapter describes a log to be tested.
type Adapter struct {
	// Open returns an empty log with bounds. If it must be closed, Open registers that with the test's Cleanup.
	Open func(t testing.TB, limits Limits) pubsub.Log

	// Reopen ends a log that Open or Reopen returned, as at the end of its process, and returns it as the next process
	// opens it, within the same bounds. It is nil for a log that ends with its process.
	Reopen func(t testing.TB, log pubsub.Log) pubsub.Log

	// Join returns the log of another node, which shares the events of a log that Open returned. If it must be closed, Join
	// registers that with the test's Cleanup. It is nil for a log of a single node.
	Join func(t testing.TB, log pubsub.Log) pubsub.Log

	// Replace deletes what a log stands for and makes it anew, empty, while the log is in use. It is nil for a log to
	// which that cannot happen.
	Replace func(t testing.TB, log pubsub.Log)

	// FakeTime means that the log runs in a bubble of [synctest], so that tests can wait for ages and key windows.
	FakeTime bool
	// SameProcess means that every follower gets an entry before the Append that stored it returns.
	SameProcess bool
	// Exact means that after each call the log keeps as much as its bounds allow and no more, with [event.Event.Size]
	// as the number of bytes. Other logs may trim later, or in larger steps.
	Exact bool
}

// TestLog tests a log, with one subtest for each guarantee. Run it with the race detector.
func TestLog(t *testing.T, a Adapter) {
	t.Helper()
	for _, group := range [][]guarantee{appendGuarantees(), readGuarantees(), trimGuarantees(), keyGuarantees(), followGuarantees(), identityGuarantees(), restartGuarantees(), nodeGuarantees(), propertyGuarantees()} {
		for _, p := range group {
			t.Run(p.name, func(t *testing.T) {
				if p.needsTime && !a.FakeTime {
					t.Skip("needs fake time")
				}
				if p.needsReopen && a.Reopen == nil {
					t.Skip("this log ends with its process")
				}
				if p.needsJoin && a.Join == nil {
					t.Skip("this log is of a single node")
				}
				if p.needsReplace && a.Replace == nil {
					t.Skip("this log cannot be replaced while it is in use")
				}
				if p.ownBubble {
					p.check(t, a)
					return
				}
				a.run(t, func(t *testing.T) { p.check(t, a) })
			})
		}
	}
}

// guarantee is one property that a log must have.
type guarantee struct {
	name  string
	check func(*testing.T, Adapter)

	needsTime    bool // it waits until ages or key windows have passed
	needsReopen  bool // it restarts the log
	needsJoin    bool // it has two nodes on one log
	needsReplace bool // it replaces the log
	ownBubble    bool // it opens bubbles itself
}

// run calls check as a test of its own, in a bubble if the log can run in one.
func (a Adapter) run(t *testing.T, check func(*testing.T)) {
	t.Helper()
	if a.FakeTime {
		synctest.Test(t, check)
		return
	}
	t.Run("run", check)
}
