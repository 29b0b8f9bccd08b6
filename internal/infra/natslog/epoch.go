package natslog

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"carillon/internal/domain/event"
)

// metadataEpoch is the stream's metadata that changes its epoch when it lost its newest messages.
const metadataEpoch = "carillon-epoch"

// epochLength is enough letters and digits (40 bits) for no two streams to share an epoch by accident, and few enough to
// be sent with every event.
const epochLength = 8

// epochOf returns the epoch of a stream: of its name, the time of its creation, and its metadata. All nodes see the same.
func epochOf(info *jetstream.StreamInfo) event.Epoch {
	identity := fmt.Sprintf("%s\n%d\n%s", info.Config.Name, info.Created.UnixNano(), info.Config.Metadata[metadataEpoch])
	sum := sha256.Sum256([]byte(identity))
	return event.Epoch(strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:epochLength]))
}

// newEpoch returns a value for the metadata.
func newEpoch() string { return strings.ToLower(rand.Text()[:epochLength]) }
