//go:build !race

package disklog_test

const raceDetector = false
