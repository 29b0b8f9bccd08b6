package adminapi

import (
	"context"
	"net/http"
	"runtime"
	"time"

	"carillon/internal/app/pubsub"
)

const (
	// engineTimeout bounds a call of the engine, whose shards handle it between two batches.
	engineTimeout = 5 * time.Second
	// maxListed is how many topics and how many streams a status lists.
	maxListed = 20
)

// status is the response to GET /status. Durations are in seconds.
type status struct {
	Version  string    `json:"version"`
	Commit   string    `json:"commit,omitempty"`
	Go       string    `json:"go"`
	Node     string    `json:"node"`
	Started  time.Time `json:"started"`
	Uptime   float64   `json:"uptime_seconds"`
	Draining bool      `json:"draining"`
	Streams  streams   `json:"streams"`
	Topics   []topic   `json:"topics"` // those with the most streams
	Window   window    `json:"window"`
	Latest   latest    `json:"latest"`
	Log      log       `json:"log"`
	Slowest  []slow    `json:"slowest"` // the streams furthest behind
}

type streams struct {
	Total       int              `json:"total"`
	ByState     map[string]int   `json:"by_state"`
	ByTransport map[string]int64 `json:"by_transport"`
}

type topic struct {
	Topic   string `json:"topic"` // or pattern
	Streams int    `json:"streams"`
}

type window struct {
	Events    int     `json:"events"`
	Bytes     int64   `json:"bytes"`
	OldestAge float64 `json:"oldest_age_seconds"`
}

// latest is the index of the newest event of each topic.
type latest struct {
	Topics int   `json:"topics"`
	Bytes  int64 `json:"bytes"` // of the index
}

type log struct {
	Backend   string `json:"backend"`
	Available bool   `json:"available"`
	Epoch     string `json:"epoch"`
	Oldest    uint64 `json:"oldest"`
	Newest    uint64 `json:"newest"`
	Events    uint64 `json:"events"`
}

type slow struct {
	ID     string  `json:"id"` // the field "conn" of log records
	State  string  `json:"state"`
	Behind uint64  `json:"behind_events"`
	Parked float64 `json:"parked_seconds"` // since its client last accepted bytes
}

func (a *API) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), engineTimeout)
	defer cancel()
	snapshot, err := a.deps.Engine.Inspect(ctx, maxListed)
	if err != nil {
		a.fail(w, err)
		return
	}
	writeJSON(w, a.statusOf(snapshot))
}

func (a *API) statusOf(s pubsub.Snapshot) status {
	out := status{
		Version: a.deps.About.Version, Commit: a.deps.About.Commit, Go: runtime.Version(), Node: a.deps.About.Node,
		Started: a.deps.About.Started.UTC(), Uptime: time.Since(a.deps.About.Started).Seconds(), Draining: a.deps.Engine.Draining(),
		Streams: streams{ByState: map[string]int{"live": 0, "lagging": 0, "parked": 0}, ByTransport: a.deps.Transports()},
		Topics:  []topic{}, Slowest: []slow{},
		Window: window{s.Window.Events, s.Window.Bytes, s.Window.Age.Seconds()},
		Latest: latest{s.Latest.Topics, s.Latest.Bytes},
		Log: log{
			Backend: a.deps.About.Log, Available: a.deps.Engine.LogAvailable(),
			Epoch: string(s.Log.Epoch), Oldest: s.Log.Oldest, Newest: s.Log.Newest, Events: s.Log.Newest + 1 - s.Log.Oldest,
		},
	}
	for state, n := range s.Streams {
		out.Streams.ByState[state] = n
		out.Streams.Total += n
	}
	for _, t := range s.Topics {
		out.Topics = append(out.Topics, topic{t.Topic, t.Streams})
	}
	for _, st := range s.Slowest {
		out.Slowest = append(out.Slowest, slow{st.Name, st.State, st.Behind, st.Parked.Seconds()})
	}
	return out
}
