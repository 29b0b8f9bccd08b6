//go:build !linux

package main

// reloading says that a reload begins.
func reloading() string { return "RELOADING=1" }
