// Package check_test holds the deployment files to the schemas of those who read them. It is a module of its own, so
// that Kubernetes' types do not become dependencies of the server.
package check_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// variants are the ways to deploy: each is one file, and servicemonitor.yaml.
var variants = []string{"carillon.yaml", "disk.yaml", "cluster.yaml"}

// objects reads the manifests of a variant into the type of their kind, strictly: a field that does not exist fails.
func objects(t *testing.T, variant string) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, file := range []string{variant, "servicemonitor.yaml"} {
		content, err := os.ReadFile(filepath.Join("../kubernetes", file))
		require.NoError(t, err)
		for _, document := range bytes.Split(content, []byte("\n---\n")) {
			var head meta.TypeMeta
			require.NoError(t, yaml.Unmarshal(document, &head), file)
			object := kinds[head.APIVersion+" "+head.Kind]
			require.NotNil(t, object, "%s: no type for %s %s", file, head.APIVersion, head.Kind)
			fresh := object()
			require.NoError(t, yaml.UnmarshalStrict(document, fresh), "%s: %s", file, head.Kind)
			name := fresh.(meta.Object).GetName()
			require.NotEmpty(t, name, file)
			found[head.Kind+" "+name] = fresh
		}
	}
	return found
}

// workload returns the selector and the pods of a variant's Deployment or StatefulSet.
func workload(t *testing.T, found map[string]any) (selector *meta.LabelSelector, pod core.PodTemplateSpec) {
	t.Helper()
	if deployment, ok := found["Deployment carillon"].(*apps.Deployment); ok {
		return deployment.Spec.Selector, deployment.Spec.Template
	}
	set, ok := found["StatefulSet carillon"].(*apps.StatefulSet)
	require.True(t, ok, "no workload")
	return set.Spec.Selector, set.Spec.Template
}

func TestEveryManifestIsOfAVariant(t *testing.T) {
	files, err := filepath.Glob("../kubernetes/*.yaml")
	require.NoError(t, err)
	assert.Len(t, files, len(variants)+1)
}

var kinds = map[string]func() any{
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"apps/v1 StatefulSet":                     func() any { return &apps.StatefulSet{} },
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

func TestManifestsHoldToTheSchemas(t *testing.T) {
	for _, variant := range variants {
		found := objects(t, variant)
		for _, name := range []string{
			"ConfigMap carillon", "PodDisruptionBudget carillon", "Service carillon", "Service carillon-each", "ServiceMonitor carillon",
		} {
			assert.Contains(t, found, name, variant)
		}
	}
}

// What one object says of another must be true.
func TestManifestsFitTogether(t *testing.T) {
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) { fitTogether(t, variant) })
	}
}

func fitTogether(t *testing.T, variant string) {
	t.Helper()
	found := objects(t, variant)
	selector, pod := workload(t, found)
	container := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, port := range container.Ports {
		ports[port.Name] = true
	}
	assert.Equal(t, selector.MatchLabels, pod.Labels)
	assert.Equal(t, selector.MatchLabels, found["PodDisruptionBudget carillon"].(*policy.PodDisruptionBudget).Spec.Selector.MatchLabels)
	for _, name := range []string{"Service carillon", "Service carillon-each"} {
		service := found[name].(*core.Service)
		assert.Equal(t, pod.Labels, service.Spec.Selector, name)
		for _, port := range service.Spec.Ports {
			assert.True(t, ports[port.TargetPort.StrVal], "%s: %s", name, port.TargetPort.StrVal)
		}
	}
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
		assert.True(t, ports[probe.HTTPGet.Port.StrVal])
	}
	made := secretsMade(t, variant)
	for _, mount := range container.VolumeMounts {
		claims := []string{}
		if set, ok := found["StatefulSet carillon"].(*apps.StatefulSet); ok {
			for _, claim := range set.Spec.VolumeClaimTemplates {
				claims = append(claims, claim.Name)
			}
		}
		for _, volume := range pod.Spec.Volumes {
			claims = append(claims, volume.Name)
		}
		assert.Contains(t, claims, mount.Name)
	}
	for _, variable := range container.Env {
		if variable.ValueFrom != nil {
			assert.Contains(t, made, variable.ValueFrom.SecretKeyRef.Key)
		}
	}
	monitor := found["ServiceMonitor carillon"].(*monitoring.ServiceMonitor)
	each := found["Service carillon-each"].(*core.Service)
	for label, value := range monitor.Spec.Selector.MatchLabels {
		assert.Equal(t, value, each.Labels[label])
	}
	assert.Contains(t, made, monitor.Spec.Endpoints[0].Authorization.Credentials.Key)
}

// secretsMade are the keys of the secret that the manifest's head tells how to make.
func secretsMade(t *testing.T, variant string) (keys []string) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../kubernetes", variant))
	require.NoError(t, err)
	for _, match := range regexp.MustCompile(`--from-literal=([a-z-]+)=`).FindAllSubmatch(content, -1) {
		keys = append(keys, string(match[1]))
	}
	require.NotEmpty(t, keys)
	return keys
}

// The pod must be given longer than the server's own deadline (drain.timeout and 5s), or a drain is cut short.
func TestGraceIsLongerThanTheDrain(t *testing.T) {
	content, err := os.ReadFile("../../configs/default.yaml")
	require.NoError(t, err)
	var defaults struct {
		Drain struct {
			Timeout meta.Duration `json:"timeout"`
		} `json:"drain"`
	}
	require.NoError(t, yaml.Unmarshal(content, &defaults))
	for _, variant := range variants {
		_, pod := workload(t, objects(t, variant))
		assert.Greater(t, float64(*pod.Spec.TerminationGracePeriodSeconds), defaults.Drain.Timeout.Seconds()+5, variant)
	}
}
