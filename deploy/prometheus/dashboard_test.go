package prometheus_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// panel is what these tests read of a panel.
type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		RefID string `json:"refId"`
		Expr  string `json:"expr"`
	} `json:"targets"`
	FieldConfig struct {
		Defaults map[string]any `json:"defaults"`
	} `json:"fieldConfig"`
	Panels []panel `json:"panels"`
}

func panels(t *testing.T) (all []panel) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	var file struct {
		Panels []panel `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	for _, p := range file.Panels {
		all = append(append(all, p), p.Panels...)
	}
	require.NotEmpty(t, all)
	return all
}

// Grafana's own types accept the dashboard, and no key of it is unknown to them.
func TestDashboardHoldsToGrafanasTypes(t *testing.T) {
	text, err := os.ReadFile(dashboardFile)
	require.NoError(t, err)
	assert.Empty(t, complaints(t, text))
	nested := strings.Replace(string(text), `"fieldConfig": {`, `"fieldConfig": {"nested": {}, `, 1)
	assert.Contains(t, complaints(t, []byte(nested)), "nested", "an unknown key is found")
}

// complaints returns what Grafana's types do not accept. Panels and their fields are read one by one, because the
// type of the whole dashboard is not strict about them.
func complaints(t *testing.T, text []byte) string {
	t.Helper()
	var list strings.Builder
	note := func(err error) {
		if err != nil { // also when there is no problem; the text is empty then
			list.WriteString(err.Error())
		}
	}
	note((&dashboard.Dashboard{}).UnmarshalJSONStrict(text))
	var file struct {
		Panels []json.RawMessage `json:"panels"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	for _, raw := range file.Panels {
		var kind panel
		require.NoError(t, json.Unmarshal(raw, &kind))
		if kind.Type == "row" {
			note((&dashboard.RowPanel{}).UnmarshalJSONStrict(raw))
		} else {
			note((&dashboard.Panel{}).UnmarshalJSONStrict(raw))
			var parts map[string]json.RawMessage
			require.NoError(t, json.Unmarshal(raw, &parts))
			note((&dashboard.FieldConfigSource{}).UnmarshalJSONStrict(parts["fieldConfig"]))
		}
	}
	return list.String()
}

func TestPanels(t *testing.T) {
	ids := map[int]bool{}
	taken := map[string]string{}
	for _, p := range panels(t) {
		assert.False(t, ids[p.ID], "the id of %s is not its own", p.Title)
		ids[p.ID] = true
		assert.NotEmpty(t, p.Title)
		assert.LessOrEqual(t, p.GridPos.X+p.GridPos.W, 24, p.Title)
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				place := fmt.Sprint(p.GridPos.X+x, " ", p.GridPos.Y+y)
				assert.Empty(t, taken[place], "%s covers another panel", p.Title)
				taken[place] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		assert.NotEmpty(t, p.Targets, p.Title)
		assert.NotEmpty(t, p.FieldConfig.Defaults["unit"], "%s has no unit", p.Title)
		refs := map[string]bool{}
		for _, target := range p.Targets {
			assert.False(t, refs[target.RefID], p.Title)
			refs[target.RefID] = true
			for _, variable := range []string{`job=~"$job"`, `instance=~"$instance"`} {
				assert.Contains(t, target.Expr, variable, "%s does not follow the choice of its reader", p.Title)
			}
		}
	}
}

// Every query is one that Prometheus accepts, of metrics and labels that a server exposes; and every metric of the server is
// on the dashboard.
func TestDashboardShowsEveryMetric(t *testing.T) {
	exist := series(t)
	shown := map[string]bool{}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*")
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			for _, name := range exist.check(t, "panel "+p.Title, variables.Replace(target.Expr)) {
				shown[strings.TrimSuffix(name, "_bucket")] = true
			}
		}
	}
	for name := range exist {
		base := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if strings.HasPrefix(name, "carillon_") && name != "carillon_build_info" { // which only the variables of the dashboard use
			assert.True(t, shown[base], "no panel shows %s", base)
		}
	}
}
