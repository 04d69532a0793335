package attempt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"fringe"
	"fringe/cwl"
	"fringe/data"
)

// stage is what lies below WorkDir for one attempt.
type stage struct {
	dir     string // WorkDir
	out     string // the work directory
	in      string // what is seen below InputDir
	scratch string // the driver's
	inside  string // path of out as the tool sees it
	mounts  []fringe.Mount
	views   []*data.View
	extra   int // files and copies with a name of our own
}

func newStage(ctx context.Context, r *Request, e *cwl.Execution) (*stage, error) {
	s, err := openStage(r, e)
	if err != nil {
		return &stage{}, err
	}
	for _, d := range []string{s.out, s.in, s.scratch} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return s, err
		}
	}
	s.mounts = []fringe.Mount{{Source: s.out, Target: e.Dir, Writable: true}, {Source: s.in, Target: InputDir}}
	for i := range e.Stage {
		if err := ctx.Err(); err != nil {
			return s, err
		}
		if err := s.item(ctx, &e.Stage[i], e.Stage[:i]); err != nil {
			return s, err
		}
	}
	return s, nil
}

// item makes one thing visible. Its Source is set to where the bytes are that
// the tool will see.
func (s *stage) item(ctx context.Context, it *cwl.Staged, before []cwl.Staged) error {
	root, rel, err := s.home(it.Target, before)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(filepath.Dir(rel), 0o755); err != nil {
		return fmt.Errorf("%s cannot be staged: %w", it.Target, err)
	}
	switch {
	case it.Source == "" && it.Directory:
		err = root.MkdirAll(rel, 0o755)
	case it.Source == "":
		err = root.WriteFile(rel, it.Literal, 0o644)
	case it.Directory:
		err = root.MkdirAll(rel, 0o755)
	default:
		err = touch(root, rel)
	}
	if err != nil {
		return fmt.Errorf("%s cannot be staged: %w", it.Target, err)
	}
	host := filepath.Join(root.Name(), rel)
	if it.Source == "" {
		it.Source = host
		return nil
	}
	if it.Writable {
		s.extra++
		v, err := data.NewView(ctx, it.Source, filepath.Join(s.dir, "views", fmt.Sprint(s.extra)))
		if err != nil {
			return err
		}
		s.views = append(s.views, v)
		it.Source = v.Path
	} else if it.Directory && isTable(it.Source) {
		s.unlock(ctx, it)
	}
	s.mounts = append(s.mounts, fringe.Mount{Source: it.Source, Target: it.Target, Writable: it.Writable})
	return nil
}

// unlock puts a casacore table that is only read behind a view of its own: a
// process that holds the table's lock elsewhere would block the tool for ever.
// Without overlay mounts the table is mounted as it is.
func (s *stage) unlock(ctx context.Context, it *cwl.Staged) {
	s.extra++
	if v := data.OverlayView(ctx, it.Source, filepath.Join(s.dir, "views", fmt.Sprint(s.extra))); v != nil {
		s.views = append(s.views, v)
		it.Source = v.Path
	}
}

// isTable says whether the directory is a casacore table, such as a
// measurement set.
func isTable(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "table.dat"))
	return err == nil
}

func touch(root *os.Root, rel string) error {
	f, err := root.OpenFile(rel, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		if _, there := root.Lstat(rel); there == nil {
			return nil
		}
		return err
	}
	return f.Close()
}

// home gives the directory in which the file, or the mount point, of a target
// is made, and the path of it there. Symbolic links do not lead out of it.
func (s *stage) home(target string, before []cwl.Staged) (*os.Root, string, error) {
	base, rel := "", ""
	for i := range before {
		b := &before[i]
		if below, ok := strings.CutPrefix(target, b.Target+"/"); ok && b.Directory {
			base, rel = b.Source, below
		}
	}
	if base == "" {
		if below, ok := strings.CutPrefix(target, s.inside+"/"); ok {
			base, rel = s.out, below
		} else if below, ok := strings.CutPrefix(target, InputDir+"/"); ok {
			base, rel = s.in, below
		} else {
			return nil, "", fmt.Errorf("%s is neither in the work directory nor among the inputs", target)
		}
	}
	root, err := os.OpenRoot(base)
	return root, rel, err
}

// settle gives every output a place of its own below the work directory, so
// that each can be moved away: what is an input, lies in a view or would be
// there twice is copied, blocks being shared where the file system can.
func (s *stage) settle(ctx context.Context, e *cwl.Execution, outputs map[string]any) error {
	var claimed []string
	return eachFile(outputs, func(m map[string]any) error {
		return s.claim(ctx, e, m, &claimed)
	})
}

// eachFile calls f for every File and Directory, also for those that belong to
// others.
func eachFile(v any, f func(map[string]any) error) error {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if err := eachFile(x, f); err != nil {
				return err
			}
		}
	case map[string]any:
		if class := v["class"]; class == "File" || class == "Directory" {
			if err := f(v); err != nil {
				return err
			}
			if p, _ := v["path"].(string); class == "Directory" && p != "" {
				relocate(v["listing"], p)
				return eachFile(v["secondaryFiles"], f)
			}
		}
		for _, x := range v {
			if err := eachFile(x, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// relocate gives what is listed of a directory the paths below its place.
func relocate(listing any, dir string) {
	list, _ := listing.([]any)
	for _, x := range list {
		m, ok := x.(map[string]any)
		if !ok {
			continue
		}
		base, _ := m["basename"].(string)
		setPath(m, filepath.Join(dir, base))
		relocate(m["listing"], filepath.Join(dir, base))
	}
}

func setPath(m map[string]any, p string) {
	m["path"], m["location"] = p, cwl.FileURI(p)
}

func (s *stage) claim(ctx context.Context, e *cwl.Execution, m map[string]any, claimed *[]string) error {
	p, _ := m["path"].(string)
	base, _ := m["basename"].(string)
	if p == "" {
		return s.write(m, base, claimed)
	}
	directory := m["class"] == "Directory"
	if directory && within(p, s.out) {
		if err := s.fill(ctx, e, p); err != nil {
			return err
		}
	}
	free := within(p, s.out) && p != s.out
	for _, c := range *claimed {
		free = free && !within(p, c) && !within(c, p)
	}
	if !free {
		to, err := s.fresh(base)
		if err != nil {
			return err
		}
		if err := copyOut(ctx, p, to, s.out); err != nil {
			return err
		}
		p = to
		setPath(m, p)
	}
	*claimed = append(*claimed, p)
	return nil
}

// copyOut copies an output. The work directory itself is copied without the
// copies that are made in it.
func copyOut(ctx context.Context, from, to, out string) error {
	if from != out {
		return data.CopyTree(ctx, from, to)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == copies {
			continue
		}
		if err := data.CopyTree(ctx, filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// copies is the directory, below the work directory, of outputs that needed a
// place of their own.
const copies = ".fringe-outputs"

// fresh gives a place of that name that nothing else has.
func (s *stage) fresh(base string) (string, error) {
	s.extra++
	dir := filepath.Join(s.out, copies, fmt.Sprint(s.extra))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.Join(dir, base), nil
}

// write makes the file or directory of an output that is written out.
func (s *stage) write(m map[string]any, base string, claimed *[]string) error {
	p, err := s.fresh(base)
	if err != nil {
		return err
	}
	if err := writeOut(m, p); err != nil {
		return err
	}
	setPath(m, p)
	*claimed = append(*claimed, p)
	return nil
}

func writeOut(m map[string]any, p string) error {
	if m["class"] == "File" {
		text, _ := m["contents"].(string)
		return os.WriteFile(p, []byte(text), 0o644)
	}
	if err := os.Mkdir(p, 0o755); err != nil {
		return err
	}
	list, _ := m["listing"].([]any)
	for _, x := range list {
		sub, ok := x.(map[string]any)
		if !ok {
			continue
		}
		base, _ := sub["basename"].(string)
		to := filepath.Join(p, base)
		from, _ := sub["path"].(string)
		if from == "" {
			if err := writeOut(sub, to); err != nil {
				return err
			}
			continue
		}
		if err := data.CopyTree(context.Background(), from, to); err != nil {
			return err
		}
	}
	return nil
}

// fill makes an output directory whole without its mounts: what was mounted in
// it is copied to where its mount point lies, and symbolic links that lead by
// a path of the instance lead to the same thing here.
func (s *stage) fill(ctx context.Context, e *cwl.Execution, dir string) error {
	root, err := os.OpenRoot(s.out)
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range e.Stage {
		it := &e.Stage[i]
		below, ok := strings.CutPrefix(it.Target, s.inside+"/")
		if !ok {
			continue
		}
		point := filepath.Join(s.out, below)
		if it.Source == point || !within(point, dir) || !s.isMountPoint(it) {
			continue
		}
		if err := root.RemoveAll(below); err != nil { // the tool may have put a link on the way
			return err
		}
		if err := data.CopyInto(ctx, it.Source, root, below); err != nil {
			return err
		}
		it.Source = point
	}
	return filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink == 0 {
			return err
		}
		return s.relink(ctx, e, p)
	})
}

// isMountPoint says whether the item was mounted, and not made in place.
func (s *stage) isMountPoint(it *cwl.Staged) bool {
	for _, m := range s.mounts {
		if m.Target == it.Target {
			return true
		}
	}
	return false
}

// relink mends one symbolic link. A link that leads nowhere is removed.
func (s *stage) relink(ctx context.Context, e *cwl.Execution, link string) error {
	rel, err := filepath.Rel(s.out, link)
	if err != nil {
		return err
	}
	host, err := e.Locate(s.out, path.Join(s.inside, filepath.ToSlash(rel)))
	if err != nil {
		return os.Remove(link)
	}
	if target, err := os.Readlink(link); err == nil && !filepath.IsAbs(target) && within(host, s.out) {
		return nil
	}
	place, err := s.fresh(filepath.Base(link))
	if err != nil {
		return err
	}
	if !within(host, s.out) {
		err = data.CopyTree(ctx, host, place)
	} else if host, err = filepath.Rel(filepath.Dir(link), host); err == nil {
		err = os.Symlink(host, place)
	}
	if err != nil {
		return err
	}
	return replace(place, link)
}

// replace puts what lies at place where the symbolic link is, at once, so that
// an attempt which is interrupted has the one or the other.
func replace(place, link string) error {
	err := os.Rename(place, link)
	if errors.Is(err, unix.ENOTDIR) {
		err = unix.Renameat2(unix.AT_FDCWD, place, unix.AT_FDCWD, link, unix.RENAME_EXCHANGE)
		if err == nil {
			return os.Remove(place)
		}
	}
	return err
}
