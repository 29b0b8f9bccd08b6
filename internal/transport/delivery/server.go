package delivery

import (
	"context"
	"sync"
)

// Server writes streams to HTTP clients. [Server.Transport] gives it a format.
type Server struct {
	cfg      Config
	handover handover
	batches  batches

	mu         sync.Mutex // guards what follows
	transports []*Transport
}

// New returns a server. [Server.Run] must be running for connections to be taken over.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg}
	if cfg.TakeOver {
		if err := s.handover.open(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run watches taken-over connections until the context ends. It must outlive the streams.
func (s *Server) Run(ctx context.Context) error { return s.handover.run(ctx) }
