package main

import (
	"context"
	"sync"
	"time"

	"carillon/internal/localcluster"
)

// keep starts programs again that end. It returns nil at a signal, or an error when one cannot be started again.
func (c *cluster) keep(signalled context.Context) error {
	ctx, fail := context.WithCancelCause(signalled)
	defer fail(nil)
	var keeping sync.WaitGroup
	keep := func(process func() *localcluster.Process, start func(context.Context) error) {
		keeping.Go(func() {
			if err := c.keepOne(ctx, process, start); err != nil {
				fail(err)
			}
		})
	}
	for i := range c.nodes {
		keep(func() *localcluster.Process { return c.nodes[i] }, func(ctx context.Context) error { return c.startNode(ctx, i) })
	}
	for i := range c.servers {
		keep(func() *localcluster.Process { return c.nats.Server(i) }, func(ctx context.Context) error { return c.nats.Start(ctx, i) })
	}
	if c.proxy != nil {
		keep(func() *localcluster.Process { return c.proxy }, c.startProxy)
	}
	keeping.Wait()
	c.say("\nStopping …\n")
	if signalled.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}

// keepOne starts one program again whenever it ends, until the context does.
func (c *cluster) keepOne(ctx context.Context, process func() *localcluster.Process, start func(context.Context) error) error {
	for {
		p := process()
		select {
		case <-p.Ended():
		case <-ctx.Done():
			return nil
		}
		c.say("%s ended; its output is in %s. It starts again in %s.\n", p.Name, p.Output, c.restart)
		select {
		case <-time.After(c.restart):
		case <-ctx.Done():
			return nil
		}
		err := start(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the start was cancelled
		}
		if err != nil {
			return err
		}
		c.say("%s runs again: process %d.\n", p.Name, process().ID())
	}
}
