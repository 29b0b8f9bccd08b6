package server

import (
	"carillon/cmd/carillon/internal/config"
	"carillon/internal/infra/metrics"
	"carillon/internal/transport/delivery"
	"carillon/internal/transport/httpapi"
	"carillon/internal/transport/longpoll"
	"carillon/internal/transport/ndjson"
	"carillon/internal/transport/sse"
)

// transports are the ways in which streams reach clients. A new one is a field and a row here.
type transports struct {
	server       *delivery.Server
	sse, sseJSON *delivery.Transport
	lines        *delivery.Transport
	polls        *longpoll.Transport
}

func newTransports(server *delivery.Server, cfg config.Stream) *transports {
	lines := server.Transport("ndjson", ndjson.Codec{})
	return &transports{
		server:  server,
		sse:     server.Transport("sse", sse.Codec{}),
		sseJSON: server.Transport("sse", sse.JSONCodec{}),
		lines:   lines,
		polls:   longpoll.New("poll", lines, cfg.WriteTimeout),
	}
}

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
	for _, stats := range append(t.server.Stats(), t.polls.Stats()) {
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
