package process

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often the watcher looks.
const watchEvery = 25 * time.Millisecond

// A watcher keeps limits from within the namespace. Where no cgroup bounds
// memory and tasks it looks at all processes and kills them when together they
// have more.
type watcher struct {
	o    *order
	peak atomic.Int64 // bytes
	met  atomic.Bool  // the memory limit was met
	late atomic.Bool  // the time limit was met
}

// run looks until init ends.
func (w *watcher) run() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for range tick.C {
		memory, tasks := treeUse()
		w.peak.Store(max(w.peak.Load(), memory))
		if w.o.Memory > 0 && memory > w.o.Memory {
			w.met.Store(true)
		} else if w.o.Pids == 0 || tasks <= w.o.Pids {
			continue
		}
		unix.Kill(-1, unix.SIGKILL)
	}
}

// expire kills all because the time limit is met.
func (w *watcher) expire() {
	w.late.Store(true)
	unix.Kill(-1, unix.SIGKILL)
}

// listen waits until the kernel has killed a process because a cgroup of
// version 1 met its memory limit, and kills the rest. control is the group's
// memory.oom_control.
func (w *watcher) listen(control, event int) {
	events := os.NewFile(uintptr(event), "memory events")
	var count [8]byte
	for {
		if _, err := events.Read(count[:]); err != nil {
			return
		}
		// The event comes before the kill that it announces is counted.
		tick := time.NewTicker(time.Millisecond)
		for range 200 {
			var text [256]byte
			n, _ := unix.Pread(control, text[:], 0)
			if counterOf(strings.Fields(string(text[:max(n, 0)])), oomKills) > 0 {
				w.met.Store(true)
				unix.Kill(-1, unix.SIGKILL)
				break
			}
			<-tick.C
		}
		tick.Stop()
	}
}

// treeUse gives the private memory and the number of tasks of every process
// but init.
func treeUse() (memory int64, tasks int) {
	dir, err := os.Open("/proc")
	if err != nil {
		return 0, 0
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == 1 {
			continue
		}
		text, _ := os.ReadFile("/proc/" + name + "/statm")
		f := bytes.Fields(text)
		if len(f) >= 3 {
			resident, _ := strconv.ParseInt(string(f[1]), 10, 64)
			shared, _ := strconv.ParseInt(string(f[2]), 10, 64)
			memory += (resident - shared) * int64(os.Getpagesize())
		}
		tasks += threads(name)
	}
	return memory, tasks
}

// threads gives the number of tasks of a process.
func threads(pid string) int {
	var st unix.Stat_t
	if unix.Stat("/proc/"+pid+"/task", &st) != nil {
		return 0
	}
	return int(st.Nlink) - 2
}

// lower sets the limits that init itself could not live with on the program,
// which has just started. They are a second line behind the watcher: the
// address space bounds what is taken between two looks.
func lower(pid int, o *order) {
	if o.Memory > 0 {
		n := uint64(4*o.Memory + 4<<30)
		unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
	if o.Pids > 0 {
		n := uint64(o.Pids + initTasks)
		unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	}
}
