package proxy_test

import (
	"testing"
	"time"

	"carillon/cmd/carillon/internal/servertest"
)

// waitTimeout bounds every wait for something that should happen soon.
const waitTimeout = servertest.WaitTimeout

// drainLimit is longer than the drain of any node in these tests.
const drainLimit = 40 * time.Second

// secret is the token for publishing on every node.
const secret = "sesame-for-tests"

// startNode starts a server on a free port, with settings of the form KEY=VALUE.
func startNode(t *testing.T, settings ...string) *servertest.Process {
	t.Helper()
	return program.Start(t, append([]string{"AUTH_PUBLISH_TOKEN=" + secret, "DRAIN_WINDOW=200ms"}, settings...)...)
}

// isOpened reports whether a record is that of a new stream.
func isOpened(r servertest.Record) bool { return r["msg"] == "stream opened" }

// openedBy returns a condition for the record of a new stream of a client.
func openedBy(peer string) func(servertest.Record) bool {
	return func(r servertest.Record) bool { return isOpened(r) && r["peer"] == peer }
}

// closedBecause returns a condition for the record of a stream that ended for a reason.
func closedBecause(reason string) func(servertest.Record) bool {
	return func(r servertest.Record) bool { return r["msg"] == "stream closed" && r["reason"] == reason }
}
