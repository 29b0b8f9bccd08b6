package loadgen

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is the processor time of all threads of a process so far, and its present resident memory.
type Usage struct {
	CPU time.Duration `json:"cpu_ns"`
	RSS int64         `json:"rss_bytes"`
}

// selfPID means this process.
const selfPID = -1

// clockTick is the unit of processor time in /proc, which Linux keeps at a hundredth of a second for programs.
const clockTick = 10 * time.Millisecond

// usageOf returns the usage of a process and its direct children, read from /proc. It is zero where /proc does not
// exist.
func usageOf(pid int) (sum Usage) {
	for _, process := range processesOf(pid) {
		u := usageIn(process)
		sum.CPU += u.CPU
		sum.RSS += u.RSS
	}
	return sum
}

// processesOf returns the names in /proc of a process and its direct children; none for 0.
func processesOf(pid int) []string {
	name := strconv.Itoa(pid)
	switch pid {
	case 0:
		return nil
	case selfPID:
		name = "self"
	}
	names := []string{name}
	lists, _ := filepath.Glob(filepath.Join("/proc", name, "task", "*", "children"))
	for _, list := range lists {
		children, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		names = append(names, strings.Fields(string(children))...)
	}
	return names
}

func usageIn(name string) (u Usage) {
	stat, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
	if err != nil {
		return u
	}
	// The second field, the program's name, may contain anything up to the last parenthesis. Of those after it, the
	// 12th and 13th are the time in user and kernel mode, and the 22nd is the resident pages (proc(5)).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 22 {
		return u
	}
	number := func(i int) int64 {
		n, _ := strconv.ParseInt(string(fields[i]), 10, 64)
		return n
	}
	u.CPU = time.Duration(number(11)+number(12)) * clockTick
	u.RSS = number(21) * int64(os.Getpagesize())
	return u
}
