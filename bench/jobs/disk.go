package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is the disk of temporary files, whose writes a cgroup of version 1 can
// slow for this process and those that it starts. A nil disk is as it is.
type disk struct {
	writes        string // a second
	group, device string
}

// slow measures submissions on a disk that is slow.
func slow(bin string, rounds int, writes string) error {
	var st syscall.Stat_t
	if err := syscall.Stat(os.TempDir(), &st); err != nil {
		return err
	}
	d := &disk{writes, fmt.Sprintf("/sys/fs/cgroup/blkio/fringe-bench-%d", os.Getpid()), fmt.Sprintf("%d:%d", st.Dev>>8&0xfff, st.Dev&0xff|st.Dev>>12&^0xff)}
	if err := os.Mkdir(d.group, 0o755); err != nil {
		return fmt.Errorf("writes cannot be slowed here: %w", err)
	}
	defer os.Remove(d.group)
	if err := enter(d.group); err != nil {
		return err
	}
	defer enter(filepath.Dir(d.group))
	return submit(bin, rounds, d)
}

// enter puts this process into a cgroup, and so those that it starts.
func enter(group string) error {
	return os.WriteFile(filepath.Join(group, "cgroup.procs"), fmt.Append(nil, os.Getpid()), 0)
}

func (d *disk) slow() error {
	if d == nil {
		return nil
	}
	return d.throttle(d.writes)
}

// free lets the disk be as fast as it is.
func (d *disk) free() {
	if d != nil {
		d.throttle("0")
	}
}

func (d *disk) throttle(writes string) error {
	return os.WriteFile(filepath.Join(d.group, "blkio.throttle.write_iops_device"), fmt.Appendf(nil, "%s %s", d.device, writes), 0)
}

// String says in a heading what the disk is.
func (d *disk) String() string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf(", a disk with %s writes a second", d.writes)
}
