package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// initTasks is how many tasks of an instance may be init's own.
const initTasks = 12

// cpuPeriod is the period, in microseconds, over which a CPU quota is kept.
const cpuPeriod = 100_000

// cgroups says which control groups this driver can use: for each controller
// the directory in which it makes one per instance, beside those of other
// sites. In version 2 it is the same directory for all. Empty means none.
type cgroups struct {
	version int // 2, 1, or 0 for none
	base    map[string]string
	prefix  string // begins the names of this driver's groups
	why     string // why a controller is missing; a sentence, for people
}

// controllers are those that the driver uses.
var controllers = []string{"memory", "cpu", "cpuacct", "pids"}

func (c *cgroups) has(controller string) bool { return c.base[controller] != "" }

// findCgroups looks for cgroups in which this process may make its own.
func findCgroups(prefix string) cgroups {
	mounts, err := readMounts()
	if err != nil {
		return cgroups{why: err.Error()}
	}
	c := findVersion2(mounts)
	if c.prefix = prefix; c.version != 0 {
		return c
	}
	v1 := cgroups{base: map[string]string{}, prefix: prefix, why: c.why}
	for _, m := range mounts {
		if m.kind != "cgroup" {
			continue
		}
		base := filepath.Join(m.point, "fringe")
		for _, name := range controllers {
			if slices.Contains(m.super, name) && v1.base[name] == "" && usable(base) == nil {
				v1.base[name] = base
				v1.version = 1
			}
		}
	}
	if base := v1.base["cpu"]; base != "" {
		writeFile(base, "cpu.shares", strconv.Itoa(shareOf(float64(runtime.NumCPU())))) // without it, all instances together weigh as one process
	}
	return v1
}

// shareOf gives the weight of so many cores in version 1, where one process
// outside of all groups has that of one core.
func shareOf(cores float64) int { return max(2, int(1024*cores)) }

// weightOf is shareOf for version 2, where a cgroup has the weight of one core
// unless told otherwise.
func weightOf(cores float64) int { return min(max(1, int(100*cores)), 10000) }

// usable says why no cgroup can be made below base; nil when it can.
func usable(base string) error {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return err
	}
	probe := filepath.Join(base, fmt.Sprintf("probe-%d", os.Getpid()))
	if err := os.Mkdir(probe, 0o755); err != nil {
		return err
	}
	return os.Remove(probe)
}

// findVersion2 looks for the unified hierarchy: at its top when this process
// may write there, else in the part that was delegated to it.
func findVersion2(mounts []mountLine) cgroups {
	i := slices.IndexFunc(mounts, func(m mountLine) bool { return m.kind == "cgroup2" })
	if i < 0 {
		return cgroups{why: "no cgroup file system is mounted"}
	}
	top, root := mounts[i].point, mounts[i].root
	if names := readWords(filepath.Join(top, "cgroup.controllers")); !slices.Contains(names, "memory") && !slices.Contains(names, "cpu") {
		return cgroups{why: "the unified cgroup hierarchy has no memory and no cpu controller"}
	}
	if _, err := os.Stat(filepath.Join(top, "cgroup.type")); errors.Is(err, fs.ErrNotExist) {
		if c, err := delegate(top); err == nil {
			return c
		}
	}
	own, err := ownCgroup(top, root)
	if err == nil {
		err = moveOut(own)
	}
	if err != nil {
		return cgroups{why: err.Error()}
	}
	c, err := delegate(own)
	if err != nil {
		return cgroups{why: err.Error()}
	}
	return c
}

// ownLeaf is the cgroup into which the server moves itself, for a cgroup with
// processes cannot have children with limits.
const ownLeaf = "fringe-server"

// ownCgroup gives the directory of this process's cgroup of version 2, where
// the hierarchy from root on is mounted at top.
func ownCgroup(top, root string) (string, error) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			below, err := filepath.Rel(root, path)
			if err != nil || !filepath.IsLocal(below) {
				return "", fmt.Errorf("this process's cgroup %s is not among those that are mounted at %s", path, top)
			}
			dir := filepath.Join(top, below)
			if filepath.Base(dir) == ownLeaf {
				dir = filepath.Dir(dir)
			}
			return dir, nil
		}
	}
	return "", errors.New("this process is in no cgroup of version 2")
}

// moveOut moves every process of the cgroup dir to a leaf of it, which weighs
// as much as all instances together.
func moveOut(dir string) error {
	leaf := filepath.Join(dir, ownLeaf)
	for range 100 { // what is forked meanwhile moves in the next round
		pids := readWords(filepath.Join(dir, "cgroup.procs"))
		if len(pids) == 0 {
			return nil
		}
		if err := makeCgroup(leaf); err != nil {
			return fmt.Errorf("the cgroup %s is not delegated to this user: %w", dir, err)
		}
		for _, pid := range pids {
			if err := writeFile(leaf, "cgroup.procs", pid); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("process %s does not move to the cgroup %s: %w", pid, leaf, err)
			}
		}
	}
	return fmt.Errorf("the cgroup %s gets new processes all the time", dir)
}

// makeCgroup makes a cgroup where there is none. Its parent must be one.
func makeCgroup(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// delegate makes the cgroup fringe below dir and enables the controllers all the
// way down.
func delegate(dir string) (cgroups, error) {
	base := filepath.Join(dir, "fringe")
	if err := makeCgroup(base); err != nil {
		return cgroups{}, err
	}
	for _, d := range []string{dir, base} {
		for _, name := range []string{"memory", "cpu", "pids"} {
			writeFile(d, "cgroup.subtree_control", "+"+name) // what was refused is missing below
		}
	}
	c := cgroups{version: 2, base: map[string]string{}}
	for _, name := range readWords(filepath.Join(base, "cgroup.subtree_control")) {
		c.base[name] = base
	}
	if !c.has("memory") && !c.has("cpu") && !c.has("pids") {
		return cgroups{}, fmt.Errorf("no controller can be enabled below %s", dir)
	}
	// Without it, all instances together weigh as one of their neighbours.
	for _, heavy := range []string{base, filepath.Join(dir, ownLeaf)} {
		writeFile(heavy, "cpu.weight", strconv.Itoa(weightOf(float64(runtime.NumCPU()))))
	}
	return c, usable(base)
}

// A group is the control group of one instance: one directory in version 2,
// one per hierarchy in version 1.
type group struct {
	version int
	dirs    map[string]string // controller → directory

	// For an init that is not born in the group: the descriptors by which it
	// joins, one a hierarchy. For version 1, in which the kernel ends one process
	// only when the memory limit is met: memory.oom_control and an eventfd that
	// tells it.
	doors, watch []int
}

// paths gives the directories of g, each once.
func (g *group) paths() []string {
	var all []string
	for _, dir := range g.dirs {
		all = append(all, dir)
	}
	return sortedUnique(all)
}

// existing gives the group of an instance that a former process made, as far
// as it is there.
func (c *cgroups) existing(id fringe.InstanceID) *group {
	g := &group{version: c.version, dirs: map[string]string{}}
	for name, base := range c.base {
		dir := filepath.Join(base, c.prefix+string(id))
		if _, err := os.Stat(dir); err == nil {
			g.dirs[name] = dir
		}
	}
	if len(g.dirs) == 0 {
		return nil
	}
	return g
}

// make makes the group of an instance with its limits, but that of CPU, which
// throttle sets.
func (c *cgroups) make(id fringe.InstanceID, l fringe.Limits) (g *group, err error) {
	if c.version == 0 {
		return nil, nil
	}
	g = &group{version: c.version, dirs: map[string]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, g.remove())
		}
	}()
	for name, base := range c.base {
		if !c.wanted(name, l) {
			continue
		}
		dir := filepath.Join(base, c.prefix+string(id))
		if err := os.Mkdir(dir, 0o755); err != nil && !(errors.Is(err, fs.ErrExist) && slices.Contains(g.paths(), dir)) {
			return g, err
		}
		g.dirs[name] = dir
	}
	return g, g.limit(l)
}

// makeOpen makes the group of an instance whose init joins it by itself.
func (c *cgroups) makeOpen(id fringe.InstanceID, l fringe.Limits) (*group, error) {
	g, err := c.make(id, l)
	if g == nil || err != nil {
		return g, err
	}
	return g, g.open()
}

// wanted says whether an instance with these limits is put under the
// controller. Joining a hierarchy costs time, so that those that bound nothing
// are left out where they are apart from each other.
func (c *cgroups) wanted(controller string, l fringe.Limits) bool {
	switch {
	case c.version == 2:
		return true
	case controller == "cpu":
		return l.CPU > 0
	case controller == "pids":
		return l.Pids > 0
	}
	return true
}

func (g *group) limit(l fringe.Limits) error {
	if dir := g.dirs["memory"]; dir != "" && l.Memory > 0 {
		if err := g.limitMemory(dir, strconv.FormatInt(l.Memory, 10)); err != nil {
			return fmt.Errorf("the memory limit: %w", err)
		}
	}
	if dir := g.dirs["pids"]; dir != "" && l.Pids > 0 {
		own := initTasks
		if g.version == 1 {
			own = 1 // the thread that joins
		}
		if err := writeFile(dir, "pids.max", strconv.Itoa(l.Pids+own)); err != nil {
			return fmt.Errorf("the limit of processes: %w", err)
		}
	}
	return nil
}

// limitMemory bounds memory and lets none of it go to swap.
func (g *group) limitMemory(dir, bytes string) error {
	if g.version == 2 {
		writeFile(dir, "memory.swap.max", "0") // absent without swap accounting
		if err := writeFile(dir, "memory.oom.group", "1"); err != nil {
			return err
		}
		return writeFile(dir, "memory.max", bytes)
	}
	if err := writeFile(dir, "memory.limit_in_bytes", bytes); err != nil {
		return err
	}
	if writeFile(dir, "memory.memsw.limit_in_bytes", bytes) != nil {
		writeFile(dir, "memory.swappiness", "0") // no swap accounting
	}
	return g.listen(dir)
}

// listen opens the event of a memory limit that is met, of version 1.
func (g *group) listen(dir string) error {
	control, err := unix.Open(filepath.Join(dir, "memory.oom_control"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	g.watch = append(g.watch, control)
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return err
	}
	g.watch = append(g.watch, event)
	return writeFile(dir, "cgroup.event_control", fmt.Sprintf("%d %d", event, control))
}

// open opens the doors of a group. Who writes 0 there has joined, with what it
// forks from then on. In version 1 that is a thread, and happens at once; before
// the kernel moves a process, as in version 2, it waits for all processors, for
// milliseconds in which nothing forks and nothing ends.
func (g *group) open() error {
	name := "tasks"
	if g.version == 2 {
		name = "cgroup.procs"
	}
	for _, dir := range g.paths() {
		fd, err := unix.Open(filepath.Join(dir, name), unix.O_WRONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("the cgroup %s cannot be joined: %w", dir, err)
		}
		g.doors = append(g.doors, fd)
	}
	return nil
}

// permit gives what init is told once the group has its limits, and the
// descriptors that come along. Without a group there are none.
func (g *group) permit() (o goOrder, fds []int) {
	if g == nil {
		return o, nil
	}
	return goOrder{Doors: len(g.doors)}, append(append(fds, g.doors...), g.watch...)
}

// forget closes what init has by now.
func (g *group) forget() {
	closeAll(g.doors)
	closeAll(g.watch)
	g.doors, g.watch = nil, nil
}

// throttle sets the limit of CPU, and the same as the weight beside other work
// on the machine. It is set last, so that it does not slow the
// set-up down.
func (g *group) throttle(cores float64) error {
	dir := g.dirs["cpu"]
	if dir == "" || cores <= 0 {
		return nil
	}
	quota := strconv.Itoa(max(int(cores*cpuPeriod), 1000))
	if g.version == 2 {
		if err := writeFile(dir, "cpu.weight", strconv.Itoa(weightOf(cores))); err != nil {
			return err
		}
		return writeFile(dir, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
	}
	if err := writeFile(dir, "cpu.shares", strconv.Itoa(shareOf(cores))); err != nil {
		return err
	}
	if err := writeFile(dir, "cpu.cfs_period_us", strconv.Itoa(cpuPeriod)); err != nil {
		return err
	}
	return writeFile(dir, "cpu.cfs_quota_us", quota)
}

// directory opens the group's directory, for a process that is to begin in it.
// Only version 2 has that.
func (g *group) directory() (int, error) {
	return unix.Open(g.paths()[0], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
}

// outOfMemory says whether the kernel killed a process of the group for memory.
func (g *group) outOfMemory() bool {
	dir := g.dirs["memory"]
	if dir == "" {
		return false
	}
	name := "memory.oom_control"
	if g.version == 2 {
		name = "memory.events"
	}
	return readCounter(filepath.Join(dir, name), oomKills) > 0
}

// oomKills counts, in the files of a memory cgroup, the processes that were
// killed for memory.
const oomKills = "oom_kill"

// peak gives the most memory that the group used; 0 when it is not known.
func (g *group) peak() int64 {
	name := "memory.max_usage_in_bytes"
	if g.version == 2 {
		name = "memory.peak"
	}
	return readNumber(filepath.Join(g.dirs["memory"], name))
}

// cpu gives the CPU time that the group used; 0 when it is not known.
func (g *group) cpu() time.Duration {
	if g.version == 2 {
		return time.Duration(readCounter(filepath.Join(g.paths()[0], "cpu.stat"), "usage_usec")) * time.Microsecond
	}
	return time.Duration(readNumber(filepath.Join(g.dirs["cpuacct"], "cpuacct.usage")))
}

// remove takes the group away; its processes have ended.
func (g *group) remove() error {
	var all error
	g.forget()
	for _, dir := range g.paths() {
		all = errors.Join(all, removeCgroup(dir))
	}
	return all
}

// removeCgroup removes a cgroup without processes. The kernel may take a
// moment to see that they are gone.
func removeCgroup(dir string) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for pause := time.Millisecond; ; pause *= 2 {
		<-wait.C
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if !errors.Is(err, unix.EBUSY) || pause > time.Second {
			return err
		}
		wait.Reset(pause)
	}
}

func writeFile(dir, name, text string) error {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func readWords(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Fields(string(text))
}

// readNumber reads a file that holds one number; 0 when it cannot.
func readNumber(path string) int64 {
	words := readWords(path)
	if len(words) != 1 {
		return 0
	}
	n, _ := strconv.ParseInt(words[0], 10, 64)
	return n
}

// readCounter reads the named number of a file of lines "name number".
func readCounter(path, name string) int64 {
	return counterOf(readWords(path), name)
}

func counterOf(words []string, name string) int64 {
	for i := 0; i+1 < len(words); i += 2 {
		if words[i] == name {
			n, _ := strconv.ParseInt(words[i+1], 10, 64)
			return n
		}
	}
	return 0
}
