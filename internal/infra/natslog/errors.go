package natslog

import (
	"errors"
	"fmt"

	"carillon/internal/app/pubsub"
)

// unavailable makes an error match [pubsub.ErrUnavailable].
func unavailable(err error) error {
	if err == nil || errors.Is(err, pubsub.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
}

// unknown makes an error match [pubsub.ErrUnknownOutcome].
func unknown(err error) error { return fmt.Errorf("%w: %w", pubsub.ErrUnknownOutcome, err) }

// permanentError is the error of something that an operator must change.
type permanentError struct{ err error }

func permanent(err error) error { return permanentError{err} }

// Error returns the text of the error.
func (e permanentError) Error() string { return e.err.Error() }

// Unwrap returns the error.
func (e permanentError) Unwrap() error { return e.err }

func isPermanent(err error) bool {
	_, ok := errors.AsType[permanentError](err)
	return ok
}
