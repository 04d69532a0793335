package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fringe"
)

// layers are directories laid over an environment's root. Only those entries
// of the root that a layer has too become overlays; the others are bound.
type layers struct {
	root  string
	dirs  []string            // the uppermost first
	lower map[string][]string // entry of the tree → directories to lay over each other, the uppermost first
	files map[string]string   // entry of the tree → file of a layer
}

// read finds what the layers cover, given the entries of the root.
func (ly *layers) read(entries []fs.DirEntry) error {
	ly.lower, ly.files = map[string][]string{}, map[string]string{}
	links, dirs := map[string]string{}, map[string]bool{}
	for _, e := range entries {
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(ly.root, e.Name()))
			if err != nil {
				return err
			}
			links[e.Name()] = path.Join("/", target)[1:]
		}
		dirs[e.Name()] = e.IsDir()
	}
	for _, dir := range ly.dirs {
		if err := ly.add(dir, links); err != nil {
			return err
		}
	}
	for name := range ly.lower {
		if dirs[name] || strings.Contains(name, "/") {
			ly.lower[name] = append(ly.lower[name], filepath.Join(ly.root, name))
		}
	}
	return nil
}

// add finds what the layer dir covers. Where the root has a symbolic link (a
// merged /usr) and the layer a directory, the layer's content goes to where the
// link leads.
func (ly *layers) add(dir string, links map[string]string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return startError(fringe.NotFound, "the layer %s of the environment cannot be read: %w", dir, err)
	}
	for _, e := range entries {
		name, src := e.Name(), filepath.Join(dir, e.Name())
		target, linked := links[name]
		switch {
		case ownTop[name]:
		case e.IsDir() && linked:
			ly.lower[target] = append(ly.lower[target], src)
			if st, err := os.Stat(filepath.Join(dir, target)); err == nil && st.IsDir() {
				ly.lower[target] = append(ly.lower[target], filepath.Join(dir, target))
			}
		case e.IsDir():
			ly.lower[name] = append(ly.lower[name], src)
		case e.Type().IsRegular() && !linked && ly.files[name] == "":
			ly.files[name] = src
		}
	}
	return nil
}

// covers says whether the layers bring the entry name of the root.
func (ly *layers) covers(name string) bool {
	return len(ly.lower[name]) > 0 || ly.files[name] != ""
}

// layered brings in what the layers cover, then what the host has mounted
// below it, which an overlay does not show.
func (t *tree) layered(ly *layers) error {
	if len(ly.lower) == 0 && len(ly.files) == 0 {
		return nil
	}
	for name, src := range ly.files {
		if err := t.bind(fringe.Mount{Source: src, Target: "/" + name}); err != nil {
			return err
		}
	}
	mounted, err := mountPoints()
	if err != nil {
		return err
	}
	for _, nested := range []bool{false, true} { // usr before usr/lib
		for name, lower := range ly.lower {
			if strings.Contains(name, "/") != nested {
				continue
			}
			if err := t.overlay("/"+name, lower); err != nil {
				return err
			}
			if err := t.submounts(filepath.Join(ly.root, name), "/"+name, mounted); err != nil {
				return err
			}
		}
	}
	return nil
}

// overlay mounts the directories lower, read-only and the uppermost first, at
// target.
func (t *tree) overlay(target string, lower []string) error {
	if len(lower) == 1 {
		return t.bind(fringe.Mount{Source: lower[0], Target: target})
	}
	var names []string
	for _, dir := range lower {
		fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return startError(fringe.NotFound, "the layer %s cannot be opened: %w", dir, err)
		}
		defer unix.Close(fd)
		names = append(names, fmt.Sprintf("/proc/self/fd/%d", fd))
	}
	at, err := t.point(target, true)
	if err != nil {
		return err
	}
	defer unix.Close(at)
	err = unix.Mount("fringe-layers", fmt.Sprintf("/proc/self/fd/%d", at), "overlay", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "lowerdir="+strings.Join(names, ":"))
	if err != nil {
		e := startError(fringe.Unavailable, "the environment's layers cannot be laid over %s: %w", target, err)
		e.Cure = "Overlays need Linux 5.11 or later, the kernel module overlay, and a root that is not an overlay of overlays; `fringe doctor` says what this machine has."
		return e
	}
	return nil
}

// submounts binds at target what is mounted below the directory dir of the host.
func (t *tree) submounts(dir, target string, mounted []string) error {
	done := "\x00"
	for _, m := range mounted {
		rel, below := strings.CutPrefix(m, strings.TrimSuffix(dir, "/")+"/")
		if !below || strings.HasPrefix(m, done+"/") || strings.HasPrefix(m, t.at+"/") || m == t.at {
			continue
		}
		fd, err := t.open(path.Join(target, rel))
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		unix.Close(fd)
		if err := t.bind(fringe.Mount{Source: m, Target: path.Join(target, rel)}); err != nil {
			return err
		}
		done = m // what is mounted below came with it
	}
	return nil
}

// mountPoints lists the mount points of this mount namespace, sorted.
func mountPoints() ([]string, error) {
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	var points []string
	for _, m := range mounts {
		points = append(points, m.point)
	}
	return sortedUnique(points), nil
}
