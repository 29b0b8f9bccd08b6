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

// objects reads every manifest into the type of its kind, strictly: a field that does not exist fails.
func objects(t *testing.T) map[string]any {
	t.Helper()
	files, err := filepath.Glob("../kubernetes/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	found := map[string]any{}
	for _, file := range files {
		content, err := os.ReadFile(file)
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

var kinds = map[string]func() any{
	"v1 ConfigMap":                            func() any { return &core.ConfigMap{} },
	"v1 Service":                              func() any { return &core.Service{} },
	"apps/v1 Deployment":                      func() any { return &apps.Deployment{} },
	"policy/v1 PodDisruptionBudget":           func() any { return &policy.PodDisruptionBudget{} },
	"monitoring.coreos.com/v1 ServiceMonitor": func() any { return &monitoring.ServiceMonitor{} },
}

func TestManifestsHoldToTheSchemas(t *testing.T) {
	found := objects(t)
	for _, name := range []string{
		"ConfigMap carillon", "Deployment carillon", "PodDisruptionBudget carillon",
		"Service carillon", "Service carillon-each", "ServiceMonitor carillon",
	} {
		assert.Contains(t, found, name)
	}
}

// What one object says of another must be true.
func TestManifestsFitTogether(t *testing.T) {
	found := objects(t)
	deployment := found["Deployment carillon"].(*apps.Deployment)
	pod := deployment.Spec.Template
	container := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, port := range container.Ports {
		ports[port.Name] = true
	}
	assert.Equal(t, deployment.Spec.Selector.MatchLabels, pod.Labels)
	assert.Equal(t, deployment.Spec.Selector.MatchLabels, found["PodDisruptionBudget carillon"].(*policy.PodDisruptionBudget).Spec.Selector.MatchLabels)
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
	made := secretsMade(t)
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
func secretsMade(t *testing.T) (keys []string) {
	t.Helper()
	content, err := os.ReadFile("../kubernetes/carillon.yaml")
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
	grace := *objects(t)["Deployment carillon"].(*apps.Deployment).Spec.Template.Spec.TerminationGracePeriodSeconds
	assert.Greater(t, float64(grace), defaults.Drain.Timeout.Seconds()+5)
}
