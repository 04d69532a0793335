package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"fringe"
	"fringe/catalogue"
	"fringe/jobs"
)

// keyFormat is of the derivation; it changes with what goes into one.
const keyFormat = 1

// derivation names what a call makes: the same derivation, the same products.
// It covers the document of the function with all requirements in force, its
// content, its environment, every input whether or not the command line shows
// it, the cores and the memory that the tool sees, and the identities of the
// data. It is empty when the products answer no other call.
func (l *Local) derivation(ctx context.Context, v *catalogue.Version, env fringe.Environment, limits fringe.Limits, staged map[string]any) (string, error) {
	const op = "site.derivation"
	if !v.Tool.Reuse() {
		return "", nil
	}
	inputs, err := l.identified(ctx, staged)
	if err != nil {
		return "", fringe.E(op, err)
	}
	b, err := json.Marshal([]any{keyFormat, v.Digest, v.Tool.Digest(), env.Digest, limits.CPU, limits.Memory, inputs})
	if err != nil {
		return "", fringe.E(op, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// identified gives a copy of the value in which each File and Directory has its
// identity in the place of where it lies.
func (l *Local) identified(ctx context.Context, v any) (any, error) {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i, x := range v {
			var err error
			if list[i], err = l.identified(ctx, x); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		m := map[string]any{}
		data := v["class"] == "File" || v["class"] == "Directory"
		for k, x := range v {
			if data && (k == "location" || k == "path" || k == "size" || k == "dirname" || k == "checksum") {
				continue
			}
			var err error
			if m[k], err = l.identified(ctx, x); err != nil {
				return nil, err
			}
		}
		if path, _ := v["path"].(string); data && path != "" {
			location, _ := v["location"].(string)
			var err error
			if m["identity"], err = l.identity(ctx, location, path); err != nil {
				return nil, err
			}
		}
		return m, nil
	}
	return v, nil
}

// identity names the bytes of one input without reading them where that can
// be: a product by how it was made, what the site owns by its checksum if it
// has one, what came with the call by its content, all else by a fingerprint
// of its tree.
func (l *Local) identity(ctx context.Context, location, path string) (string, error) {
	if strings.HasPrefix(location, "upload:") {
		return contentOf(path)
	}
	did, err := fringe.ParseDID(location)
	if err != nil {
		return fingerprint(ctx, path)
	}
	if did.Scope == "product" {
		call, output, _ := strings.Cut(did.Name, "/")
		job, err := l.cfg.Jobs.Get(ctx, fringe.CallID(call))
		if err == nil && job.Reused != "" {
			return l.identity(ctx, (fringe.DID{Scope: "product", Name: string(job.Reused) + "/" + output}).String(), path)
		}
		if err == nil && job.Derivation != "" {
			return "derived:" + job.Derivation + "#" + output, nil
		}
		return did.String(), nil // it never changes
	}
	d, err := l.cfg.Data.Get(ctx, did)
	if err != nil {
		return "", err
	}
	if d.Owned && d.Checksum != "" {
		return d.Checksum, nil
	}
	return fingerprint(ctx, path)
}

// contentOf gives the checksum of a file's bytes.
func contentOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// lockFile is in every casacore table; who reads the table writes it.
const lockFile = "table.lock"

// fingerprint names the state of a file or a tree by the path, size, time of
// change and inode of each entry, in their order.
func fingerprint(ctx context.Context, root string) (string, error) {
	h := sha256.New()
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	err = filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || d.Name() == lockFile {
			return err
		}
		return printEntry(h, strings.TrimPrefix(path, real), path)
	})
	if err != nil {
		return "", err
	}
	return "fingerprint:" + hex.EncodeToString(h.Sum(nil)), nil
}

func printEntry(h hash.Hash, name, path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	switch {
	case st.IsDir(): // the time of a directory changes with lock files in it
		fmt.Fprintf(h, "d %q\n", name)
	case st.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(h, "l %q %q\n", name, target)
		if st, err = os.Stat(path); err != nil {
			return nil // it leads nowhere, for the tool too
		}
		fallthrough
	default:
		var inode uint64
		if s, ok := st.Sys().(*syscall.Stat_t); ok {
			inode = s.Ino
		}
		fmt.Fprintf(h, "f %q %d %d %d\n", name, st.Size(), st.ModTime().UnixNano(), inode)
	}
	return nil
}

// remembered gives what was made under a derivation, when all of it is still
// there.
func (l *Local) remembered(ctx context.Context, derivation string) (*jobs.Memo, error) {
	if derivation == "" {
		return nil, nil
	}
	m, found, err := l.cfg.Jobs.Memo(ctx, derivation)
	if err != nil || !found {
		return nil, err
	}
	if there, err := l.stillThere(ctx, m); err != nil || there {
		return &m, err
	}
	return nil, l.cfg.Jobs.Forget(ctx, derivation, m.Job)
}

// stillThere says whether all products that a memo tells of are still there.
func (l *Local) stillThere(ctx context.Context, m jobs.Memo) (bool, error) {
	var outputs any
	if err := json.Unmarshal(m.Outputs, &outputs); err != nil {
		return false, fringe.E("site.stillThere", err)
	}
	return l.present(ctx, outputs), nil
}

// present says whether all products of an output object are there.
func (l *Local) present(ctx context.Context, v any) bool {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			if !l.present(ctx, x) {
				return false
			}
		}
	case map[string]any:
		if v["class"] == "File" || v["class"] == "Directory" {
			location, _ := v["location"].(string)
			if _, err := l.cfg.Data.Resolve(ctx, location, fringe.Principal{}); err != nil {
				return false
			}
		}
		for _, x := range v {
			if !l.present(ctx, x) {
				return false
			}
		}
	}
	return true
}
