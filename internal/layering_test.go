// Package internal_test checks the dependency rule of the tree: imports point
// inward. It reads the imports of every Go file, whatever its build tags,
// so that `go test` fails on a wrong import.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	domain    = "carillon/internal/domain"
	app       = "carillon/internal/app"
	transport = "carillon/internal/transport"
	problem   = "carillon/internal/problem" // the error document (RFC 9457), which servers write and clients read
	otel      = "go.opentelemetry.io/otel"
	anything  = "*"
)

// allowed lists what a folder may import besides the standard library and itself.
// Every row whose folder contains the package applies, so a row for one adapter
// adds its vendor's library to the imports of its layer. fx and viper are in no row: only
// cmd may import them.
var allowed = []struct {
	folder  string
	imports []string
}{
	{"cmd", []string{anything}},
	{"bench", []string{anything}},
	{"examples", []string{"carillon/examples/demo"}}, // only the standard library and HTTP, so that a reader can copy it
	{"deploy", []string{anything}},
	{"configs", nil},
	{"clients", nil},
	{"internal/domain", []string{domain}},
	{"internal/app", []string{domain, app}},
	{"internal/app/publish", []string{"github.com/hashicorp/golang-lru", "golang.org/x/time"}}, // rates per publisher, in bounded memory
	{"internal/transport", []string{domain, app, transport, problem, "go.uber.org/zap", "golang.org/x/sys"}},
	{"internal/transport/webui", []string{"carillon/clients/js"}}, // the module that pages import
	{"internal/transport/httpapi", []string{"github.com/gin-gonic/gin", "github.com/gin-contrib"}},
	{"internal/transport/ws", []string{"github.com/coder/websocket"}},
	{"internal/transport/httpapi", []string{otel + "/attribute", otel + "/codes", otel + "/propagation", otel + "/trace"}}, // the interfaces, not the SDK
	{"internal/problem", nil},
	{"internal/client", []string{domain, problem, transport, "github.com/coder/websocket"}},
	{"internal/doctor", []string{domain, transport + "/sse"}},
	{"internal/localcluster", nil},
	{"internal/loadgen", []string{domain, transport + "/sse", "golang.org/x/sys", "github.com/HdrHistogram/hdrhistogram-go"}},
	{"internal/infra", []string{domain, app, "go.uber.org/zap", "golang.org/x/sys"}},
	{"internal/infra/disklog", []string{"go.etcd.io/bbolt"}},
	{"internal/infra/natslog", []string{"github.com/nats-io/nats.go", "github.com/nats-io/nuid"}},
	{"internal/infra/natspresence", []string{"github.com/nats-io/nats.go"}},
	{"internal/infra/telemetry", []string{otel}},
	{"internal/infra/metrics", []string{"github.com/prometheus/client_golang"}},
	{"internal/infra/tokens", []string{"github.com/golang-jwt/jwt", "github.com/MicahParks", "golang.org/x/time"}},
}

// Tests of the domain import the domain only. Other tests may import what they
// need, except the container and the configuration library, which only cmd uses.
var (
	testLibraries = []string{"github.com/stretchr/testify", "pgregory.net/rapid", "go.uber.org/goleak"}
	onlyInCmd     = []string{"go.uber.org/fx", "go.uber.org/dig", "github.com/spf13/viper"}
)

// violation describes what is wrong with the file importing imp; "" if nothing is.
func violation(file, imp string) string {
	dir := path.Dir(file)
	isTest := strings.HasSuffix(file, "_test.go") || strings.HasSuffix(dir, "test") // such as pubsubtest: shared by tests
	permitted, inLayer := []string{ownFolder(dir)}, false
	for _, row := range allowed {
		if within(dir, row.folder) {
			permitted, inLayer = append(permitted, row.imports...), true
		}
	}

	switch {
	case dir == "internal":
		return "" // this test
	case !inLayer:
		return file + " is in no layer: give its folder a row in this test"
	case imp == "C":
		return file + " uses cgo: the binary must stay static"
	case slices.Contains(permitted, anything):
		return ""
	case isStandard(imp):
		return ""
	case isTest && !within(dir, "internal/domain"):
		permitted = []string{anything}
		if slices.ContainsFunc(onlyInCmd, func(lib string) bool { return within(imp, lib) }) {
			permitted = nil
		}
	case isTest:
		permitted = append(permitted, testLibraries...)
	case strings.HasSuffix(imp, "test"):
		return file + " imports " + imp + ", which is for tests"
	}
	if slices.ContainsFunc(permitted, func(p string) bool { return p == anything || within(imp, p) }) {
		return ""
	}
	return file + " may not import " + imp
}

func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

// ownFolder returns the import path of the top-level package that dir belongs to:
// infra packages may import their own subpackages and not each other.
func ownFolder(dir string) string {
	parts := strings.Split(dir, "/")
	return "carillon/" + strings.Join(parts[:min(3, len(parts))], "/")
}

// isStandard reports whether the first element of the path cannot be a host name.
func isStandard(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return first != "carillon" && !strings.Contains(first, ".")
}

func TestImportsPointInward(t *testing.T) {
	files := 0
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(filepath.ToSlash(name), "../")
		if entry.IsDir() {
			base := entry.Name()
			if name != ".." && (strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") || base == "testdata" || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		for _, spec := range parsed.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if msg := violation(rel, imp); msg != "" {
				t.Error(msg)
			}
		}
		return nil
	})
	require.NoError(t, err)
	assert.Greater(t, files, 1, "no source file was found, so nothing was checked")
}

func TestLayerRule(t *testing.T) {
	const good, bad = true, false
	for _, c := range []struct {
		want bool
		file string
		imp  string
	}{
		{good, "internal/domain/event/event.go", "strings"},
		{good, "internal/domain/access/grant.go", "carillon/internal/domain/event"},
		{good, "internal/domain/event/event_test.go", "github.com/stretchr/testify/require"},
		{bad, "internal/domain/event/event.go", "github.com/stretchr/testify/require"},
		{bad, "internal/domain/event/event.go", "golang.org/x/text/unicode/norm"},
		{bad, "internal/domain/event/event.go", "carillon/internal/app/pubsub"},
		{bad, "internal/domain/event/event_test.go", "carillon/internal/app/pubsub"},

		{good, "internal/app/pubsub/log.go", "carillon/internal/domain/event"},
		{good, "internal/app/timefeed/feed.go", "carillon/internal/app/pubsub"},
		{good, "internal/app/pubsub/pubsubtest/suite.go", "github.com/stretchr/testify/require"},
		{good, "internal/app/pubsub/log_test.go", "carillon/internal/infra/memlog"},
		{bad, "internal/app/pubsub/log.go", "carillon/internal/app/pubsub/pubsubtest"},
		{bad, "internal/app/pubsub/log.go", "carillon/internal/infra/memlog"},
		{bad, "internal/app/pubsub/log.go", "carillon/internal/transport/sse"},
		{bad, "internal/app/pubsub/log.go", "go.uber.org/zap"},
		{good, "internal/app/publish/rate.go", "golang.org/x/time/rate"},
		{bad, "internal/app/pubsub/engine.go", "golang.org/x/time/rate"},
		{bad, "internal/app/publish/publish.go", "github.com/gin-gonic/gin"},
		{bad, "internal/app/pubsub/log_test.go", "go.uber.org/fx/fxtest"},

		{good, "internal/transport/httpapi/router.go", "github.com/gin-gonic/gin"},
		{good, "internal/transport/httpapi/router.go", "carillon/internal/transport/sse"},
		{good, "internal/transport/httpapi/router_test.go", "carillon/internal/infra/memlog"},
		{good, "internal/transport/delivery/body.go", "carillon/internal/transport/gzipjoin"},
		{good, "internal/transport/delivery/codec_test.go", "carillon/internal/transport/sse"},
		{bad, "internal/transport/delivery/server.go", "github.com/gin-gonic/gin"},
		{bad, "internal/transport/sse/codec.go", "github.com/gin-gonic/gin"},
		{good, "internal/transport/httpapi/trace.go", otel + "/trace"},
		{bad, "internal/transport/httpapi/trace.go", otel + "/sdk/trace"},
		{bad, "internal/transport/delivery/server.go", otel + "/trace"},
		{good, "internal/infra/telemetry/traces.go", otel + "/sdk/trace"},
		{bad, "internal/transport/httpapi/router.go", "carillon/internal/infra/metrics"},
		{bad, "internal/transport/httpapi/router.go", "go.uber.org/fx"},
		{bad, "internal/transport/httpapi/router.go", "github.com/prometheus/client_golang/prometheus"},

		{good, "internal/infra/memlog/log.go", "carillon/internal/app/pubsub"},
		{good, "internal/infra/memlog/log.go", "carillon/internal/infra/memlog/ring"},
		{good, "internal/infra/metrics/metrics.go", "github.com/prometheus/client_golang/prometheus"},
		{bad, "internal/infra/memlog/log.go", "github.com/prometheus/client_golang/prometheus"},
		{bad, "internal/infra/memlog/log.go", "carillon/internal/infra/metrics"},
		{bad, "internal/infra/memlog/log.go", "carillon/internal/transport/sse"},
		{bad, "internal/infra/memlog/log.go", "github.com/gin-gonic/gin"},
		{bad, "internal/infra/memlog/log.go", "github.com/spf13/viper"},

		{good, "cmd/carillon/internal/server/modules.go", "go.uber.org/fx"},
		{good, "cmd/carillon/internal/config/config.go", "github.com/spf13/viper"},
		{good, "cmd/carillon/internal/server/modules.go", "carillon/internal/infra/memlog"},
		{good, "configs/configs.go", "embed"},
		{bad, "configs/configs.go", "carillon/internal/domain/event"},
		{bad, "cmd/carillon/main.go", "C"},
		{bad, "internal/util/util.go", "strings"},
		{bad, "pkg/clock/clock.go", "strings"},
	} {
		assert.Equal(t, c.want, violation(c.file, c.imp) == "", "%s importing %s", c.file, c.imp)
	}
}
