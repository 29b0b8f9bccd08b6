package server

import (
	"context"
	"io"

	"go.uber.org/zap"
)

// Names that tests of the package use.
type Lifecycle = lifecycle

var (
	NewFailure  = newFailure
	NewLogger   = newLogger
	NewCapacity = newCapacity
)

// Capacity returns a capacity with these fields.
func Capacity(streams int, reason string, fileLimit int, tooMany bool) capacity {
	return capacity{streams, reason, fileLimit, tooMany}
}

func NewServerErrors(logger *zap.Logger) io.Writer { return serverErrors{logger} }

func (f *failure) Failed() <-chan struct{} { return f.failed }

func (l lifecycle) AppendRunner(name string, run func(context.Context) error) {
	l.appendRunner(name, run)
}

// CloseListener closes the socket of the public listener.
func (s *Server) CloseListener() error { return s.parts.Public.listener.Close() }
