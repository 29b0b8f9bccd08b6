// Package helm_test lints and renders the chart with Helm itself, and holds what it renders to the types of Kubernetes. It is
// a module of its own, so that Helm does not become a dependency of the server.
package helm_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const chartDir = "carillon"

// kubernetes is the version that the chart is rendered for.
var kubernetes = &chartutil.KubeVersion{Version: "v1.37.2", Major: "1", Minor: "37"}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	loaded, err := loader.Load(chartDir)
	require.NoError(t, err)
	return loaded
}

// values parses values as a user writes them.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := chartutil.ReadValues([]byte(text))
	require.NoError(t, err)
	return v
}

// example returns the values of an example.
func example(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "ci", name+"-values.yaml"))
	require.NoError(t, err)
	return string(text)
}

// examples returns the names of the examples.
func examples(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(chartDir, "ci", "*-values.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), "-values.yaml"))
	}
	return names
}

// install renders the chart as "helm install --dry-run=client push carillon" does.
func install(t *testing.T, text string) (*release.Release, error) {
	t.Helper()
	client := action.NewInstall(&action.Configuration{Log: t.Logf})
	client.DryRun, client.ClientOnly, client.Replace = true, true, true
	client.KubeVersion = kubernetes
	client.ReleaseName, client.Namespace = "push", "events"
	return client.Run(load(t), values(t, text))
}

// kinds are the types of what the chart may render.
var kinds = map[string]func() any{
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Pod":                                  func() any { return &core.Pod{} },
	"v1 Secret":                               func() any { return &core.Secret{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"apps/v1 StatefulSet":                     func() any { return &apps.StatefulSet{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"networking.k8s.io/v1 Ingress":            func() any { return &networking.Ingress{} },
	"monitoring.coreos.com/v1 PrometheusRule": func() any { return &monitoring.PrometheusRule{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

// objects are rendered objects by kind and name.
type objects map[string]any

// render renders the chart and reads each object into the type of its kind, strictly: a field that does not exist fails.
func render(t *testing.T, text string) objects {
	t.Helper()
	rendered, err := install(t, text)
	require.NoError(t, err)
	manifests := rendered.Manifest
	for _, hook := range rendered.Hooks {
		manifests += "\n---\n" + hook.Manifest
	}
	found := objects{}
	for _, document := range strings.Split(manifests, "\n---\n") {
		var head meta.TypeMeta
		require.NoError(t, yaml.Unmarshal([]byte(document), &head), document)
		if head.Kind == "" {
			continue
		}
		kind := kinds[head.APIVersion+" "+head.Kind]
		require.NotNil(t, kind, "no type for %s %s", head.APIVersion, head.Kind)
		object := kind()
		require.NoError(t, yaml.UnmarshalStrict([]byte(document), object), document)
		found[head.Kind+" "+object.(meta.Object).GetName()] = object
	}
	return found
}

// get returns the object of a kind and name.
func get[T any](t *testing.T, found objects, name string) T {
	t.Helper()
	object, ok := found[name].(T)
	require.True(t, ok, "%s is not among %v", name, found)
	return object
}

// workload returns the selector and the pods of the Deployment or StatefulSet.
func workload(t *testing.T, found objects) (*meta.LabelSelector, core.PodTemplateSpec) {
	t.Helper()
	if set, ok := found["StatefulSet push-carillon"].(*apps.StatefulSet); ok {
		return set.Spec.Selector, set.Spec.Template
	}
	deployment := get[*apps.Deployment](t, found, "Deployment push-carillon")
	return deployment.Spec.Selector, deployment.Spec.Template
}

func TestLint(t *testing.T) {
	for _, name := range append(examples(t), "") {
		t.Run(name, func(t *testing.T) {
			text := ""
			if name != "" {
				text = example(t, name)
			}
			lint := action.NewLint()
			lint.Strict = true
			lint.Namespace = "events"
			lint.KubeVersion = kubernetes
			result := lint.Run([]string{chartDir}, values(t, text))
			assert.Empty(t, result.Errors)
			for _, message := range result.Messages {
				// The only advice is to add an icon, which the project does not have.
				assert.Contains(t, message.Error(), "icon is recommended")
			}
		})
	}
}

// The schema and the documented defaults have the same values.
func TestSchemaHasEveryValue(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	require.NoError(t, err)
	var schema map[string]any
	require.NoError(t, json.Unmarshal(text, &schema))
	free := []string{"config", "resources.requests", "resources.limits"} // what they hold is not the chart's
	var inSchema, inDefaults []string
	var walk func(node map[string]any, prefix string)
	walk = func(node map[string]any, prefix string) {
		properties, _ := node["properties"].(map[string]any)
		for key, property := range properties {
			inSchema = append(inSchema, prefix+key)
			walk(property.(map[string]any), prefix+key+".")
		}
	}
	walk(schema, "")
	var walkDefaults func(node map[string]any, prefix string)
	walkDefaults = func(node map[string]any, prefix string) {
		for key, value := range node {
			inDefaults = append(inDefaults, prefix+key)
			if section, ok := value.(map[string]any); ok && !slices.Contains(free, prefix+key) {
				walkDefaults(section, prefix+key+".")
			}
		}
	}
	walkDefaults(load(t).Values, "")
	// "global" is Helm's own. The others are Kubernetes' and described there.
	for _, key := range []string{"global", "resources.claims"} {
		inSchema = without(inSchema, key)
	}
	assert.ElementsMatch(t, inDefaults, inSchema)
}

func without(list []string, text string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(item string) bool { return item == text })
}

// Every value is documented: a comment stands above it or above the section it belongs to.
func TestValuesAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	require.NoError(t, err)
	known := []string{"podAnnotations", "podLabels", "nodeSelector", "tolerations", "affinity", "priorityClassName"} // Kubernetes' own names
	commented := false
	for line := range bytes.Lines(text) {
		key, _, isKey := strings.Cut(string(line), ":")
		switch {
		case strings.HasPrefix(string(line), "#"):
			commented = true
		case strings.TrimSpace(string(line)) == "":
			commented = false
		case isKey && !strings.HasPrefix(key, " ") && !slices.Contains(known, key):
			inner := bytes.Contains(text, []byte("\n"+key+":\n  #")) // the section's first value has the comment
			assert.True(t, commented || inner, "%s has no comment", key)
		}
	}
}
