package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"fringe"
	"fringe/cwl"
)

// Bounds of a function's content.
const (
	maxContent = 64 << 20
	maxFiles   = 2000
)

// ignored says which entries are not content.
func ignored(name string) bool {
	return name == ".git" || name == "__pycache__" || strings.HasSuffix(name, ".pyc")
}

// leaf is a file or a symbolic link of a function's content.
type leaf struct {
	path string // with slashes
	mode string // "file", "program" or "link"
	sum  string // of the bytes, or the link's target
}

// copier copies a function's content and takes its digest.
type copier struct {
	ctx      context.Context
	from, to string
	leaves   []leaf
	bytes    int64
	problems cwl.Problems
}

// copyContent copies the directory from into the empty directory to, read-only,
// and gives its digest: over the paths, kinds and bytes of all files. Only the
// files are read-only, so that who may remove a site can do it by rm -r.
func copyContent(ctx context.Context, from, to string) (fringe.Digest, error) {
	c := &copier{ctx: ctx, from: from, to: to}
	err := filepath.WalkDir(from, c.visit)
	switch {
	case err != nil:
		return "", err
	case len(c.problems) > 0:
		return "", c.problems
	}
	return digest(c.leaves), nil
}

func digest(leaves []leaf) fringe.Digest {
	slices.SortFunc(leaves, func(a, b leaf) int { return strings.Compare(a.path, b.path) })
	h := sha256.New()
	for _, l := range leaves {
		fmt.Fprintf(h, "%s\x00%s\x00%s\n", l.path, l.mode, l.sum)
	}
	return fringe.Digest("sha256:" + hex.EncodeToString(h.Sum(nil)))
}

func (c *copier) visit(path string, d fs.DirEntry, err error) error {
	if err == nil {
		err = c.ctx.Err()
	}
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(c.from, path)
	if err != nil {
		return err
	}
	switch {
	case rel == ".":
		return nil
	case ignored(d.Name()):
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	case d.IsDir():
		return os.Mkdir(filepath.Join(c.to, rel), 0o755)
	case len(c.leaves) >= maxFiles:
		return tooLarge("more than %d files", maxFiles)
	case d.Type().IsRegular():
		return c.file(rel)
	case d.Type()&fs.ModeSymlink != 0:
		return c.link(rel)
	}
	c.refuse(rel, "is neither a file nor a directory nor a link", "remove it")
	return nil
}

func (c *copier) refuse(rel, what, cure string) {
	c.problems = append(c.problems, cwl.Problem{File: rel, Message: what, Cure: cure})
}

func tooLarge(format string, args ...any) error {
	return &fringe.Error{Op: "catalogue.Publish", Kind: fringe.TooLarge, Component: fringe.Catalogue,
		Message: "the function's directory has " + fmt.Sprintf(format, args...), Cure: "keep large files as datasets, and name them as inputs"}
}

func (c *copier) file(rel string) error {
	in, err := os.Open(filepath.Join(c.from, rel))
	if errors.Is(err, fs.ErrPermission) {
		c.refuse(rel, "cannot be read", "make it readable")
		return nil
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	l, perm := leaf{path: filepath.ToSlash(rel), mode: "file"}, fs.FileMode(0o444)
	if info.Mode()&0o111 != 0 {
		l.mode, perm = "program", 0o555
	}
	out, err := os.OpenFile(filepath.Join(c.to, rel), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, h), io.LimitReader(in, maxContent-c.bytes+1))
	if err != nil {
		return err
	}
	if c.bytes += n; c.bytes > maxContent {
		return tooLarge("more than %d MiB", maxContent>>20)
	}
	l.sum = hex.EncodeToString(h.Sum(nil))
	c.leaves = append(c.leaves, l)
	return errors.Join(out.Chmod(perm), out.Close())
}

func (c *copier) link(rel string) error {
	target, err := os.Readlink(filepath.Join(c.from, rel))
	if err != nil {
		return err
	}
	to := filepath.Join(filepath.Dir(rel), target)
	if filepath.IsAbs(target) || to == ".." || strings.HasPrefix(to, "../") {
		c.refuse(rel, "is a link that leads out of the directory, to "+target, "copy what it points at")
		return nil
	}
	root, err := os.OpenRoot(c.from)
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.Stat(rel); err != nil {
		c.refuse(rel, "is a link to nothing, in a circle or out of the directory, to "+target, "copy what it should point at")
		return nil
	}
	c.leaves = append(c.leaves, leaf{filepath.ToSlash(rel), "link", target})
	return os.Symlink(target, filepath.Join(c.to, rel))
}

// differences tells in which files two contents differ.
func differences(ctx context.Context, old, new string) []string {
	// What cannot be read any more counts as a difference.
	a, _ := leavesOf(ctx, old)
	b, _ := leavesOf(ctx, new)
	var out []string
	for _, path := range sortedKeys(b) {
		if was, ok := a[path]; !ok {
			out = append(out, "added "+path)
		} else if was != b[path] {
			out = append(out, "changed "+path)
		}
	}
	for _, path := range sortedKeys(a) {
		if _, ok := b[path]; !ok {
			out = append(out, "removed "+path)
		}
	}
	if len(out) > 10 {
		out = append(out[:10], fmt.Sprintf("and %d more", len(out)-10))
	}
	return out
}

// intact says whether the directory holds the very content of a digest.
func intact(ctx context.Context, dir string, d fringe.Digest) bool {
	leaves, err := leavesOf(ctx, dir)
	return err == nil && digest(slices.Collect(maps.Values(leaves))) == d
}

// leavesOf reads a content that is published or about to be, by path.
func leavesOf(ctx context.Context, dir string) (map[string]leaf, error) {
	out := map[string]leaf{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		l, err := leafOf(path, d)
		l.path = filepath.ToSlash(rel)
		out[l.path] = l
		return err
	})
	return out, err
}

func leafOf(path string, d fs.DirEntry) (leaf, error) {
	if d.Type()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		return leaf{mode: "link", sum: target}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return leaf{}, err
	}
	defer f.Close()
	l := leaf{mode: "file"}
	if info, err := f.Stat(); err == nil && info.Mode()&0o111 != 0 {
		l.mode = "program"
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	l.sum = hex.EncodeToString(h.Sum(nil))
	return l, err
}

// place moves a content to where its digest belongs, durably. What is there
// already stays when a version has it and it is intact.
func (c *Catalogue) place(ctx context.Context, from string, d fringe.Digest) error {
	final := c.content(d)
	if c.used(d) && intact(ctx, final, d) {
		return nil
	}
	if err := syncTree(from); err != nil {
		return err
	}
	if err := c.discard(final); err != nil {
		return err
	}
	return errors.Join(os.Rename(from, final), syncFile(c.dir))
}

// discard removes a content. It is moved away first, so that no part of one is
// ever at its place.
func (c *Catalogue) discard(content string) error {
	away, err := os.MkdirTemp(c.path("tmp"), "removed-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(away)
	if err := os.Rename(content, filepath.Join(away, "content")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(away)
}

// syncTree makes all files and directories below dir durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.IsDir() || d.Type().IsRegular()) {
			err = syncFile(path)
		}
		return err
	})
}

// syncFile makes a file, or the entries of a directory, durable.
func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
