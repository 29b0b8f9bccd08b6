// Command chat is a chat room that shows its members. Members of this room need no token, so Carillon cannot know their
// names: each page sends a request every few seconds, this program keeps the list of members, and publishes it when somebody
// joins or leaves.
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

// patience is how long a message may wait for a server that restarts.
const patience = 20 * time.Second

func main() {
	room := &room{changed: make(chan struct{}, 1), members: make(map[string]member)}
	demo.App{Page: page, Routes: room.routes, Work: room.run}.Main()
}

// room is the list of members, by the id of their page.
type room struct {
	client  *demo.Client
	changed chan struct{} // receives when somebody joined or left

	mu      sync.Mutex
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
	// The state, for a page that missed events.
	mux.HandleFunc("GET /roster", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(r.names()) })
}

// run publishes the list of members when it has changed, and removes those whose page has closed without a request to
// "gone". While the server restarts, Publish waits, and the newest list is next.
func (r *room) run(ctx context.Context, c *demo.Client) error {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case now := <-every.C:
			r.sweep(now)
		case <-r.changed:
			if err := c.Publish(ctx, "chat/roster", "roster", r.names()); err != nil {
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
		ctx, cancel := context.WithTimeout(request.Context(), patience)
		defer cancel()
		if err := do(ctx, m); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			http.Error(w, "try again", http.StatusBadGateway)
		}
	}
}

func (r *room) here(_ context.Context, m message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, there := r.members[m.ID]
	r.members[m.ID] = member{name: m.Name, lastSeen: time.Now()}
	if !there || known.name != m.Name {
		r.change()
	}
	return nil
}

func (r *room) gone(_ context.Context, m message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, m.ID)
	r.change()
	return nil
}

func (r *room) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.members)
	maps.DeleteFunc(r.members, func(_ string, m member) bool { return now.Sub(m.lastSeen) > memberTimeout })
	if len(r.members) < before {
		r.change()
	}
}

func (r *room) change() {
	select {
	case r.changed <- struct{}{}:
	default: // a change that is not published yet includes this one
	}
}

// names returns the names of the members, in order.
func (r *room) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := make([]string, 0, len(r.members))
	for _, m := range r.members {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return names
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
