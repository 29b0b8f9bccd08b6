package localcluster

import (
	"context"
	"os"
	"os/exec"
	"strings"
)

// Node starts a node of Carillon on an address, with settings of the form KEY=VALUE such as HISTORY_BACKEND=nats.
func Node(ctx context.Context, program, name, dir, addr string, settings ...string) (*Process, error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "serve")
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CARILLON_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	cmd.Env = append(cmd.Env, "CARILLON_HTTP_ADDR="+addr)
	for _, setting := range settings {
		cmd.Env = append(cmd.Env, "CARILLON_"+setting)
	}
	return start(ctx, name, dir, cmd, responds("http://"+addr+"/readyz"))
}

// NATSSettings returns the settings of a node whose log is on NATS servers with these addresses.
func NATSSettings(urls []string) []string {
	replicas := "1"
	if len(urls) >= 3 {
		replicas = "3"
	}
	return []string{"HISTORY_BACKEND=nats", "HISTORY_NATS_URL=" + strings.Join(urls, ","), "HISTORY_NATS_REPLICAS=" + replicas}
}
