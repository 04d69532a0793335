package site

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"fringe"
	"fringe/data"
)

// staged is what was made visible for one call of a warm instance.
type staged struct {
	warm   *warm
	name   string  // of the call's directory in warm.dir
	points *points // dir/in, when it can be used again
	mounts []func() error
}

// stage makes the call's directory, and its files visible there.
func (s *staged) stage(ctx context.Context, c *fringe.Call) error {
	const op = "site.stage"
	root := s.warm.root
	if err := root.MkdirAll(s.name, 0o755); err != nil {
		return fringe.E(op, err)
	}
	a, _ := s.warm.inst.(attacher)
	if a != nil {
		if err := s.place(c); err != nil {
			return fringe.E(op, err)
		}
	}
	for _, m := range c.Files {
		host := filepath.Join("calls", strings.TrimPrefix(m.Target, callsDir))
		if s.points == nil {
			if err := root.MkdirAll(filepath.Dir(host), 0o755); err != nil {
				return fringe.E(op, err)
			}
		}
		if a != nil {
			undo, err := a.AddMount(ctx, m)
			if err == nil {
				s.mounts = append(s.mounts, undo)
				continue
			}
			s.warm.site.cfg.Log.Debug("mount into a running instance failed, copying", "source", m.Source, "err", err)
		}
		if s.points != nil { // a copy takes the place of the mount point
			s.points = nil
			if err := root.Remove(host); err != nil {
				return fringe.E(op, err)
			}
		}
		if err := data.CopyInto(ctx, m.Source, root, host); err != nil {
			return fringe.E(op, err)
		}
	}
	return nil
}

// place puts the points of a former call, or new ones, where the call's files
// go. It does nothing for a call without files, or with directories.
func (s *staged) place(c *fringe.Call) error {
	var names []string
	for _, m := range c.Files {
		if st, err := os.Stat(m.Source); err != nil || !st.Mode().IsRegular() {
			return nil // mounting it says what is wrong
		}
		names = append(names, filepath.Base(m.Target))
	}
	if names == nil {
		return nil
	}
	p, err := s.warm.kept.take(s.warm.root, len(names))
	if err == nil {
		err = p.rename(names)
	}
	if err == nil {
		err = p.move(filepath.Join(s.name, inputsDir))
	}
	if err == nil {
		s.points = p
	}
	return err
}

// release takes everything away again.
func (s *staged) release() {
	log := s.warm.site.cfg.Log
	for _, undo := range s.mounts {
		if err := undo(); err != nil {
			log.Warn("mount not released", "dir", s.name, "err", err)
			return // what is below is not ours to remove
		}
	}
	if s.points != nil {
		s.warm.kept.give(s.points)
	}
	if err := s.warm.kept.remove(filepath.Join(s.warm.dir, s.name)); err != nil {
		log.Warn("call scratch not removed", "dir", s.name, "err", err)
	}
}

const (
	inputsDir  = "in" // of a call's directory
	mostPoints = 8    // that an instance keeps
)

// points are the mount points of the files of one call: in a directory, for
// each of them, a directory of its number with an empty file of its name. Making
// and removing them anew would cost more than mounting the files.
type points struct {
	root  *os.Root // which the paths are of
	home  string   // where it is while no call has it; the instance does not see it
	path  string   // where it is
	names []string
}

// kept is what an instance keeps between its calls.
type kept struct {
	mu     sync.Mutex // guards the rest
	made   int        // points, of all times
	points []*points  // that no call has
	left   []string   // directories of calls that are still to be removed
}

// take gives points for n files, which are in no call's directory.
func (k *kept) take(root *os.Root, n int) (*points, error) {
	k.mu.Lock()
	for at, p := range slices.Backward(k.points) {
		if len(p.names) == n {
			k.points = slices.Delete(k.points, at, at+1)
			k.mu.Unlock()
			return p, nil
		}
	}
	k.made++
	p := &points{root: root, home: filepath.Join("points", strconv.Itoa(k.made)), names: make([]string, n)}
	k.mu.Unlock()
	p.path = p.home
	for i := range n {
		p.names[i] = "new"
		at := filepath.Join(p.path, strconv.Itoa(i))
		if err := root.MkdirAll(at, 0o755); err != nil {
			return nil, err
		}
		if err := root.WriteFile(filepath.Join(at, p.names[i]), nil, 0o644); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// give keeps the points of a call that has ended when they are as they were,
// and else leaves them to be removed with its directory.
func (k *kept) give(p *points) {
	was := p.path
	if !p.intact() || p.move(p.home) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.points) < mostPoints {
		k.points = append(k.points, p)
		return
	}
	p.move(was)
}

// remove removes a call's directory, and those that could not be removed
// before: of a call that was given up, its handler may still write there.
func (k *kept) remove(dir string) error {
	k.mu.Lock()
	dirs := append(k.left, dir)
	k.left = nil
	k.mu.Unlock()
	var first error
	for _, dir := range dirs {
		if err := os.RemoveAll(dir); err != nil {
			k.mu.Lock()
			k.left = append(k.left, dir)
			k.mu.Unlock()
			if first == nil {
				first = err
			}
		}
	}
	return first
}

// move moves the points.
func (p *points) move(to string) error {
	if err := p.root.Rename(p.path, to); err != nil {
		return err
	}
	p.path = to
	return nil
}

// rename gives the files their names. What a handler of a former call made of
// the directory cannot lead out of it.
func (p *points) rename(names []string) error {
	if slices.Equal(p.names, names) {
		return nil
	}
	root, err := p.root.OpenRoot(p.path)
	if err != nil {
		return err
	}
	defer root.Close()
	for i, name := range names {
		if name == p.names[i] {
			continue
		}
		dir := strconv.Itoa(i)
		if err := root.Rename(filepath.Join(dir, p.names[i]), filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("the mount point of %s: %w", name, err)
		}
		p.names[i] = name
	}
	return nil
}

// intact says whether nothing was added or taken away.
func (p *points) intact() bool {
	dirs, err := fs.ReadDir(p.root.FS(), p.path)
	if err != nil || len(dirs) != len(p.names) {
		return false
	}
	for i, name := range p.names {
		files, err := fs.ReadDir(p.root.FS(), filepath.Join(p.path, strconv.Itoa(i)))
		if err != nil || len(files) != 1 || files[0].Name() != name || !files[0].Type().IsRegular() {
			return false
		}
	}
	return true
}
