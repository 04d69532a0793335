package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"fringe"
)

// Sweep implements fringe.Driver. The mounts of instances vanish with their
// processes.
func (d *Driver) Sweep(ctx context.Context, keep []fringe.InstanceID) error {
	err := errors.Join(d.sweepProcesses(ctx, keep), os.RemoveAll(d.tmp()))
	bases := map[string]bool{}
	for _, base := range d.cgroups.base {
		bases[base] = true
	}
	for base := range bases {
		entries, e := os.ReadDir(base)
		if e != nil && !errors.Is(e, fs.ErrNotExist) {
			err = errors.Join(err, e)
		}
		for _, entry := range entries {
			id, ours := strings.CutPrefix(entry.Name(), d.cgroups.prefix)
			if entry.IsDir() && ours && !slices.Contains(keep, fringe.InstanceID(id)) {
				err = errors.Join(err, d.sweepCgroup(ctx, filepath.Join(base, entry.Name())))
			}
		}
	}
	if err != nil {
		return fringe.E("process.Sweep", err)
	}
	return nil
}

// sweepProcesses ends what has init's role for this site, but those to keep.
// All of its tree goes with it.
func (d *Driver) sweepProcesses(ctx context.Context, keep []fringe.InstanceID) error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	mark := []byte(initName + "\x00" + d.site + "\x00")
	var all error
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		id, ours := bytes.CutPrefix(bytes.TrimRight(line, "\x00"), mark)
		if ours && !slices.Contains(keep, fringe.InstanceID(id)) {
			d.log.Warn("ending an instance of a former run", "pid", pid, "instance", string(id))
			all = errors.Join(all, killAndWait(ctx, fd))
		}
		unix.Close(fd)
	}
	return all
}

// killAndWait kills the process of a pidfd and waits until it is gone.
func killAndWait(ctx context.Context, fd int) error {
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	for ctx.Err() == nil {
		polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, 100)
		if n > 0 {
			return nil
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	return ctx.Err()
}

// sweepGroup ends what is in the group of an instance and removes it.
func (d *Driver) sweepGroup(ctx context.Context, id fringe.InstanceID) error {
	g := d.cgroups.existing(id)
	if g == nil {
		return nil
	}
	var all error
	for _, dir := range g.paths() {
		all = errors.Join(all, d.sweepCgroup(ctx, dir))
	}
	return all
}

// sweepCgroup ends what is in a cgroup and removes it.
func (d *Driver) sweepCgroup(ctx context.Context, dir string) error {
	if d.cgroups.version == 2 {
		writeFile(dir, "cgroup.kill", "1") // with what is just being forked; Linux 5.14 and later
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		pids := readWords(filepath.Join(dir, "cgroup.procs"))
		if len(pids) == 0 {
			break
		}
		for _, word := range pids {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				unix.Kill(pid, unix.SIGKILL)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("processes %s in %s do not end: %w", strings.Join(pids, " "), dir, ctx.Err())
		case <-tick.C:
		}
	}
	return removeCgroup(dir)
}
