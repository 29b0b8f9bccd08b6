package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
)

// errCutShort is the result of a stop that a second signal ended.
var errCutShort = errors.New("a second signal cut the stop short")

// errFailed is the result of a run that the failure of a component ended. The cause is logged.
var errFailed = errors.New("a part of the server failed")

// Run runs the server until a stop signal arrives or a component fails, and stops it. A second stop signal ends the stop
// at once; a reload signal reloads the configuration. A systemd service manager is notified of each state, and while the
// engine responds also of the watchdog's interval.
func (s *Server) Run(ctx context.Context, stop, reload <-chan os.Signal) error {
	watching := s.startWatchdog(ctx)
	s.notify(daemon.SdNotifyReady)
	s.noticeStart()
	reason, err := s.await(stop, reload)
	watching()
	s.notify(daemon.SdNotifyStopping)
	if err == nil {
		s.noticeDrain()
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stopped := make(chan struct{})
	var second sync.WaitGroup
	second.Go(func() {
		select {
		case <-stop:
			cancel(errCutShort)
		case <-stopped:
		}
	})
	err = errors.Join(err, s.Stop(ctx, reason))
	close(stopped)
	second.Wait()
	return err
}

// await returns why the server must stop, and errFailed if a component has failed.
func (s *Server) await(stop, reload <-chan os.Signal) (reason string, err error) {
	for {
		select {
		case sig := <-stop:
			return sig.String(), nil
		case <-s.Failed():
			return "failure", errFailed
		case <-reload:
			s.notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
			s.Reload()
			s.notify(daemon.SdNotifyReady)
		}
	}
}

// noticeStart tells a person at the terminal where the server is.
func (s *Server) noticeStart() {
	if s.notice == nil {
		return
	}
	// A terminal that has gone is no reason not to run.
	_, _ = fmt.Fprintf(s.notice, "carillon: open %s in a browser; Ctrl-C stops the server\n", s.parts.Public.url())
}

// noticeDrain tells a person at the terminal what the stop waits for, and how to end it sooner.
func (s *Server) noticeDrain() {
	streams := s.parts.Engine.Streams()
	if s.notice == nil || streams == 0 {
		return
	}
	// A terminal that has gone is no reason not to stop.
	_, _ = fmt.Fprintf(s.notice, "carillon: waiting for %d streams to end, for %s at most; press Ctrl-C again to stop at once\n",
		streams, s.drain.Timeout)
}

// notify tells the service manager a state. Without a service manager it does nothing.
func (s *Server) notify(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.logger.Warn("cannot notify the service manager", zap.Error(err))
	}
}

// startWatchdog notifies the service manager twice in each interval of its watchdog, if it has one, as long as the engine
// responds. The returned function ends it.
func (s *Server) startWatchdog(ctx context.Context) (end func()) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.logger.Warn("cannot read the watchdog's interval", zap.Error(err))
	}
	if interval <= 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.watchdog(ctx, interval/2) })
	return func() { cancel(); running.Wait() }
}

func (s *Server) watchdog(ctx context.Context, interval time.Duration) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		checking, cancel := context.WithTimeout(ctx, interval)
		err := s.Check(checking)
		cancel()
		switch {
		case err == nil:
			s.notify(daemon.SdNotifyWatchdog)
		case ctx.Err() == nil:
			s.logger.Error("the engine does not respond", zap.Error(err))
		}
	}
}
