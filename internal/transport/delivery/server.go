package delivery

import (
	"context"
	"sync"
	"time"
)

// shutdownTimeout is how long connections may take to be sent their last bytes once the server stops.
const shutdownTimeout = 2 * time.Second

// Server writes streams to HTTP clients. [Server.Transport] gives it a format.
type Server struct {
	cfg      Config
	handover handover
	batches  batches
	hijacks  hijacks

	mu         sync.Mutex // guards what follows
	transports []*Transport
}

// New returns a server. [Server.Run] must be running for connections to be taken over.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, hijacks: hijacks{conns: make(map[*hijackedConn]struct{})}}
	if cfg.TakeOver {
		if err := s.handover.open(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Run watches taken-over connections until the context ends. Then it waits for the goroutines of the other connections
// that left net/http, and closes those that have not taken their last bytes after [shutdownTimeout]. It must outlive the
// streams.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var hijacks sync.WaitGroup
	hijacks.Go(func() { s.hijacks.run(ctx) })
	err := s.handover.run(ctx)
	cancel()
	hijacks.Wait()
	return err
}
