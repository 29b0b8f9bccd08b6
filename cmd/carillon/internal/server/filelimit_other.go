//go:build !unix

package server

// fileLimit returns how many files the process may have open; ok is false where the system has no such limit.
func fileLimit() (limit int, ok bool) { return 0, false }
