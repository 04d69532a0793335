package crash_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A server is the site under test: one directory, and a process after another.
type server struct {
	bin, dir, log string

	mu      sync.Mutex // guards all below
	cmd     *exec.Cmd
	url     string
	started int
	refused int // starts that ended by themselves: the disk was full
}

// start starts the server and waits until it is ready, or until within is over,
// when it may not be ready yet.
func (s *server) start(ctx context.Context, within time.Duration) error {
	cmd := exec.Command(s.bin, "serve", "--listen", "127.0.0.1:0", "--cpu", "64", "--memory", "65536", "--drain", "5s", "--dir", s.dir)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.mu.Lock()
	s.cmd, s.url = cmd, ""
	s.started++
	s.mu.Unlock()
	line := make(chan string, 1)
	go func() {
		text, _ := bufio.NewReader(out).ReadString('\n')
		line <- text
		io.Copy(io.Discard, out)
	}()
	select {
	case text := <-line:
		_, address, ok := strings.Cut(text, "http://")
		if !ok {
			cmd.Wait()
			s.mu.Lock()
			s.cmd = nil
			s.refused++
			s.mu.Unlock()
			return fmt.Errorf("the server does not start: %s", s.tail())
		}
		s.mu.Lock()
		s.url = "http://" + strings.TrimSpace(address)
		s.mu.Unlock()
	case <-time.After(within):
	case <-ctx.Done():
	}
	return nil
}

// address gives the server's URL; empty while there is none.
func (s *server) address() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

func (s *server) pid() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0
	}
	return s.cmd.Process.Pid
}

// kill ends the server by a signal and waits until it is gone.
func (s *server) kill(sig syscall.Signal) error {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd, s.url = nil, ""
	s.mu.Unlock()
	if cmd == nil {
		return nil
	}
	cmd.Process.Signal(sig)
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	select {
	case <-gone:
		return nil
	case <-time.After(time.Minute):
		cmd.Process.Signal(syscall.SIGQUIT)
		<-gone
		return fmt.Errorf("the server does not end by %v", sig)
	}
}

// tail gives the last lines of the server's log.
func (s *server) tail() string {
	text, _ := os.ReadFile(s.log)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// name gives the name by which the site's sandboxes and cgroups are known.
func (s *server) name(t *testing.T) string {
	t.Helper()
	base, err := filepath.EvalSymlinks(filepath.Join(s.dir, "process", "root"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(base))
	return hex.EncodeToString(sum[:6])
}

// cli runs a command of the binary at the running site.
func (s *server) cli(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(s.bin, args...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.dir, "FRINGE_DIR=" + s.dir}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("fringe %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// A disk is what the site lies on, and how it can be made worse.
type disk struct {
	dir    string
	filler string // fills it up; empty: it is too large for that
	slow   string // a cgroup that slows the server's writes; empty: it cannot be slowed here
	device string
}

// small gives a file system of its own, in memory, that can be full.
func small(t *testing.T, bytes int) *disk {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("fringe-crash", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Fatalf("no small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &disk{dir: dir, filler: filepath.Join(dir, "filler")}
}

// large gives a directory of the machine's disk, whose writes can be slowed by
// a cgroup of version 1 where there is one that this process may make.
func large(t *testing.T) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir()}
	var st unix.Stat_t
	if err := unix.Stat(d.dir, &st); err != nil {
		t.Fatal(err)
	}
	group := fmt.Sprintf("/sys/fs/cgroup/blkio/fringe-crash-%d", os.Getpid())
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Logf("writes cannot be slowed on this machine: %v", err)
		return d
	}
	t.Cleanup(func() {
		if err := os.Remove(group); err != nil {
			t.Error(err)
		}
	})
	d.slow, d.device = group, fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	return d
}

// fill fills the disk to the last block.
func (d *disk) fill() error {
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, unix.ENOSPC) {
			size /= 2
		} else if err != nil {
			return err
		}
	}
	return nil
}

// empty gives the room back.
func (d *disk) empty() error { return os.Truncate(d.filler, 0) }

// throttle lets the process write that many times a second; 0 is without bound.
func (d *disk) throttle(pid, writes int) error {
	file := filepath.Join(d.slow, "blkio.throttle.write_iops_device")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%s %d", d.device, writes), 0); err != nil {
		return err
	}
	if pid == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(d.slow, "cgroup.procs"), fmt.Append(nil, pid), 0)
}
