package prometheus_test

import (
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	groups, problems := rulefmt.ParseFile(rulesFile, false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	require.Empty(t, problems)
	var all []rulefmt.Rule
	for _, group := range groups.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

func TestPromtoolHasNoComplaintsAboutTheRules(t *testing.T) {
	out, err := runPromtool(t, "", "check", "rules", "--lint=all", "--lint-fatal", rulesFile)
	require.NoError(t, err, out)
	out, err = runPromtool(t, "", "test", "rules", testsFile)
	require.NoError(t, err, out)
}

// promtool is what it is taken for: it refuses a test whose expectation is wrong.
func TestPromtoolRefusesAWrongExpectation(t *testing.T) {
	text, err := os.ReadFile(testsFile)
	require.NoError(t, err)
	wrong := strings.Replace(string(text), "exp_alerts: []", "exp_alerts: [{exp_labels: {a: b}}]", 1)
	require.NotEqual(t, string(text), wrong)
	file := t.TempDir() + "/wrong.test.yaml"
	here, err := os.Getwd()
	require.NoError(t, err)
	wrong = strings.Replace(wrong, "["+rulesFile+"]", "["+here+"/"+rulesFile+"]", 1)
	require.NoError(t, os.WriteFile(file, []byte(wrong), 0o600))
	_, err = runPromtool(t, "", "test", "rules", file)
	assert.Error(t, err)
}

// Each alert has a unit test in which it fires and one in which it does not, a severity, a summary and a description.
func TestEveryAlertIsTested(t *testing.T) {
	text, err := os.ReadFile(testsFile)
	require.NoError(t, err)
	var file struct {
		Tests []struct {
			Alerts []struct {
				Name     string           `yaml:"alertname"`
				Expected []map[string]any `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		} `yaml:"tests"`
	}
	require.NoError(t, yaml.Unmarshal(text, &file))
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range file.Tests {
		for _, alert := range test.Alerts {
			if len(alert.Expected) > 0 {
				fires[alert.Name] = true
			} else {
				quiet[alert.Name] = true
			}
		}
	}
	for _, rule := range rules(t) {
		assert.True(t, fires[rule.Alert], "%s has no test in which it fires", rule.Alert)
		assert.True(t, quiet[rule.Alert], "%s has no test in which it does not fire", rule.Alert)
		assert.Contains(t, []string{"critical", "warning"}, rule.Labels["severity"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		assert.NotEmpty(t, rule.Annotations["description"], rule.Alert)
	}
}

// Every metric and every label that a rule names is one that a server exposes.
func TestRulesNameMetricsThatExist(t *testing.T) {
	exist := series(t)
	for _, rule := range rules(t) {
		exist.check(t, rule.Alert, rule.Expr)
	}
}

// check checks that the metrics and labels of an expression exist, and returns the names of the metrics.
func (e existing) check(t *testing.T, what, text string) []string {
	t.Helper()
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	require.NoError(t, err, "%s: %s", what, text)
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		switch node := node.(type) {
		case *parser.VectorSelector:
			if !assert.Contains(t, e, node.Name, "%s: no server exposes this metric", what) {
				return nil
			}
			for _, matcher := range node.LabelMatchers {
				if matcher.Name != model.MetricNameLabel {
					assert.True(t, e[node.Name][matcher.Name], "%s: %s has no label %s", what, node.Name, matcher.Name)
				}
			}
		case *parser.AggregateExpr:
			for _, label := range node.Grouping {
				found := slices.ContainsFunc(selected(node.Expr), func(name string) bool { return e[name][label] })
				assert.True(t, found, "%s: groups by %s, which no metric in it has", what, label)
			}
		}
		return nil
	})
	return selected(expression)
}

// selected returns the names of the metrics in an expression.
func selected(expression parser.Expr) (names []string) {
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			names = append(names, selector.Name)
		}
		return nil
	})
	return names
}

// Every alert is in the guide for operators, and the guide names no other.
func TestGuideNamesTheAlerts(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	named, exist := map[string]bool{}, map[string]bool{}
	for _, name := range regexp.MustCompile("`(Carillon[A-Z][A-Za-z]+)`").FindAllStringSubmatch(string(guide), -1) {
		named[name[1]] = true
	}
	for _, rule := range rules(t) {
		exist[rule.Alert] = true
	}
	assert.ElementsMatch(t, slices.Sorted(maps.Keys(exist)), slices.Sorted(maps.Keys(named)))
}
