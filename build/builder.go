package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"fringe"
)

// Config says where a Builder keeps what it builds.
type Config struct {
	Dir string       // made when missing
	Log *slog.Logger // nil drops it
	Env []string     // environment of apt-get and pip, KEY=value; nil is that of this process
}

// Builder builds environments. It may be used by several goroutines, and
// several processes may have a Builder on the same directory.
type Builder struct {
	dir string
	log *slog.Logger
	env []string

	mu       sync.Mutex               // guards verified and parsed
	verified map[fringe.Digest]string // the host stamp with which Load last found the host's packages right
	parsed   map[fringe.Digest]parsed // the manifests that were read
}

// New gives a Builder that is ready.
func New(cfg Config) (*Builder, error) {
	const op = "build.New"
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil || cfg.Dir == "" {
		return nil, fringe.Errorf(op, fringe.Invalid, "the directory %q for environments is not a path", cfg.Dir)
	}
	if strings.ContainsAny(dir, ",:\\\n") {
		return nil, fringe.Errorf(op, fringe.Invalid, "the directory %q for environments has a comma, colon or backslash in its path, which overlayfs cannot take; choose another", dir)
	}
	b := &Builder{dir: dir, log: cfg.Log, env: cfg.Env, verified: map[fringe.Digest]string{}, parsed: map[fringe.Digest]parsed{}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	for _, sub := range []string{"environments", "layers", "venvs", "modules", "last", "logs", "locks", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Build,
				Message: "the directory for environments cannot be made", Cure: "check that " + dir + " is writable", Err: err}
		}
	}
	return b, nil
}

// Build builds the environment that d declares, or finds that nothing has
// changed since it was last built. What the tools say goes to progress, line by
// line, and to a log that is kept; nil drops it. When another build of the same
// environment is under way, Build waits for it. When ctx ends, the tools are
// killed and ctx's error is returned.
//
// A requirement without an exact version keeps the version that it was first
// resolved to for as long as the declaration stays the same; to take newer
// ones, remove the environment first.
func (b *Builder) Build(ctx context.Context, d Declaration, progress io.Writer) (fringe.Environment, error) {
	const op = "build.Build"
	if progress == nil {
		progress = io.Discard
	}
	d = d.withDefaults()
	if bad := d.check(); bad != nil {
		return fringe.Environment{}, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Build, Message: bad.key + ": " + bad.message, Cure: bad.cure}
	}
	using, err := b.lock(ctx, "remove", true, func() {})
	if err != nil {
		return fringe.Environment{}, b.wrap(op, err)
	}
	defer using.release()
	l, err := b.lock(ctx, "env-"+string(d.Name), false, func() {
		fmt.Fprintf(progress, "fringe: environment %s is being built already; waiting\n", d.Name)
	})
	if err != nil {
		return fringe.Environment{}, b.wrap(op, err)
	}
	defer l.release()
	if env, ok := b.cached(d); ok {
		fmt.Fprintf(progress, "fringe: environment %s is up to date (%s)\n", d.Name, short(env.Digest))
		return env, nil
	}
	env, err := b.build(ctx, d, progress)
	if err != nil {
		b.log.Warn("environment not built", "environment", d.Name, "error", err)
		return fringe.Environment{}, b.wrap(op, err)
	}
	b.log.Info("environment built", "environment", d.Name, "digest", env.Digest)
	return env, nil
}

// wrap gives errors of the disk a sentence; the others have theirs.
func (b *Builder) wrap(op string, err error) error {
	var fe *fringe.Error
	if errors.As(err, &fe) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &fringe.Error{Op: op, Kind: fringe.Unavailable, Component: fringe.Build, Err: err,
		Message: "the environment cannot be written", Cure: "check that " + b.dir + " is writable and that its disk has space"}
}

// cached gives the environment when nothing has changed since its last build.
func (b *Builder) cached(d Declaration) (fringe.Environment, bool) {
	l, ok := b.readLast(d.Name)
	if !ok || l.Declaration != digestOf(d) {
		return fringe.Environment{}, false
	}
	m, err := b.read(l.Digest)
	if err != nil {
		return fringe.Environment{}, false
	}
	if stamp := hostStamp(d.Python); stamp != l.Host {
		host, err := readDpkg("/" + statusFile)
		if err != nil || m.Layer == "" && len(host.differences(m.Closure)) > 0 || m.Layer != "" && host.conflict(m.Closure) {
			return fringe.Environment{}, false
		}
		if m.Environment.Python != "" && !strings.Contains(stamp, lastPart(l.Host)) {
			return fringe.Environment{}, false
		}
	}
	return m.Environment, true
}

// lastPart is the part of a host stamp that is about the interpreter.
func lastPart(stamp string) string {
	parts := strings.Split(strings.TrimSuffix(stamp, ";"), ";")
	return parts[len(parts)-1]
}

// conflict says whether the host has one of the packages in another version
// than the layer was made with.
func (db *dpkg) conflict(versions map[string]string) bool {
	for name, version := range versions {
		if p, ok := db.packages[name]; ok && p.version != version {
			return true
		}
	}
	return false
}

// build resolves, installs and stores. The caller holds the lock of the name.
func (b *Builder) build(ctx context.Context, d Declaration, progress io.Writer) (fringe.Environment, error) {
	now := time.Now().UTC()
	logName := string(d.Name) + "-" + now.Format("20060102T150405.000Z") + ".log"
	w := &work{decl: d, logPath: filepath.Join(b.dir, "logs", logName), progress: progress, env: b.env}
	var err error
	if w.log, err = os.Create(w.logPath); err != nil {
		return fringe.Environment{}, err
	}
	defer w.log.Close()
	w.say("building environment %s", d.Name)
	stamp := hostStamp(d.Python)
	host, err := readDpkg("/" + statusFile)
	if err != nil {
		return fringe.Environment{}, err
	}
	a, err := b.apt(ctx, w, host)
	if err != nil {
		return fringe.Environment{}, err
	}
	p, err := b.interpreter(ctx, w, a)
	if err != nil {
		return fringe.Environment{}, err
	}
	if p, err = b.venv(ctx, w, a, p); err != nil {
		return fringe.Environment{}, err
	}
	modules, err := b.modules(d)
	if err != nil {
		return fringe.Environment{}, err
	}
	if err := b.probe(ctx, w, a, p, modules); err != nil {
		return fringe.Environment{}, err
	}
	m := assemble(d, a, p)
	m.Built, m.Log, m.Modules = now, logName, modules
	digest := m.Environment.Digest
	if old, err := b.read(digest); err == nil {
		m = old // the same packages again: the first build stands
	}
	if err := b.write(m, last{digestOf(d), stamp, digest}); err != nil {
		return fringe.Environment{}, err
	}
	w.say("environment %s is built (%s)", d.Name, short(digest))
	m, err = b.read(digest)
	return m.Environment, err
}

// assemble makes the manifest of what was resolved. Its digest covers the
// declaration and the exact versions of all packages.
func assemble(d Declaration, a apt, p python) manifest {
	packages := map[string]string{}
	for _, w := range d.Packages.Apt {
		name, _, _ := strings.Cut(w, "=")
		if v, ok := a.closure[name]; ok {
			packages["apt:"+name] = v
		}
	}
	if p.version != "" {
		packages["python"] = p.version
	}
	for _, f := range p.frozen {
		if name, version, ok := strings.Cut(f, "=="); ok {
			packages["pip:"+name] = version
		} else if name, from, ok := strings.Cut(f, " @ "); ok {
			packages["pip:"+name] = from
		}
	}
	m := manifest{Layer: a.layer, Closure: a.closure}
	if p.venv != "" {
		m.Venv = filepath.Base(p.venv)
	}
	m.Environment = fringe.Environment{
		Name: d.Name, Description: d.Description, Contract: d.Contract, Python: p.program(), Preload: d.Preload, Start: d.Start,
		Variables: d.Variables, Limits: d.Limits, Packages: packages,
		Digest: digestOf([]any{d, a.closure, a.layer, p.path, p.version, p.frozen}),
	}
	return m
}

// Load gives a built environment, which is shared: its maps and lists must not
// be changed. It fails with Unavailable when packages of the host that it was
// built with have changed or are gone.
func (b *Builder) Load(ctx context.Context, digest fringe.Digest) (fringe.Environment, error) {
	if err := ctx.Err(); err != nil {
		return fringe.Environment{}, err
	}
	m, err := b.read(digest)
	if err != nil {
		return fringe.Environment{}, err
	}
	if m.Layer != "" || len(m.Closure) == 0 {
		return m.Environment, nil
	}
	stamp := hostStamp("")
	b.mu.Lock()
	known := b.verified[digest] == stamp
	b.mu.Unlock()
	if known {
		return m.Environment, nil
	}
	host, err := readDpkg("/" + statusFile)
	if err != nil {
		return fringe.Environment{}, b.wrap("build.Load", err)
	}
	if diff := host.differences(m.Closure); len(diff) > 0 {
		return fringe.Environment{}, &fringe.Error{Op: "build.Load", Kind: fringe.Unavailable, Component: fringe.Build,
			Message: fmt.Sprintf("environment %s was built with packages of this machine that have changed since: %s", m.Environment.Name, strings.Join(diff[:min(3, len(diff))], ", ")),
			Cure:    fmt.Sprintf("build it again: fringe env build PATH, with the directory of its environment.yaml, such as environments/%s", m.Environment.Name)}
	}
	b.mu.Lock()
	b.verified[digest] = stamp
	b.mu.Unlock()
	return m.Environment, nil
}

// List gives all built environments, by name and the newest first. Damaged
// ones are left out.
func (b *Builder) List(ctx context.Context) ([]fringe.Environment, error) {
	all, err := b.manifests(ctx)
	if err != nil {
		return nil, b.wrap("build.List", err)
	}
	out := make([]fringe.Environment, len(all))
	for i, m := range all {
		out[i] = m.Environment
	}
	return out, nil
}

func (b *Builder) manifests(ctx context.Context) ([]manifest, error) {
	entries, err := os.ReadDir(filepath.Join(b.dir, "environments"))
	if err != nil {
		return nil, err
	}
	var all []manifest
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		name, ok := strings.CutSuffix(e.Name(), ".json")
		if !ok {
			continue
		}
		if m, err := b.read(fringe.Digest("sha256:" + name)); err == nil {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(x, y manifest) int {
		if c := strings.Compare(string(x.Environment.Name), string(y.Environment.Name)); c != 0 {
			return c
		}
		return y.Built.Compare(x.Built)
	})
	return all, nil
}

// Remove removes a built environment, its log, and the layer, the virtual
// environment and the modules when no other environment has them. It fails with Busy while an
// environment is being built. That no instance uses it is for the caller to
// see to.
func (b *Builder) Remove(ctx context.Context, digest fringe.Digest) error {
	const op = "build.Remove"
	l, ok, err := b.tryLock("remove", false)
	if err != nil {
		return b.wrap(op, err)
	}
	if !ok {
		return &fringe.Error{Op: op, Kind: fringe.Busy, Component: fringe.Build, Message: "an environment is being built", Cure: "remove this one when the build has ended"}
	}
	defer l.release()
	if !validDigest(digest) || !exists(b.manifestPath(digest)) {
		_, err := b.read(digest) // the sentence for it
		return err
	}
	m, _ := b.read(digest) // a damaged one is removed too
	if err := os.Remove(b.manifestPath(digest)); err != nil {
		return b.wrap(op, err)
	}
	_ = os.Remove(m.Environment.LogPath)
	all, err := b.manifests(ctx)
	if err != nil {
		return b.wrap(op, err)
	}
	if m.Layer != "" && !slices.ContainsFunc(all, func(o manifest) bool { return o.Layer == m.Layer }) {
		err = os.RemoveAll(filepath.Join(b.dir, "layers", m.Layer))
	}
	if m.Venv != "" && !slices.ContainsFunc(all, func(o manifest) bool { return o.Venv == m.Venv }) {
		err = errors.Join(err, removeTree(filepath.Join(b.dir, "venvs", m.Venv)))
	}
	if m.Modules != "" && !slices.ContainsFunc(all, func(o manifest) bool { return o.Modules == m.Modules }) {
		err = errors.Join(err, os.RemoveAll(filepath.Join(b.dir, "modules", m.Modules)))
	}
	if err != nil {
		return b.wrap(op, err)
	}
	return nil
}
