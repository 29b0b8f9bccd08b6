// Command chat is a chat room that shows its members. Carillon has no presence feature yet: each page sends a request
// every few seconds, this program keeps the list of members, and publishes it when somebody joins or leaves.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

// memberTimeout is how long after the last request of a page its member is removed: three times the interval of the
// requests.
const memberTimeout = 15 * time.Second

func main() {
	room := &room{members: make(map[string]member)}
	demo.App{Page: page, Routes: room.routes, Work: room.run}.Main()
}

// room is the list of members, by the id of their page.
type room struct {
	client *demo.Client

	mu      sync.Mutex // held while publishing, so that rosters are published in order
	members map[string]member
}

type member struct {
	name     string
	lastSeen time.Time
}

func (r *room) routes(c *demo.Client, mux *http.ServeMux) {
	r.client = c
	mux.HandleFunc("POST /here", handle(r.here))
	mux.HandleFunc("POST /gone", handle(r.gone))
	mux.HandleFunc("POST /say", handle(r.say))
}

// run removes members whose page has closed without a request to "gone".
func (r *room) run(ctx context.Context, _ *demo.Client) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case now := <-every.C:
			if err := r.sweep(ctx, now); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// message is the body of a request.
type message struct{ ID, Name, Text string }

// handle decodes the body of a request and calls do with it.
func handle(do func(context.Context, message) error) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		var m message
		if err := json.NewDecoder(io.LimitReader(request.Body, 4096)).Decode(&m); err != nil || m.ID == "" {
			http.Error(w, "a JSON object with id, and name or text", http.StatusBadRequest)
			return
		}
		if err := do(request.Context(), m); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			http.Error(w, "try again", http.StatusBadGateway)
		}
	}
}

func (r *room) here(ctx context.Context, m message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, there := r.members[m.ID]
	r.members[m.ID] = member{name: m.Name, lastSeen: time.Now()}
	if there && known.name == m.Name {
		return nil
	}
	return r.publish(ctx)
}

func (r *room) gone(ctx context.Context, m message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.members[m.ID]; !there {
		return nil
	}
	delete(r.members, m.ID)
	return r.publish(ctx)
}

func (r *room) sweep(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.members)
	maps.DeleteFunc(r.members, func(_ string, m member) bool { return now.Sub(m.lastSeen) > memberTimeout })
	if len(r.members) == before {
		return nil
	}
	return r.publish(ctx)
}

// publish publishes the list of members.
func (r *room) publish(ctx context.Context) error {
	names := make([]string, 0, len(r.members))
	for _, m := range r.members {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return r.client.Publish(ctx, "chat/roster", "roster", names)
}

func (r *room) say(ctx context.Context, m message) error {
	r.mu.Lock()
	from, there := r.members[m.ID]
	r.mu.Unlock()
	if !there || m.Text == "" {
		return nil
	}
	return r.client.Publish(ctx, "chat/messages", "said", map[string]string{"name": from.name, "text": m.Text})
}
