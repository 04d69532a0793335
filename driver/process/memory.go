package process

import (
	"os"
	"strconv"
	"strings"
)

// Memory is what processes have in memory, in bytes.
type Memory struct {
	Resident int64 // all of it
	Shared   int64 // of it, what other processes have too: files, and what forks have not written to since
	Private  int64 // of it, what would be free without them
}

// Plus gives the sum.
func (m Memory) Plus(o Memory) Memory {
	return Memory{m.Resident + o.Resident, m.Shared + o.Shared, m.Private + o.Private}
}

// Memory gives what the nest's program has in memory, and each of its forks.
func (n *Nest) Memory() (own Memory, forks []Memory) {
	n.mu.Lock()
	var pids []int
	for in := range n.forks {
		pids = append(pids, in.fork.pid)
	}
	n.mu.Unlock()
	for _, pid := range children(n.in.init.Pid) {
		own = own.Plus(memoryOf(pid))
	}
	for _, pid := range pids {
		m := memoryOf(pid) // of the fork's init
		for _, child := range children(pid) {
			m = m.Plus(memoryOf(child))
		}
		forks = append(forks, m)
	}
	return own, forks
}

// children gives the children of a process, as far as the kernel tells.
func children(pid int) []int {
	var all []int
	p := strconv.Itoa(pid)
	for _, word := range readWords("/proc/" + p + "/task/" + p + "/children") {
		if n, err := strconv.Atoi(word); err == nil {
			all = append(all, n)
		}
	}
	return all
}

// memoryOf reads the memory of a process; zero when it has ended.
func memoryOf(pid int) Memory {
	var m Memory
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		f := strings.Fields(rest)
		if len(f) != 2 {
			continue
		}
		n, _ := strconv.ParseInt(f[0], 10, 64)
		switch name {
		case "Rss":
			m.Resident += n << 10
		case "Shared_Clean", "Shared_Dirty":
			m.Shared += n << 10
		case "Private_Clean", "Private_Dirty":
			m.Private += n << 10
		}
	}
	return m
}
