// Package local runs a site of its own for a measurement: the real binary, in
// a temporary directory, on loopback.
package local

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fringe/client"
)

// Site is a site that this program started.
type Site struct {
	Dir    string // temporary; the site's own is Dir/site
	URL    string
	Token  string // the operator's
	Client *client.Client
	Pid    int
	Ready  time.Duration // from its start to its first call

	binary string
	flags  []string
	cmd    *exec.Cmd
}

// Start starts a site with the binary and flags of serve. The caller stops it.
func Start(binary string, flags ...string) (*Site, error) {
	if _, err := os.Stat(binary); err != nil {
		return nil, errors.New(binary + " is not there; make build makes it")
	}
	dir, err := os.MkdirTemp("", "fringe-bench-*")
	if err != nil {
		return nil, err
	}
	s := &Site{Dir: dir, binary: binary, flags: flags}
	if err := s.serve(); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

// serve starts the server and waits for its first line.
func (s *Site) serve() error {
	begin := time.Now()
	s.cmd = exec.Command(s.binary, append([]string{"serve", "--dir", filepath.Join(s.Dir, "site"), "--listen", "127.0.0.1:0", "--log-level", "warn"}, s.flags...)...)
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server did not start: %w", err)
	}
	s.Ready, s.Pid = time.Since(begin), s.cmd.Process.Pid
	go io.Copy(io.Discard, out)
	s.URL = strings.TrimSpace(line[strings.Index(line, "http://"):])
	token, err := os.ReadFile(filepath.Join(s.Dir, "site", "operator.token"))
	if err != nil {
		return err
	}
	s.Token = strings.TrimSpace(string(token))
	s.Client, err = client.New(client.Config{URL: s.URL, Token: s.Token})
	return err
}

// Restart stops the server, calls meanwhile when that is not nil, and starts
// the server on the same directory.
func (s *Site) Restart(meanwhile func() error) error {
	s.halt()
	if meanwhile != nil {
		if err := meanwhile(); err != nil {
			return err
		}
	}
	return s.serve()
}

func (s *Site) halt() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
}

// Stop stops the server and removes its directory.
func (s *Site) Stop() {
	s.halt()
	os.RemoveAll(s.Dir)
}

// Run runs a command of the binary on this site.
func (s *Site) Run(args ...string) error {
	out, err := exec.Command(s.binary, append(args, "--dir", filepath.Join(s.Dir, "site"))...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("fringe %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Memory gives a line of /proc/PID/status of the server, such as VmRSS, in MB.
func (s *Site) Memory(field string) float64 { return Memory(s.Pid, field) }

// Memory gives a line of /proc/PID/status, such as VmHWM, in MB; 0 when it is
// not there.
func Memory(pid int, field string) float64 {
	doc, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(doc)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// CPU gives the processor time that a process and those below it have used.
func CPU(pid int) time.Duration {
	own, below := CPUs(pid)
	return own + below
}

// CPUs gives the processor time that a process has used, and that of those
// below it.
func CPUs(pid int) (own, below time.Duration) {
	const tick = time.Second / 100
	used, parent := map[int]time.Duration{}, map[int]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, stat := range stats {
		doc, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended
		}
		fields := strings.Fields(string(doc[bytes.LastIndexByte(doc, ')')+1:]))
		id, _ := strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		parent[id], _ = strconv.Atoi(fields[1])
		user, _ := strconv.Atoi(fields[11])
		system, _ := strconv.Atoi(fields[12])
		used[id] = time.Duration(user+system) * tick
	}
	for id := range used {
		for up := parent[id]; up != 0; up = parent[up] {
			if up == pid {
				below += used[id]
				break
			}
		}
	}
	return used[pid], below
}
