package ws

import "time"

// Config is how connections are served.
type Config struct {
	Heartbeat    time.Duration // idle time after which a ping is sent
	DeadAfter    time.Duration // how long a ping may stay unanswered; 0 leaves it to the operating system
	Retry        time.Duration // a client that is sent away comes back after this time to twice this
	WriteTimeout time.Duration // within which the client must take some of what is written
	ReadTimeout  time.Duration // within which a frame must arrive once it has begun
	FirstFrame   time.Duration // within which a client without a token and without a subscription must send something
	BatchBytes   int           // what may wait to be written to a connection, in bytes
}

const (
	// maxSubscriptions is how many subscriptions a connection may have.
	maxSubscriptions = 64
	// maxUnacknowledged is how many frames of a client may have no answer yet. More are not read until there are fewer.
	maxUnacknowledged = 1000
	// maxUnpublished is how many bytes of frames may wait to be published. The client's next frames are not read until there
	// are fewer.
	maxUnpublished = 4 << 20
	// escaped is how much longer text may be as a JSON string: "\u0000" for one byte.
	escaped = 6
	// frameOverhead is what a frame may have besides the data of an event.
	frameOverhead = 64 << 10
)
