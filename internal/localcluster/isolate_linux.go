package localcluster

import (
	"os/exec"
	"syscall"
)

// isolate keeps a Ctrl-C at the terminal from the program, which is stopped in order instead, and lets it end with this
// process.
func isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
