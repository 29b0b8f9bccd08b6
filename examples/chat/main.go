// Command chat is a chat room that knows who is there. Carillon has no presence of its own yet: pages say every few
// seconds that they are there, this program keeps the roster, and publishes it when somebody comes or goes.
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

	"carillon/examples/bell"
)

//go:embed index.html app.js
var page embed.FS

// absence is how long nothing is heard from a page before its visitor is taken to be gone: three times what it takes
// between two words of a page.
const absence = 15 * time.Second

func main() {
	room := &room{members: make(map[string]member)}
	bell.Example{Page: page, Routes: room.routes, Work: room.run}.Main()
}

// room is who is there, by what their pages call themselves.
type room struct {
	bell *bell.Bell

	mu      sync.Mutex // held over publishing, so that rosters come in order
	members map[string]member
}

type member struct {
	name string
	seen time.Time
}

func (r *room) routes(b *bell.Bell, site *http.ServeMux) {
	r.bell = b
	site.HandleFunc("POST /here", r.hear(r.here))
	site.HandleFunc("POST /gone", r.hear(r.gone))
	site.HandleFunc("POST /say", r.hear(r.say))
}

// run looks for those who left without a word.
func (r *room) run(ctx context.Context, _ *bell.Bell) error {
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

// word is what a page says.
type word struct{ ID, Name, Text string }

// hear reads what a page says and answers whether it was understood.
func (r *room) hear(do func(context.Context, word) error) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		var said word
		if err := json.NewDecoder(io.LimitReader(request.Body, 4096)).Decode(&said); err != nil || said.ID == "" {
			http.Error(w, "a JSON object with id, and name or text", http.StatusBadRequest)
			return
		}
		if err := do(request.Context(), said); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			http.Error(w, "try again", http.StatusBadGateway)
		}
	}
}

func (r *room) here(ctx context.Context, w word) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, there := r.members[w.ID]
	r.members[w.ID] = member{name: w.Name, seen: time.Now()}
	if there && known.name == w.Name {
		return nil
	}
	return r.publish(ctx)
}

func (r *room) gone(ctx context.Context, w word) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, there := r.members[w.ID]; !there {
		return nil
	}
	delete(r.members, w.ID)
	return r.publish(ctx)
}

func (r *room) sweep(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.members)
	maps.DeleteFunc(r.members, func(_ string, m member) bool { return now.Sub(m.seen) > absence })
	if len(r.members) == before {
		return nil
	}
	return r.publish(ctx)
}

// publish tells everybody who is there.
func (r *room) publish(ctx context.Context) error {
	names := make([]string, 0, len(r.members))
	for _, m := range r.members {
		names = append(names, m.name)
	}
	slices.Sort(names)
	return r.bell.Ring(ctx, "chat/roster", "roster", names)
}

func (r *room) say(ctx context.Context, w word) error {
	r.mu.Lock()
	from, there := r.members[w.ID]
	r.mu.Unlock()
	if !there || w.Text == "" {
		return nil
	}
	return r.bell.Ring(ctx, "chat/messages", "said", map[string]string{"name": from.name, "text": w.Text})
}
