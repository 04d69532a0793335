package server

import (
	"bufio"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"fringe/pool"
	"fringe/site"
)

// DefaultListen is where a site listens when nothing else is said.
const DefaultListen = "127.0.0.1:8088"

// Config is the whole configuration of a site.
type Config struct {
	Dir       string        // everything that the site keeps
	Listen    string        // host:port; port 0 takes a free one
	Name      string        // of the site
	CPU       float64       // cores for tasks
	MemoryMiB int64         // memory for tasks
	Queue     int           // jobs that may wait
	PerOwner  int           // jobs of one principal that may wait
	Group     int           // updates of the store that share a commit at most; 0: 256; 1: each has its own
	Shares    site.Shares   // between those whose jobs wait
	Instances int           // warm instances at most
	MaxWait   time.Duration // that a service's call may be expected to wait for an instance; one that would wait longer is refused
	Waiting   int           // service calls that may wait for instances
	WaitMiB   int64         // memory that the inputs of calls that wait may take
	Roots     []string      // directories whose files callers may name by path
	Callbacks []string      // hosts and networks to which callbacks may go, beside public ones
	Private   bool          // callers may name URLs of this machine and of private networks
	Records   time.Duration // how long the record of an ARCHIVED job stays after its end; 0: for ever
	Drain     time.Duration // how long a stop waits for running calls
	QuotaMiB  int64         // data that one principal may keep, unless a quota of his own says otherwise; 0: no bound
	UploadMiB int64         // largest file in a call's own body
	SODA      string        // path of the IVOA SODA service; empty: none
	SODARules []string      // PATTERN=DID: how its IDs name datasets, before the default rules
	LogLevel  string        // debug, info, warn, error
	Log       io.Writer     // takes the structured log
}

// Defaults gives the configuration in force when nothing is said: all cores
// and three quarters of the machine's memory.
func Defaults() Config {
	name, err := os.Hostname()
	if err != nil {
		name = "site"
	}
	return Config{Listen: DefaultListen, Name: name, CPU: float64(runtime.NumCPU()), MemoryMiB: totalMemoryMiB() * 3 / 4,
		Queue: 100_000, PerOwner: 50_000, Instances: 4 * runtime.NumCPU(),
		MaxWait: pool.DefaultMaxWait, Waiting: pool.DefaultWaiting, WaitMiB: pool.DefaultBytes >> 20, Records: 365 * 24 * time.Hour, Drain: 30 * time.Second, UploadMiB: 1024, SODA: "/ska/datasets/soda", LogLevel: "info", Log: os.Stderr}
}

// totalMemoryMiB reads the machine's memory; 4096 when it cannot be read.
func totalMemoryMiB() int64 {
	const fallback = 4096
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return fallback
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		fields := strings.Fields(s.Text())
		if len(fields) >= 2 && fields[0] == "MemTotal:" {
			if kb, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return kb >> 10
			}
		}
	}
	return fallback
}

// Version gives the program's version from its build: the module's version, or
// the commit.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	if version == "" || version == "(devel)" {
		version = "devel"
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				version = s.Value[:min(12, len(s.Value))]
			}
		}
	}
	return version
}
