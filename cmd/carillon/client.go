package main

import "os"

// defaultURL is the server that the client commands talk to when nobody says which.
const defaultURL = "http://localhost:8080"

func serverURL() string {
	if url := os.Getenv(envURL); url != "" {
		return url
	}
	return defaultURL
}
