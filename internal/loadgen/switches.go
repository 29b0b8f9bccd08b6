package loadgen

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// switches are the voluntary context switches of threads so far, by the thread's folder in /proc.
type switches map[string]int64

// switchesOf returns the switches of the threads of a process and its direct children. It is empty where /proc does not
// exist.
func switchesOf(pid int) switches {
	all := make(switches)
	for _, process := range processesOf(pid) {
		threads, _ := filepath.Glob(filepath.Join("/proc", process, "task", "*"))
		for _, thread := range threads {
			if n, ok := switchesIn(thread); ok {
				all[thread] = n
			}
		}
	}
	return all
}

// switchesIn reads the line voluntary_ctxt_switches of a thread's status (proc_pid_status(5)). It returns false for a
// thread that has ended.
func switchesIn(thread string) (n int64, ok bool) {
	status, err := os.ReadFile(filepath.Join(thread, "status"))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if value, found := strings.CutPrefix(line, "voluntary_ctxt_switches:"); found {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// since returns how many switches there were since an earlier reading. It compares each thread with itself, because the
// count of a thread that has ended is gone; its switches are missing from the result.
func (s switches) since(earlier switches) (n int64) {
	for thread, now := range s {
		n += now - earlier[thread]
	}
	return n
}
