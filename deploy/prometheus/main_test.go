// Package prometheus_test holds the alert rules and the dashboard to promtool, to Grafana's types, and to the metrics that a
// running server exposes. It is a module of its own, so that Prometheus does not become a dependency of the server.
package prometheus_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	rulesFile     = "carillon.rules.yaml"
	testsFile     = "carillon.rules.test.yaml"
	dashboardFile = "../grafana/carillon.json"
)

// The programs under test.
var promtool, carillon string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "carillon-prometheus")
	if err == nil {
		defer os.RemoveAll(dir)
		promtool, carillon = filepath.Join(dir, "promtool"), filepath.Join(dir, "carillon")
		err = errors.Join(
			// Without service discovery, which these checks do not need and which takes minutes to compile.
			build(".", "-tags", "remove_all_sd", "-o", promtool, "github.com/prometheus/prometheus/cmd/promtool"),
			build("../..", "-o", carillon, "./cmd/carillon"),
		)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(dir string, args ...string) error {
	cmd := exec.CommandContext(context.Background(), "go", append([]string{"build"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	return cmd.Run()
}

// runPromtool returns what promtool printed, and an error if it complained.
func runPromtool(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), promtool, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// exposition returns the metrics of a running server that has refused a publish and a subscription. Its public listener has
// the scheme.
func exposition(t *testing.T, scheme string, settings ...string) string {
	t.Helper()
	const token = "sesame"
	cmd := exec.CommandContext(context.Background(), carillon)
	cmd.Env = append(os.Environ(), "CARILLON_HTTP_ADDR=127.0.0.1:0", "CARILLON_ADMIN_ADDR=127.0.0.1:0", "CARILLON_LOG_ENCODING=json",
		"CARILLON_AUTH_PUBLISH_TOKEN="+token, "CARILLON_CLOCK_INTERVAL=20ms", "CARILLON_DRAIN_WINDOW=0s")
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, "CARILLON_"+setting)
	}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var problems bytes.Buffer
	cmd.Stderr = &problems
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		for lines.Scan() { // until it ends
		}
		require.NoError(t, cmd.Wait(), problems.String())
	})
	var started struct {
		Msg   string `json:"msg"`
		Addr  string `json:"addr"`
		Admin string `json:"admin_addr"`
	}
	for started.Msg != "carillon started" {
		require.True(t, lines.Scan(), "the server did not start: %s", problems.String())
		require.NoError(t, json.Unmarshal(lines.Bytes(), &started))
	}
	request := func(method, url, token string) (string, int) {
		req, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // a server of the test
		response, err := (&http.Client{Transport: transport}).Do(req)
		require.NoError(t, err)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		return string(body), response.StatusCode
	}
	events := scheme + "://" + started.Addr + "/events"
	_, status := request(http.MethodPost, events+"?topic=a", token)
	require.Equal(t, http.StatusCreated, status)
	_, status = request(http.MethodPost, events+"?topic=a", "wrong")
	require.Equal(t, http.StatusUnauthorized, status)
	_, status = request(http.MethodGet, events+"?topic=a**b", token)
	require.Equal(t, http.StatusBadRequest, status)
	text, status := request(http.MethodGet, "http://"+started.Admin+"/metrics", "")
	require.Equal(t, http.StatusOK, status)
	return text
}
