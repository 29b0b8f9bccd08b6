package servertest

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// drainPatience is longer than the drain of any server in a test.
const drainPatience = 40 * time.Second

// Process is a server that runs as a process of its own.
type Process struct {
	*Records

	Started         Record // the record of its start
	Addr, AdminAddr string

	cmd      *exec.Cmd
	stderr   bytes.Buffer  // to be read once the process has ended
	ended    chan struct{} // closed when the process has ended
	signaled bool          // the test has asked it to stop
}

// Start starts the program as a server on free ports of the loopback interface, with settings of the form KEY=VALUE. It is
// stopped at the end of the test, and must then stop in order, unless the test has stopped it.
func (p Program) Start(t testing.TB, settings ...string) *Process {
	t.Helper()
	// Not the test's context, which ends before the cleanup.
	s := &Process{Records: newRecords(), cmd: p.command(context.Background(), nil, environ(settings)), ended: make(chan struct{})}
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	go func() {
		defer close(s.ended)
		_, _ = io.Copy(s.Records, out) // ends with the process
		_ = s.cmd.Wait()               // its exit code is read from the state
		close(s.end)
	}()
	t.Cleanup(func() { s.cleanUp(t) })
	s.Started = s.AwaitMessage(t, "carillon started")
	s.Addr, s.AdminAddr = s.Started.Text("addr"), s.Started.Text("admin_addr")
	return s
}

func (s *Process) cleanUp(t testing.TB) {
	t.Helper()
	select {
	case <-s.ended:
	default:
		asked := s.signaled
		_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended meanwhile; the second signal ends it at once
		code := s.Wait(t)
		if !asked {
			assert.Zero(t, code, "the server did not stop in order")
		}
	}
	if t.Failed() && s.stderr.Len() > 0 {
		t.Logf("standard error of the server:\n%s", s.stderr.String())
	}
}

// URL returns the URL of a path on the public listener.
func (s *Process) URL(path string) string { return "http://" + s.Addr + path }

// Signal sends a signal to the process.
func (s *Process) Signal(t testing.TB, signal os.Signal) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(signal))
}

// Terminate asks the server to stop and does not wait.
func (s *Process) Terminate(t testing.TB) {
	t.Helper()
	s.signaled = true
	s.Signal(t, syscall.SIGTERM)
}

// Stop asks the server to stop and returns its exit code. 66 is that of the race detector.
func (s *Process) Stop(t testing.TB) int {
	t.Helper()
	s.Terminate(t)
	return s.Wait(t)
}

// Kill ends the process at once.
func (s *Process) Kill(t testing.TB) {
	t.Helper()
	s.Signal(t, os.Kill)
	s.Wait(t)
}

// Wait waits until the process has ended and returns its exit code.
func (s *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(WaitTimeout + drainPatience):
		_ = s.cmd.Process.Kill()
		<-s.ended
		t.Error("the server did not stop")
	}
	return s.cmd.ProcessState.ExitCode()
}

// Stderr waits until the process has ended and returns what it wrote to standard error.
func (s *Process) Stderr(t testing.TB) string {
	t.Helper()
	s.Wait(t)
	return s.stderr.String()
}
