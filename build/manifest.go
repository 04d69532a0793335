package build

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
)

// manifest is what is stored of a built environment.
type manifest struct {
	Environment fringe.Environment `json:"environment"`
	Built       time.Time          `json:"built"`
	Layer       string             `json:"layer,omitempty"`   // name below layers/
	Venv        string             `json:"venv,omitempty"`    // name below venvs/
	Modules     string             `json:"modules,omitempty"` // name below modules/
	Closure     map[string]string  `json:"closure,omitempty"` // apt packages and all they depend on → version
	Log         string             `json:"log"`               // name below logs/
}

// last is what the last build of a name was made from.
type last struct {
	Declaration fringe.Digest `json:"declaration"`
	Host        string        `json:"host"` // hostStamp
	Digest      fringe.Digest `json:"digest"`
}

// digestOf gives the digest of a value's JSON. Maps are written in the order
// of their keys, so equal values have equal digests.
func digestOf(v any) fringe.Digest {
	data, err := json.Marshal(v)
	if err != nil {
		panic("build: a value without JSON: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return fringe.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

func hexOf(d fringe.Digest) string { return strings.TrimPrefix(string(d), "sha256:") }

// validDigest says whether d can be a digest, and so a file's name.
func validDigest(d fringe.Digest) bool {
	b, err := hex.DecodeString(hexOf(d))
	return err == nil && len(b) == sha256.Size && strings.HasPrefix(string(d), "sha256:")
}

// hostStamp changes when packages of the host change, or its interpreter.
func hostStamp(python string) string {
	s := ""
	for _, p := range []string{"/" + statusFile, "/usr/bin/python" + python} {
		if info, err := os.Stat(p); err == nil {
			s += fmt.Sprintf("%s %d %d;", p, info.Size(), info.ModTime().UnixNano())
		}
	}
	return s
}

func (b *Builder) manifestPath(d fringe.Digest) string {
	return filepath.Join(b.dir, "environments", hexOf(d)+".json")
}

// read gives the manifest of a digest with its places filled in, and checks
// that they are there.
func (b *Builder) read(d fringe.Digest) (manifest, error) {
	if !validDigest(d) {
		return manifest{}, fringe.Errorf("build.Load", fringe.Invalid, "%q is not a digest; one is sha256: and 64 hexadecimal digits", d)
	}
	m, err := b.stored(d)
	if os.IsNotExist(err) {
		return m, &fringe.Error{Op: "build.Load", Kind: fringe.NotFound, Component: fringe.Build,
			Message: "the environment " + short(d) + " is not built on this machine", Cure: "build it: fringe env build PATH"}
	}
	if err != nil {
		return m, b.damaged(d, "its manifest cannot be read", err)
	}
	env := &m.Environment
	env.LogPath = filepath.Join(b.dir, "logs", m.Log)
	if m.Layer != "" {
		env.Layers = []string{filepath.Join(b.dir, "layers", m.Layer)}
		if !exists(env.Layers[0]) {
			return m, b.damaged(d, "its layer is gone", nil)
		}
	}
	if m.Venv != "" {
		env.Venv = filepath.Join(b.dir, "venvs", m.Venv)
		if !exists(filepath.Join(env.Venv, venvMark)) {
			return m, b.damaged(d, "its virtual environment is gone", nil)
		}
	}
	if m.Modules != "" {
		env.Modules = filepath.Join(b.dir, "modules", m.Modules)
		if !exists(env.Modules) {
			return m, b.damaged(d, "its modules are gone", nil)
		}
	}
	return m, nil
}

// parsed is a manifest as its file had it.
type parsed struct {
	file fs.FileInfo
	manifest
}

// stored gives the manifest of a digest as it is stored. Its file is parsed
// again only when it is another than at the last time.
func (b *Builder) stored(d fringe.Digest) (manifest, error) {
	path := b.manifestPath(d)
	now, err := os.Stat(path)
	b.mu.Lock()
	p, had := b.parsed[d]
	if err != nil {
		delete(b.parsed, d)
	}
	b.mu.Unlock()
	if err != nil {
		return manifest{}, err
	}
	if had && os.SameFile(p.file, now) && p.file.Size() == now.Size() && p.file.ModTime().Equal(now.ModTime()) {
		return p.manifest, nil
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return manifest{}, err
	}
	p = parsed{file: now}
	if err := json.Unmarshal(data, &p.manifest); err != nil {
		return manifest{}, err
	}
	b.mu.Lock()
	b.parsed[d] = p
	b.mu.Unlock()
	return p.manifest, nil
}

func (b *Builder) damaged(d fringe.Digest, why string, err error) error {
	return &fringe.Error{Op: "build.Load", Kind: fringe.Unavailable, Component: fringe.Build, Err: err,
		Message: "the environment " + short(d) + " is damaged: " + why, Cure: "build it again: fringe env build PATH"}
}

// write stores a manifest and what the name was last built from.
func (b *Builder) write(m manifest, l last) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	if err := writeFile(b.manifestPath(m.Environment.Digest), data); err != nil {
		return err
	}
	return b.writeLast(m.Environment.Name, l)
}

func (b *Builder) writeLast(name fringe.EnvironmentName, l last) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(b.dir, "last", string(name)+".json"), data)
}

func (b *Builder) readLast(name fringe.EnvironmentName) (last, bool) {
	var l last
	data, err := os.ReadFile(filepath.Join(b.dir, "last", string(name)+".json"))
	return l, err == nil && json.Unmarshal(data, &l) == nil
}

// writeFile writes a file whole or not at all, and durably.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}
