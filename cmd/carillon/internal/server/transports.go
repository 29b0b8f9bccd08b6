package server

import (
	"time"

	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/longpoll"
	"carillon/internal/transport/ndjson"
	"carillon/internal/transport/sse"
	"carillon/internal/transport/ws"
)

// transports are the ways in which streams reach clients. A new one is a field and a row here.
type transports struct {
	server       *delivery.Server
	sse, sseJSON *delivery.Transport
	lines        *delivery.Transport
	polls        *longpoll.Transport
	sockets      *ws.Server
}

func newTransports(server *delivery.Server, cfg config.Settings) *transports {
	lines := server.Transport("ndjson", ndjson.Codec{})
	return &transports{
		server:  server,
		sse:     server.Transport("sse", sse.Codec{}),
		sseJSON: server.Transport("sse", sse.JSONCodec{}),
		lines:   lines,
		polls:   longpoll.New("poll", lines, cfg.Stream.WriteTimeout),
		sockets: ws.New("ws", lines, ws.Config{
			Heartbeat: cfg.Stream.Heartbeat, DeadAfter: cfg.Stream.DeadAfter, Retry: cfg.Stream.Retry,
			WriteTimeout: cfg.Stream.WriteTimeout, ReadTimeout: cfg.HTTP.ReadTimeout, BatchBytes: cfg.Stream.MaxBatchBytes,
			FirstFrame: firstFrame,
		}),
	}
}

// firstFrame is how long a WebSocket client that has no rights yet may take to send its token.
const firstFrame = 5 * time.Second

// representations returns what clients choose from with Accept, in the order of the server's preference.
func (t *transports) representations() []httpapi.Representation {
	return []httpapi.Representation{
		{Name: "sse", MediaType: sse.MediaType, Transport: t.sse, JSON: t.sseJSON},
		{Name: "ndjson", MediaType: ndjson.MediaType, Transport: t.lines},
		{Name: "poll", MediaType: longpoll.MediaType, Transport: t.polls, Brief: true},
	}
}

// stats returns what the streams of each transport are doing.
func (t *transports) stats() []metrics.Transport {
	var all []metrics.Transport
	for _, stats := range append(t.server.Stats(), t.polls.Stats(), t.sockets.Stats()) {
		all = append(all, metrics.Transport{Name: stats.Transport, Open: stats.Open, Bytes: stats.Bytes})
	}
	return all
}

// open returns how many streams each transport has open.
func (t *transports) open() map[string]int64 {
	open := make(map[string]int64)
	for _, transport := range t.stats() {
		for _, streams := range transport.Open {
			open[transport.Name] += streams
		}
	}
	return open
}
