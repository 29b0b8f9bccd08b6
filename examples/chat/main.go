// Command chat is a chat room that shows who is there. It gives each member a token with its name, and keeps no list of
// members: Carillon knows who subscribes to the room, and tells the pages.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"carillon/examples/demo"
)

//go:embed index.html app.js
var page embed.FS

const (
	room = "chat"
	// patience is how long a message may wait for a server that restarts.
	patience = 20 * time.Second
	// stay is how long a member may stay.
	stay = 12 * time.Hour
)

func main() {
	key := []byte(os.Getenv("CARILLON_AUTH_JWT_KEY"))
	if len(key) == 0 {
		_, _ = fmt.Fprintln(os.Stderr, "set CARILLON_AUTH_JWT_KEY to the key of Carillon, which verifies the tokens of the members")
		os.Exit(2)
	}
	demo.App{Page: page, Routes: func(c *demo.Client, mux *http.ServeMux) {
		mux.HandleFunc("POST /enter", func(w http.ResponseWriter, r *http.Request) { enter(w, r, key) })
		mux.HandleFunc("POST /say", func(w http.ResponseWriter, r *http.Request) { say(w, r, key, c) })
	}, Work: func(ctx context.Context, _ *demo.Client) error {
		<-ctx.Done()
		return nil
	}}.Main()
}

// enter responds with a token for a name.
func enter(w http.ResponseWriter, r *http.Request, key []byte) {
	name, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 200))
	if err != nil || len(name) == 0 {
		http.Error(w, "a name of at most 200 bytes", http.StatusBadRequest)
		return
	}
	m := member{Subject: rand.Text(), Expires: time.Now().Add(stay).Unix()}
	m.Rights = rights{Subscribe: []string{room}, Presence: []string{room}, Info: info{Name: string(name)}}
	_, _ = io.WriteString(w, m.sign(key))
}

// say publishes what a member says, under the name in its token.
func say(w http.ResponseWriter, r *http.Request, key []byte, c *demo.Client) {
	m, err := verify(r.Header.Get("Authorization"), key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusUnauthorized)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
	if err != nil || len(text) == 0 {
		http.Error(w, "a text of at most 4096 bytes", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	if err := c.Publish(ctx, room, "said", map[string]string{"name": m.Rights.Info.Name, "text": string(text)}); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		http.Error(w, "try again", http.StatusBadGateway)
	}
}

// member is what the token of a member says.
type member struct {
	Subject string `json:"sub"`
	Expires int64  `json:"exp"`
	Rights  rights `json:"carillon"`
}

type rights struct {
	Subscribe []string `json:"subscribe"`
	Presence  []string `json:"presence"` // may see the members
	Info      info     `json:"info"`     // what other members see
}

type info struct {
	Name string `json:"name"`
}

var errToken = errors.New("come in first")

func (m member) decode(text []byte) (member, error) {
	if json.Unmarshal(text, &m) != nil || time.Now().Unix() >= m.Expires {
		return member{}, errToken
	}
	return m, nil
}
