//go:build !linux

package loadgen

import "sync"

// reader reads each stream from a goroutine of its own.
type reader struct {
	streams *subscribers
	running sync.WaitGroup
}

func (r *reader) start(s *subscribers) error {
	r.streams = s
	return nil
}

func (r *reader) read(one *subscriber) error {
	r.running.Go(func() { r.streams.readWithGo(one, one.conn) })
	return nil
}

func (*reader) stop() {}

func (r *reader) wait() { r.running.Wait() }
