package cluster_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
	"carillon/internal/client"
	"carillon/internal/localcluster"
)

const (
	// waitTimeout bounds every wait for something that should happen soon.
	waitTimeout = 60 * time.Second
	// secret is the token for publishing on every node.
	secret = "sesame-for-tests"
	// streamName is the name of the stream that the nodes use.
	streamName = "CARILLON"
)

// cluster is a running cluster: three NATS servers, two nodes and HAProxy.
type cluster struct {
	*testing.T

	nats     *localcluster.NATS
	nodes    [2]*servertest.Process
	settings []string
	base     string // URL of HAProxy
}

// start starts a cluster. Everything is stopped at the end of the test.
func start(t *testing.T, settings ...string) *cluster {
	t.Helper()
	proxy, dir := haproxy(t), t.TempDir()
	servers, err := localcluster.NewNATS(localcluster.NATSOptions{Program: natsServer, Dir: dir, Servers: 3})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	require.NoError(t, servers.StartAll(ctx))
	t.Cleanup(servers.StopAll)

	addrs, err := localcluster.FreeAddrs(3)
	require.NoError(t, err)
	c := &cluster{T: t, nats: servers, settings: append(append(localcluster.NATSSettings(servers.URLs()),
		"AUTH_PUBLISH_TOKEN="+secret, "STREAM_RETRY=300ms", "STREAM_REFUSED_RETRY=500ms"), settings...)}
	c.startNode(0, addrs[0])
	c.startNode(1, addrs[1])
	p, err := localcluster.HAProxy(ctx, proxy, root, dir, addrs[2], [2]string{addrs[0], addrs[1]})
	require.NoError(t, err)
	t.Cleanup(p.Stop)
	c.base = "http://" + addrs[2]
	return c
}

// startNode starts a node on an address.
func (c *cluster) startNode(i int, addr string) {
	c.Helper()
	c.nodes[i] = program.Start(c.T, append([]string{"HTTP_ADDR=" + addr, fmt.Sprintf("NODE_NAME=node%d", i+1)}, c.settings...)...)
}

// restartNode starts a node that has ended, on the address that it had.
func (c *cluster) restartNode(i int) {
	c.Helper()
	c.startNode(i, c.nodes[i].Addr)
}

// startServer starts a NATS server that has ended, and waits until it is ready.
func (c *cluster) startServers() {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	require.NoError(c, c.nats.StartAll(ctx))
}

// jetstream calls a function with a client of NATS.
func (c *cluster) jetstream(f func(ctx context.Context, js jetstream.JetStream) error) {
	c.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	conn, err := nats.Connect(c.nats.URLs()[0]+","+c.nats.URLs()[1]+","+c.nats.URLs()[2], nats.RetryOnFailedConnect(true))
	require.NoError(c, err)
	defer conn.Close()
	js, err := jetstream.New(conn)
	require.NoError(c, err)
	for { // JetStream may have no leader for a moment
		trying, stop := context.WithTimeout(ctx, 5*time.Second)
		err := f(trying, js)
		stop()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			require.NoError(c, err)
		}
		lasts(200 * time.Millisecond)
	}
}

// leader returns which server leads the stream.
func (c *cluster) leader() int {
	c.Helper()
	leader := -1
	c.jetstream(func(ctx context.Context, js jetstream.JetStream) error {
		stream, err := js.Stream(ctx, streamName)
		if err != nil {
			return err
		}
		if leader = c.nats.Index(stream.CachedInfo().Cluster.Leader); leader < 0 {
			return fmt.Errorf("no leader")
		}
		return nil
	})
	return leader
}

// finish ends publishing, publishes one more event, waits until every client has it, and checks what they received.
func (c *cluster) finish(pub *publishers, group *subscribers) {
	c.Helper()
	pub.end()
	_, err := newClient(c.T, c.base).Publish(context.Background(), client.PublishRequest{Topics: []string{topic}, Data: "end"})
	require.NoError(c, err)
	group.have(c.T, "end")
	group.leave()
	c.Logf("%d events were acknowledged, %d attempts failed", len(pub.acks), pub.retries)
	group.check(c.T, pub.acks)
}

// lasts returns after a time: that of a fault, or of a pause before another attempt. The programs under test are other
// processes, whose time cannot be faked.
func lasts(d time.Duration) { <-time.After(d) }

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, again := time.After(waitTimeout), time.NewTicker(20*time.Millisecond)
	defer again.Stop()
	for !holds() {
		select {
		case <-again.C:
		case <-limit:
			require.FailNow(t, "condition not met: "+what)
		}
	}
}
