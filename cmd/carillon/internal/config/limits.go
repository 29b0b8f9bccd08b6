package config

import (
	"errors"

	"carillon/internal/app/publish"
	"carillon/internal/app/subscribe"
)

// PublishLimits has a name of its own, so that [Limits] can embed it next to [SubscribeLimits].
type PublishLimits = publish.Limits

// SubscribeLimits has a name of its own, so that [Limits] can embed it next to [PublishLimits].
type SubscribeLimits = subscribe.Limits

// Limits bound what clients may ask for. Their keys are in the section "limits".
type Limits struct {
	PublishLimits   `mapstructure:",squash"`
	SubscribeLimits `mapstructure:",squash"`
}

// Validate returns an error for every key that is out of range.
func (l Limits) Validate() error {
	return errors.Join(l.SubscribeLimits.Validate(), l.PublishLimits.Validate())
}
