// Package localcluster starts the programs of a cluster as processes on this machine: NATS servers, nodes of Carillon and a
// proxy in front of them. It is for trying a cluster out and for tests that end, pause and restart its parts.
package localcluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// stopTimeout is how long a process may take to stop before it is killed: longer than a node of Carillon drains.
const stopTimeout = 45 * time.Second

// Process is a program that runs. Its methods may be called concurrently.
type Process struct {
	Name   string
	Output string // the file with its output

	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	stop  sync.Once
}

// start starts a program, with its output appended to a file in a directory, and waits until ready returns nil. The
// program is killed if that does not happen before the context ends.
func start(ctx context.Context, name, dir string, cmd *exec.Cmd, ready func(context.Context) error) (*Process, error) {
	p := &Process{Name: name, Output: filepath.Join(dir, name+".log"), cmd: cmd, ended: make(chan struct{})}
	output, err := os.OpenFile(p.Output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = output, output
	isolate(cmd)
	err = cmd.Start()
	_ = output.Close() // the process has its own
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended is in its output
	}()
	if err := p.await(ctx, ready); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%s did not start: %w; its output ends with: %s", name, err, p.lastOutput())
	}
	return p, nil
}

// await returns nil once ready does. It fails when the process ends or the context does.
func (p *Process) await(ctx context.Context, ready func(context.Context) error) error {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-p.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}

// lastOutput returns the end of what the process has written.
func (p *Process) lastOutput() string {
	const most = 1000
	text, err := os.ReadFile(p.Output)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}

// Ended returns a channel that is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Signal sends a signal, if the process has not ended.
func (p *Process) Signal(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal)
}

// Kill ends the process at once, like a crash, and waits for its end.
func (p *Process) Kill() {
	p.Signal(os.Kill)
	<-p.ended
}

// Stop asks the process to stop, waits for its end, and kills it if that takes too long.
func (p *Process) Stop() {
	p.stop.Do(func() {
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(stopTimeout):
			p.Kill()
		}
	})
	<-p.ended
}
