package publish

import (
	"errors"
	"strconv"
	"time"

	"carillon/internal/domain/event"
)

// Errors of the [Publisher].
var (
	// ErrTooLarge reports an event or a batch above a limit.
	ErrTooLarge = errors.New("too large")
	// ErrRate reports a publisher above its rate.
	ErrRate = errors.New("too many events a second")
	// ErrEmpty reports a batch without events. It matches [event.ErrInvalid].
	ErrEmpty error = &event.InvalidError{Field: "body", Problem: "has no events"}
)

// RateError reports a publisher above its rate and when it may publish again. It matches [ErrRate].
type RateError struct {
	Wait time.Duration
}

func (e *RateError) Error() string { return ErrRate.Error() }

// Unwrap returns [ErrRate].
func (e *RateError) Unwrap() error { return ErrRate }

// ItemError is the error of one request of a batch.
type ItemError struct {
	Index int // of the request in the batch, from 0
	Err   error
}

func (e *ItemError) Error() string { return "event " + strconv.Itoa(e.Index+1) + ": " + e.Err.Error() }

// Unwrap returns the request's error.
func (e *ItemError) Unwrap() error { return e.Err }
