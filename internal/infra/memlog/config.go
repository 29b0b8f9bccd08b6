package memlog

import "carillon/internal/app/pubsub"

// Config is what the log needs to know: the bounds of its history.
type Config = pubsub.HistoryBounds
