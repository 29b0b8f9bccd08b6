package localcluster

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// HAProxy starts HAProxy on an address in front of two nodes, with the configuration in deploy/haproxy/cluster.cfg.
func HAProxy(ctx context.Context, program, root, dir, addr string, nodes [2]string) (*Process, error) {
	file := filepath.Join(root, "deploy", "haproxy", "cluster.cfg")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "-db", "-f", file) //nolint:gosec // the caller names the program
	cmd.Env = append(os.Environ(), "LISTEN="+addr, "NODE1="+nodes[0], "NODE2="+nodes[1])
	return start(ctx, "haproxy", dir, cmd, responds("http://"+addr+"/readyz"))
}
