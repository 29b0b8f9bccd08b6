package server_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"carillon/cmd/carillon/internal/servertest"
)

const token = "sesame-for-tests"

// A reader of the log records that stops reading delays no stream, no publisher and no new subscriber. Records are dropped
// instead, which is counted, and reported once the reader continues.
func TestBlockedLogOutputDelaysNothing(t *testing.T) {
	output, input, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = input.Close() })
	s := servertest.Start(t, servertest.Options{
		Settings: []string{"AUTH_PUBLISH_TOKEN=" + token, "CLOCK_INTERVAL=1h", "STREAM_HEARTBEAT=1h"},
		Output:   input,
	})
	t.Cleanup(func() { _ = output.Close() }) // ends a write that is blocked

	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	published := 0
	stream := bufio.NewReader(servertest.Get(t, s.URL("/events?topic=news")).Body)
	publishAndReceive := func(streams ...*bufio.Reader) {
		t.Helper()
		published++
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL("/events?topic=news"), strings.NewReader(strconv.Itoa(published)))
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(request)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusCreated, response.StatusCode)
		for _, stream := range streams {
			require.Equal(t, strconv.Itoa(published), servertest.NextData(t, stream))
		}
	}
	for droppedRecords(t, s) == 0 { // each publish is a record
		require.Less(t, published, 20_000, "the output does not block")
		for range 500 {
			publishAndReceive(stream)
		}
	}

	before := droppedRecords(t, s)
	other := bufio.NewReader(servertest.Get(t, s.URL("/events?topic=news")).Body)
	for range 20 {
		publishAndReceive(stream, other)
	}
	assert.GreaterOrEqual(t, droppedRecords(t, s), before+20)

	records := bufio.NewScanner(output)
	for records.Scan() && !strings.Contains(records.Text(), "log records dropped") {
	}
	require.NoError(t, records.Err())
	count := regexp.MustCompile(`"msg":"log records dropped","count":(\d+)`).FindStringSubmatch(records.Text())
	require.NotNil(t, count, "the report")
	reported, err := strconv.Atoi(count[1])
	require.NoError(t, err)
	assert.GreaterOrEqual(t, reported, before+20)
}

// droppedRecords returns the value of the metric.
func droppedRecords(t *testing.T, s *servertest.Server) int {
	t.Helper()
	response := servertest.Get(t, s.AdminURL("/metrics"))
	metrics, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	value := regexp.MustCompile(`(?m)^carillon_log_records_dropped_total (\S+)$`).FindSubmatch(metrics)
	require.NotNil(t, value)
	dropped, err := strconv.ParseFloat(string(value[1]), 64)
	require.NoError(t, err, fmt.Sprintf("%q", value[1]))
	return int(dropped)
}
