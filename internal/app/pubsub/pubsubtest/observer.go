package pubsubtest

import (
	"time"

	"carillon/internal/app/pubsub"
	"carillon/internal/domain/event"
)

// NopObserver is a [pubsub.Observer] that does nothing.
type NopObserver struct{}

// Published does nothing.
func (NopObserver) Published(int, int) {}

// Delivered does nothing.
func (NopObserver) Delivered(int, time.Duration) {}

// Replayed does nothing.
func (NopObserver) Replayed(int) {}

// Opened does nothing.
func (NopObserver) Opened() {}

// Ended does nothing.
func (NopObserver) Ended(pubsub.EndReason) {}

// Reset does nothing.
func (NopObserver) Reset(pubsub.ResetReason) {}

// LogUnavailable does nothing.
func (NopObserver) LogUnavailable(error) {}

// LogAvailable does nothing.
func (NopObserver) LogAvailable(time.Duration) {}

// ReadFailed does nothing.
func (NopObserver) ReadFailed(error) {}

// LogReplaced does nothing.
func (NopObserver) LogReplaced(event.Epoch, event.Epoch) {}

// LogOvertook does nothing.
func (NopObserver) LogOvertook(uint64) {}
