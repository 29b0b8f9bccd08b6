package helm_test

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"
)

func TestObjects(t *testing.T) {
	base := []string{
		"ConfigMap push-carillon", "Secret push-carillon", "Deployment push-carillon", "PodDisruptionBudget push-carillon",
		"Service push-carillon", "Service push-carillon-each", "Pod push-carillon-test",
	}
	for name, want := range map[string][]string{
		"":     base,
		"nats": base,
		"disk": append(without(base, "Deployment push-carillon"), "StatefulSet push-carillon"),
		"tls":  without(base, "Pod push-carillon-test"),
		"production": append(without(base, "Secret push-carillon"),
			"Ingress push-carillon", "ServiceMonitor push-carillon", "PrometheusRule push-carillon"),
	} {
		t.Run(name, func(t *testing.T) {
			text := ""
			if name != "" {
				text = example(t, name)
			}
			var found []string
			for name := range render(t, text) {
				found = append(found, name)
			}
			assert.ElementsMatch(t, want, found)
		})
	}
}

// What one object says of another must be true.
func TestObjectsFitTogether(t *testing.T) {
	for _, name := range append(examples(t), "") {
		t.Run(name, func(t *testing.T) {
			text := "serviceMonitor: {enabled: true}\ningress: {enabled: true, hosts: [a.example.com]}"
			if name != "" {
				text = example(t, name)
			}
			found := render(t, text)
			selector, pod := workload(t, found)
			container := pod.Spec.Containers[0]
			for key, value := range selector.MatchLabels {
				assert.Equal(t, value, pod.Labels[key])
			}
			ports := map[string]int32{}
			for _, port := range container.Ports {
				ports[port.Name] = port.ContainerPort
			}
			assert.Equal(t, selector, get[*policy.PodDisruptionBudget](t, found, "PodDisruptionBudget push-carillon").Spec.Selector)
			for _, name := range []string{"Service push-carillon", "Service push-carillon-each"} {
				service := get[*core.Service](t, found, name)
				assert.Equal(t, selector.MatchLabels, service.Spec.Selector, name)
				for _, port := range service.Spec.Ports {
					assert.Contains(t, ports, port.TargetPort.StrVal, name)
				}
			}
			for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
				assert.Equal(t, intstr.FromString("http"), probe.HTTPGet.Port)
			}
			assert.Equal(t, "/readyz", container.ReadinessProbe.HTTPGet.Path)
			volumes := map[string]bool{}
			for _, volume := range pod.Spec.Volumes {
				volumes[volume.Name] = true
				if volume.ConfigMap != nil {
					assert.Contains(t, found, "ConfigMap "+volume.ConfigMap.Name)
				}
			}
			if set, ok := found["StatefulSet push-carillon"].(*apps.StatefulSet); ok {
				assert.Contains(t, found, "Service "+set.Spec.ServiceName)
				for _, claim := range set.Spec.VolumeClaimTemplates {
					volumes[claim.Name] = true
				}
			}
			for _, mount := range container.VolumeMounts {
				assert.True(t, volumes[mount.Name], mount.Name)
			}
			if monitor, ok := found["ServiceMonitor push-carillon"].(*monitoring.ServiceMonitor); ok {
				each := get[*core.Service](t, found, "Service push-carillon-each")
				for label, value := range monitor.Spec.Selector.MatchLabels {
					assert.Equal(t, value, each.Labels[label])
				}
				assert.NotEqual(t, each.Labels["carillon/each"], get[*core.Service](t, found, "Service push-carillon").Labels["carillon/each"])
				assert.Equal(t, "admin-token", monitor.Spec.Endpoints[0].Authorization.Credentials.Key)
			}
			if ingress, ok := found["Ingress push-carillon"].(*networking.Ingress); ok {
				backend := ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
				assert.Equal(t, backend.Port.Name, get[*core.Service](t, found, "Service "+backend.Name).Spec.Ports[0].Name)
			}
			if test, ok := found["Pod push-carillon-test"].(*core.Pod); ok {
				assert.NotEqual(t, selector.MatchLabels["app.kubernetes.io/name"], test.Labels["app.kubernetes.io/name"])
				assert.Contains(t, test.Spec.Containers[0].Args, "http://push-carillon:80")
			}
		})
	}
}

// The hardening of the plain manifests holds for the chart.
func TestPodsHaveOnlyThePrivilegesTheyNeed(t *testing.T) {
	for _, name := range examples(t) {
		_, pod := workload(t, render(t, example(t, name)))
		assert.True(t, *pod.Spec.SecurityContext.RunAsNonRoot)
		assert.EqualValues(t, 65532, *pod.Spec.SecurityContext.RunAsUser)
		assert.Equal(t, core.SeccompProfileTypeRuntimeDefault, pod.Spec.SecurityContext.SeccompProfile.Type)
		assert.False(t, *pod.Spec.AutomountServiceAccountToken)
		security := pod.Spec.Containers[0].SecurityContext
		assert.False(t, *security.AllowPrivilegeEscalation)
		assert.True(t, *security.ReadOnlyRootFilesystem)
		assert.Equal(t, []core.Capability{"ALL"}, security.Capabilities.Drop)
	}
}

// variables returns the environment of the container, by name.
func variables(t *testing.T, found objects) map[string]core.EnvVar {
	t.Helper()
	_, pod := workload(t, found)
	byName := map[string]core.EnvVar{}
	for _, variable := range pod.Spec.Containers[0].Env {
		assert.NotContains(t, byName, variable.Name)
		byName[variable.Name] = variable
	}
	return byName
}

func TestLogOnDisk(t *testing.T) {
	found := render(t, example(t, "disk"))
	set := get[*apps.StatefulSet](t, found, "StatefulSet push-carillon")
	assert.EqualValues(t, 1, *set.Spec.Replicas)
	claim := set.Spec.VolumeClaimTemplates[0]
	assert.Equal(t, []core.PersistentVolumeAccessMode{core.ReadWriteOnce}, claim.Spec.AccessModes)
	assert.Equal(t, "fast", *claim.Spec.StorageClassName)
	assert.Equal(t, "2Gi", claim.Spec.Resources.Requests.Storage().String())
	mounts := set.Spec.Template.Spec.Containers[0].VolumeMounts
	assert.Contains(t, mounts, core.VolumeMount{Name: "data", MountPath: "/data"})
	assert.Equal(t, "/data", variables(t, found)["CARILLON_HISTORY_DISK_PATH"].Value)
	assert.EqualValues(t, 65532, *set.Spec.Template.Spec.SecurityContext.FSGroup, "the server may write to the volume")

	found = render(t, "config: {history: {backend: disk}}\npersistence: {existingClaim: kept}")
	set = get[*apps.StatefulSet](t, found, "StatefulSet push-carillon")
	assert.Empty(t, set.Spec.VolumeClaimTemplates)
	assert.Equal(t, "kept", set.Spec.Template.Spec.Volumes[1].PersistentVolumeClaim.ClaimName)
}

// The chart's alerts are those of deploy/prometheus, which are tested there. A chart cannot name files outside of its folder.
func TestAlerts(t *testing.T) {
	const own, tested = "carillon/files/carillon.rules.yaml", "../prometheus/carillon.rules.yaml"
	want, err := os.ReadFile(tested)
	require.NoError(t, err)
	have, err := os.ReadFile(own)
	require.NoError(t, err)
	require.Equal(t, string(want), string(have), "copy %s to %s", tested, own)
	var rules monitoring.PrometheusRuleSpec
	require.NoError(t, yaml.UnmarshalStrict(want, &rules))
	rendered := get[*monitoring.PrometheusRule](t, render(t, example(t, "production")), "PrometheusRule push-carillon")
	assert.Equal(t, rules, rendered.Spec)
	assert.Equal(t, "prometheus", rendered.Labels["release"])
}

func TestCluster(t *testing.T) {
	found := render(t, example(t, "nats"))
	deployment := get[*apps.Deployment](t, found, "Deployment push-carillon")
	assert.EqualValues(t, 3, *deployment.Spec.Replicas)
	assert.Equal(t, intstr.FromInt32(0), *deployment.Spec.Strategy.RollingUpdate.MaxUnavailable)
	pod := deployment.Spec.Template.Spec
	assert.Equal(t, "kubernetes.io/hostname", pod.TopologySpreadConstraints[0].TopologyKey)
	assert.Contains(t, pod.Containers[0].VolumeMounts, core.VolumeMount{Name: "secret-nats", MountPath: "/etc/carillon/secrets/nats", ReadOnly: true})
	config := get[*core.ConfigMap](t, found, "ConfigMap push-carillon").Data["carillon.yaml"]
	assert.Contains(t, config, "- nats://nats.nats.svc.cluster.local:4222\n")
}

func TestTLS(t *testing.T) {
	found := render(t, example(t, "tls"))
	_, pod := workload(t, found)
	container := pod.Spec.Containers[0]
	assert.Equal(t, core.URISchemeHTTPS, container.LivenessProbe.HTTPGet.Scheme)
	assert.EqualValues(t, 8443, container.Ports[0].ContainerPort)
	byName := variables(t, found)
	assert.Equal(t, "/etc/carillon/tls/tls.crt", byName["CARILLON_HTTP_TLS_CERT_FILE"].Value)
	assert.Equal(t, "/etc/carillon/tls/tls.key", byName["CARILLON_HTTP_TLS_KEY_FILE"].Value)
	service := get[*core.Service](t, found, "Service push-carillon")
	assert.Equal(t, core.ServiceTypeLoadBalancer, service.Spec.Type)
	assert.EqualValues(t, 443, service.Spec.Ports[0].Port)
}

func TestSecrets(t *testing.T) {
	generated := get[*core.Secret](t, render(t, ""), "Secret push-carillon").Data
	assert.Len(t, generated["publish-token"], 40)
	assert.Len(t, generated["admin-token"], 40)
	assert.NotEqual(t, generated["publish-token"], generated["admin-token"])
	chosen := render(t, "secret: {publishToken: sesame, adminToken: open}")
	assert.Equal(t, "sesame", string(get[*core.Secret](t, chosen, "Secret push-carillon").Data["publish-token"]))
	rendered, err := install(t, "secret: {publishToken: sesame-4711, adminToken: open-4711}")
	require.NoError(t, err)
	assert.NotContains(t, rendered.Manifest, "sesame-4711")
	assert.Equal(t, 1, strings.Count(rendered.Manifest, base64.StdEncoding.EncodeToString([]byte("sesame-4711"))), "only in the secret")

	existing := variables(t, render(t, "secret: {existingSecret: mine}"))
	for name, key := range map[string]string{"CARILLON_AUTH_PUBLISH_TOKEN": "publish-token", "CARILLON_ADMIN_TOKEN": "admin-token"} {
		reference := existing[name].ValueFrom.SecretKeyRef
		assert.Equal(t, "mine", reference.Name)
		assert.Equal(t, key, reference.Key)
	}
}

// A change of the configuration restarts the pods.
func TestPodsFollowTheConfiguration(t *testing.T) {
	checksum := func(text string) string {
		_, pod := workload(t, render(t, text))
		return pod.Annotations["checksum/config"]
	}
	assert.Equal(t, checksum(""), checksum(""))
	assert.NotEqual(t, checksum(""), checksum("config: {log: {level: debug}}"))
}

// Values that do not fit are refused with an error that names the value.
func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"replica: 2":                     "replica",
		"replicas: x":                    "replicas",
		"image: {pullPolicy: Sometimes}": "pullPolicy",
		"podDisruptionBudget: {maxUnavailable: half}":                "maxUnavailable",
		"secretMounts: [{name: a}]":                                  "secretName",
		"config: {history: {backend: disk}}\nreplicas: 2":            "replicas: must be 1",
		"config: {history: {disk: {path: /x}}}":                      "config.history.disk.path: must not be set",
		"config: {admin: {addr: ':1'}}":                              "config.admin.addr: must not be set",
		"config: {admin: {token: x}}":                                "config.admin.token: must not be in a ConfigMap",
		"config: {auth: {publish_token: x}}":                         "config.auth.publish_token: must not be in a ConfigMap",
		"config: {auth: {jwt: {key: x}}}":                            "config.auth.jwt.key: must not be in a ConfigMap",
		"config: {history: {nats: {password: x}}}":                   "config.history.nats.password: must not be in a ConfigMap",
		"config: {history: {nats: {token: x}}}":                      "config.history.nats.token: must not be in a ConfigMap",
		"config: {http: {tls: {cert_file: x}}}":                      "config.http.tls: must not be set",
		"config: {http: {addr: ':8079'}}":                            "config.http.addr: must not have port 8079",
		"config: {drain: {timeout: 40s}}":                            "terminationGracePeriodSeconds: must be greater than config.drain.timeout plus 5s, 45s (got 45)",
		"config: {drain: {timeout: 1h1m1s}}":                         "3666s",
		"terminationGracePeriodSeconds: 35":                          "35s (got 35)",
		"ingress: {enabled: true}":                                   "ingress.hosts: must have a host",
		"config: {auth: {jwt: {previous_key: x, algorithm: HS256}}}": "config.auth.jwt.previous_key",
	} {
		_, err := install(t, text)
		if assert.Error(t, err, text) {
			assert.Contains(t, err.Error(), want, text)
		}
	}
	for _, text := range []string{
		"config: {auth: {jwt: {key: public, algorithm: RS256}}}", "terminationGracePeriodSeconds: 36", "global: {a: b}",
		"podDisruptionBudget: {maxUnavailable: 25%}", "replicas: 2",
	} {
		_, err := install(t, text)
		assert.NoError(t, err, text)
	}
}

func TestNotes(t *testing.T) {
	notes := func(text string) string {
		rendered, err := install(t, text)
		require.NoError(t, err)
		return rendered.Info.Notes
	}
	plain := notes("")
	assert.Contains(t, plain, "Open its page at http://localhost:8080")
	assert.Contains(t, plain, "get secret push-carillon ")
	assert.NotContains(t, plain, "WARNING")
	assert.Contains(t, notes("replicas: 2"), "WARNING: 2 pods with the log in memory")
	production := notes(example(t, "production"))
	assert.Contains(t, production, "https://events.example.com/\n")
	assert.Contains(t, production, "get secret carillon-tokens ")
	assert.Contains(t, production, "carillon doctor https://events.example.com")
}

// Names stay within what Kubernetes allows, however long those of the release are.
func TestLongNames(t *testing.T) {
	found := render(t, "fullnameOverride: "+strings.Repeat("a", 60)+"\nimage: {tag: "+strings.Repeat("b", 100)+"}")
	for name, object := range found {
		_, name, _ = strings.Cut(name, " ")
		assert.Empty(t, validation.IsDNS1035Label(name), name)
		if service, ok := object.(*core.Service); ok {
			for _, value := range service.Labels {
				assert.Empty(t, validation.IsValidLabelValue(value))
			}
		}
	}
}

// The server accepts the configuration of every example, numbers included.
func TestServerAcceptsTheConfiguration(t *testing.T) {
	defaults, err := os.ReadFile("../../configs/default.yaml")
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "carillon")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./cmd/carillon")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	for _, name := range append(examples(t), "") {
		t.Run(name, func(t *testing.T) {
			text := ""
			if name != "" {
				text = example(t, name)
			}
			if name == "nats" && !strings.Contains(string(defaults), "\n  nats:\n") {
				t.Skip("this server has no log in NATS")
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "carillon.yaml")
			config := get[*core.ConfigMap](t, render(t, text), "ConfigMap push-carillon").Data["carillon.yaml"]
			for _, secret := range []string{"jwt/secret", "nats/user.creds"} { // the files of secretMounts
				local := filepath.Join(dir, secret)
				require.NoError(t, os.MkdirAll(filepath.Dir(local), 0o700))
				require.NoError(t, os.WriteFile(local, []byte(strings.Repeat("secret-", 10)), 0o600))
				config = strings.ReplaceAll(config, "/etc/carillon/secrets/"+secret, local)
			}
			require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
			shown, err := exec.CommandContext(t.Context(), program, "config", "--config", file).CombinedOutput()
			require.NoError(t, err, string(shown))
			if name == "disk" {
				assert.Contains(t, string(shown), "events: 2000000")
			}
		})
	}
}
