package build

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"fringe"
)

//go:embed freeze.py
var freezeScript string

// normalRE finds what package indexes take for the same in names.
var normalRE = regexp.MustCompile(`[-_.]+`)

// venvMark is the file in a virtual environment that is written last.
const venvMark = ".fringe.json"

// python is the interpreter of an environment.
type python struct {
	path    string // absolute, in the environment's root: /usr/bin/python3.11
	version string // "3.11.2"
	venv    string // absolute; empty when there is none
	frozen  []string
}

// interpreter finds the declared interpreter in the environment's root.
func (b *Builder) interpreter(ctx context.Context, w *work, a apt) (python, error) {
	if w.decl.Python == "" {
		return python{}, nil
	}
	asked := "/usr/bin/python" + w.decl.Python
	path, ok := b.follow(a.layer, asked)
	if !ok {
		return python{}, &fringe.Error{Op: "build.Build", Kind: fringe.Unavailable, Component: fringe.Build,
			Message: "environment " + string(w.decl.Name) + " declares python: \"" + w.decl.Python + "\", and there is no " + asked + " here; there are: " + b.interpreters(),
			Cure:    "name one of these, or add python" + w.decl.Python + " to packages.apt"}
	}
	out, err := w.inRoot(ctx, b, a, "", path, "-I", "-c", "import platform; print('python', platform.python_version())")
	m := regexp.MustCompile(`python (3\S+)`).FindStringSubmatch(out)
	if err != nil || m == nil {
		return python{}, w.fail(fringe.Unavailable, err, "the interpreter %s of environment %s does not start", path, w.decl.Name)
	}
	return python{path: path, version: m[1]}, nil
}

// follow resolves symbolic links in the root that a layer makes; false when
// there is no such file.
func (b *Builder) follow(layer, path string) (string, bool) {
	for range 10 {
		at := path
		if layer != "" {
			if over := filepath.Join(b.dir, "layers", layer, path); exists(over) {
				at = over
			}
		}
		to, err := os.Readlink(at)
		if err != nil {
			return path, exists(at)
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return path, false
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (b *Builder) interpreters() string {
	found, _ := filepath.Glob("/usr/bin/python3*")
	found = slices.DeleteFunc(found, func(p string) bool {
		return !pythonRE.MatchString(strings.TrimPrefix(p, "/usr/bin/python"))
	})
	if len(found) == 0 {
		return "none"
	}
	return strings.Join(found, ", ")
}

// inRoot runs a command in the environment's root, which is the host's own or
// one with a layer, and gives what it printed. keep is a directory that it may
// write in; empty is none.
func (w *work) inRoot(ctx context.Context, b *Builder, a apt, keep string, argv ...string) (string, error) {
	w.mu.Lock()
	w.tail = nil
	w.mu.Unlock()
	var err error
	if a.layer == "" {
		err = w.tool(ctx, argv...)
	} else {
		tmp := filepath.Join(b.dir, "tmp", "run-"+string(w.decl.Name))
		if err := fresh(tmp, "work", "root"); err != nil {
			return "", err
		}
		defer os.RemoveAll(tmp)
		if keep == "" {
			keep = "-"
		}
		err = w.inLayer(ctx, layerRun{tmp: tmp, upper: filepath.Join(b.dir, "layers", a.layer), mode: "ro", keep: keep}, argv)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.tail), err
}

// venvKey covers all that a virtual environment depends on.
func (w *work) venvKey(a apt, p python) string {
	pip := slices.Sorted(slices.Values(w.decl.Packages.Pip))
	return hexOf(digestOf([]any{pip, p.path, p.version, w.decl.systemPackages(), a.closure, a.layer}))[:32]
}

// venv makes the virtual environment, or takes the one that was made from the
// same packages.
func (b *Builder) venv(ctx context.Context, w *work, a apt, p python) (python, error) {
	if len(w.decl.Packages.Pip) == 0 {
		return p, nil
	}
	key := w.venvKey(a, p)
	p.venv = filepath.Join(b.dir, "venvs", key)
	l, err := b.lock(ctx, "venv-"+key, false, func() { w.say("waiting for another build that installs the same packages") })
	if err != nil {
		return p, err
	}
	defer l.release()
	if p.frozen, err = readMark(p.venv); err == nil {
		w.say("the virtual environment is there already")
		return p, nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		w.say("the virtual environment is damaged and is made again: %v", err)
	}
	if err := removeTree(p.venv); err != nil {
		return p, err
	}
	if err := os.Mkdir(p.venv, 0o755); err != nil {
		return p, err
	}
	if p.frozen, err = b.install(ctx, w, a, p); err != nil {
		_ = removeTree(p.venv)
		return p, err
	}
	mark, err := json.Marshal(p.frozen)
	if err != nil {
		return p, err
	}
	if err := readOnly(p.venv); err != nil {
		return p, err
	}
	_ = w.tool(ctx, "sync", "-f", p.venv)
	return p, writeFile(filepath.Join(p.venv, venvMark), mark)
}

// install makes the virtual environment in place and gives what pip installed.
func (b *Builder) install(ctx context.Context, w *work, a apt, p python) ([]string, error) {
	w.say("making a virtual environment of Python %s", p.version)
	argv := []string{p.path, "-m", "venv"}
	if w.decl.systemPackages() {
		argv = append(argv, "--system-site-packages")
	}
	if said, err := w.inRoot(ctx, b, a, p.venv, append(argv, p.venv)...); err != nil {
		if strings.Contains(said, "ensurepip") {
			return nil, &fringe.Error{Op: "build.Build", Kind: fringe.Unavailable, Component: fringe.Build,
				Message: "environment " + string(w.decl.Name) + " has pip packages, and " + p.path + " cannot make virtual environments here",
				Cure:    "run: sudo apt-get install python3-venv; or add python3-venv to packages.apt"}
		}
		return nil, w.stepFailed(ctx, fringe.Unavailable, err, "the virtual environment of "+string(w.decl.Name)+" could not be made")
	}
	py := filepath.Join(p.venv, "bin", "python3")
	w.say("installing %s", plural(len(w.decl.Packages.Pip), "pip package"))
	argv = append([]string{py, "-m", "pip", "install", "--no-input", "--no-cache-dir", "--progress-bar", "off", "--"}, w.decl.Packages.Pip...)
	if said, err := w.inRoot(ctx, b, a, p.venv, argv...); err != nil {
		kind := fringe.Invalid
		if strings.Contains(said, "NewConnectionError") || strings.Contains(said, "Temporary failure in name resolution") {
			kind = fringe.Unavailable
		}
		return nil, w.stepFailed(ctx, kind, err, "pip could not install "+strings.Join(w.decl.Packages.Pip, ", ")+" for environment "+string(w.decl.Name))
	}
	return b.frozen(ctx, w, a, p)
}

// frozen gives the exact versions of what is in a virtual environment, and of
// what its requirements find among the system's packages.
func (b *Builder) frozen(ctx context.Context, w *work, a apt, p python) ([]string, error) {
	py := p.program()
	local, err := w.inRoot(ctx, b, a, p.venv, py, "-m", "pip", "freeze", "--local")
	if err != nil {
		return nil, w.stepFailed(ctx, fringe.Internal, err, "pip could not list what it installed for environment "+string(w.decl.Name))
	}
	needed, err := w.inRoot(ctx, b, a, p.venv, append([]string{py, "-c", freezeScript}, w.decl.Packages.Pip...)...)
	if err != nil {
		return nil, w.stepFailed(ctx, fringe.Internal, err, "the versions in environment "+string(w.decl.Name)+" could not be listed")
	}
	byName := map[string]string{}
	for line := range strings.SplitSeq(needed+"\n"+local, "\n") { // pip's own lines tell URLs too
		name := strings.FieldsFunc(line, func(r rune) bool { return r == '=' || r == ' ' || r == '@' })
		if strings.Contains(line, "==") || strings.Contains(line, " @ ") {
			byName[normalRE.ReplaceAllString(strings.ToLower(name[0]), "-")] = strings.TrimSpace(line)
		}
	}
	return slices.Sorted(maps.Values(byName)), nil
}

func (w *work) stepFailed(ctx context.Context, kind fringe.Kind, err error, what string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return w.fail(kind, err, "%s", what)
}

// probe imports the modules that a worker will load before its first call.
func (b *Builder) probe(ctx context.Context, w *work, a apt, p python, modules string) error {
	if len(w.decl.Preload) == 0 {
		return nil
	}
	w.say("importing %s", strings.Join(w.decl.Preload, ", "))
	argv := []string{"/usr/bin/env"}
	if modules != "" {
		argv = append(argv, "PYTHONPATH="+filepath.Join(b.dir, "modules", modules), "PYTHONDONTWRITEBYTECODE=1")
	}
	for _, k := range sortedKeys(w.decl.Variables) {
		argv = append(argv, k+"="+w.decl.Variables[k])
	}
	argv = append(argv, p.program(), "-c", "import "+strings.Join(w.decl.Preload, ", "))
	if _, err := w.inRoot(ctx, b, a, p.venv, argv...); err != nil {
		return w.stepFailed(ctx, fringe.Invalid, err, "the preloaded modules of environment "+string(w.decl.Name)+" cannot be imported")
	}
	return nil
}

// program is the interpreter that instances run.
func (p python) program() string {
	if p.venv != "" {
		return filepath.Join(p.venv, "bin", "python3")
	}
	return p.path
}

// readMark gives what pip installed into a complete virtual environment.
func readMark(venv string) ([]string, error) {
	data, err := os.ReadFile(filepath.Join(venv, venvMark))
	if err != nil {
		return nil, err
	}
	var frozen []string
	return frozen, json.Unmarshal(data, &frozen)
}

// readOnly takes the write permissions of all files below dir away; of
// directories too, but of dir itself.
func readOnly(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()&^0o222)
	})
}

// removeTree removes dir, also when it is read-only.
func removeTree(dir string) error {
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			return os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.RemoveAll(dir)
}
