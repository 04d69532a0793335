package server

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"

	"fringe"
	"fringe/python"
)

// installPython writes the embedded Python package below dir, under a name
// made of its content, and gives the directory for PYTHONPATH.
func installPython(dir string) (string, error) {
	const op = "server.installPython"
	sum := sha256.New()
	files := map[string][]byte{}
	err := fs.WalkDir(python.Files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := python.Files.ReadFile(p)
		sum.Write([]byte(p))
		sum.Write(b)
		files[p] = b
		return err
	})
	if err != nil {
		return "", fringe.E(op, err)
	}
	final := filepath.Join(dir, "python", hex.EncodeToString(sum.Sum(nil))[:16])
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", fringe.E(op, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(final), "new-*")
	if err != nil {
		return "", fringe.E(op, err)
	}
	defer os.RemoveAll(tmp)
	for p, b := range files {
		if err := os.MkdirAll(filepath.Join(tmp, filepath.Dir(p)), 0o755); err != nil {
			return "", fringe.E(op, err)
		}
		if err := os.WriteFile(filepath.Join(tmp, p), b, 0o644); err != nil {
			return "", fringe.E(op, err)
		}
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", fringe.E(op, err)
	}
	if err := os.Rename(tmp, final); err != nil {
		return "", fringe.E(op, err)
	}
	return final, nil
}
