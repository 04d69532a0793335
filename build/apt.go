package build

import (
	"context"
	_ "embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"fringe"
)

//go:embed layer.sh
var layerScript string

// apt is what the apt packages of an environment resolved to.
type apt struct {
	layer   string            // name below layers/; empty when the host has all
	closure map[string]string // exact versions of the packages and all they depend on
}

// apt resolves the packages, and installs into a layer what the host has not.
func (b *Builder) apt(ctx context.Context, w *work, host *dpkg) (apt, error) {
	wanted := slices.Clone(w.decl.Packages.Apt)
	missing := host.missing(wanted)
	if len(missing) == 0 {
		if len(wanted) > 0 {
			w.say("the machine has %s already", strings.Join(wanted, ", "))
		}
		return apt{closure: host.closure(wanted)}, nil
	}
	w.say("the machine has not: %s", strings.Join(missing, ", "))
	if err := w.plan(ctx, wanted); err != nil {
		return apt{}, err
	}
	if err := canLayer(w, missing); err != nil {
		return apt{}, err
	}
	return b.layer(ctx, w, wanted)
}

// unknownRE finds the names that apt does not have; pinRE the versions.
var (
	unknownRE = regexp.MustCompile(`(?m)^E: (?:Unable to locate package|Package '|Couldn't find any package by \S+ ')\s*([a-z0-9][a-z0-9+.-]*)`)
	pinRE     = regexp.MustCompile(`(?m)^E: Version '([^']*)' for '([^']*)' was not found`)
)

// plan asks apt-get whether it can install the packages, and says what it would do.
func (w *work) plan(ctx context.Context, wanted []string) error {
	var out strings.Builder
	cmd := command(ctx, w.env, append([]string{"apt-get", "-s", "-q", "install", "-y", "--no-install-recommends", "--"}, wanted...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := run(ctx, cmd)
	said := out.String()
	_, _ = w.log.WriteString(said)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err == nil:
		w.say("%d packages to install", strings.Count("\n"+said, "\nInst "))
		return nil
	case exitCode(err) < 0:
		return &fringe.Error{Op: "build.Build", Kind: fringe.Unavailable, Component: fringe.Build, Err: err,
			Message: "environment " + string(w.decl.Name) + " asks for apt packages, and apt-get cannot be started here",
			Cure:    "use a Debian or Ubuntu machine, or install the packages by other means and take them out of packages.apt"}
	}
	if m := pinRE.FindStringSubmatch(said); m != nil {
		return w.refuse("the apt package %s has no version %s here; apt-cache policy %s shows which there are", m[2], m[1], m[2])
	}
	if m := unknownRE.FindStringSubmatch(said); m != nil {
		return w.unknown(ctx, m[1])
	}
	return w.refuse("apt-get cannot install %s: %s", strings.Join(wanted, " "), tidy(said))
}

func (w *work) refuse(format string, args ...any) error {
	e := fringe.Errorf("build.Build", fringe.Invalid, "environment "+string(w.decl.Name)+": "+format, args...)
	e.Component = fringe.Build
	e.Cure = "correct packages.apt and build again; the log is " + w.logPath
	return e
}

// tidy gives the complaints of apt-get in one line.
func tidy(said string) string {
	var lines []string
	for line := range strings.SplitSeq(said, "\n") {
		if strings.HasPrefix(line, "E: ") || strings.HasPrefix(line, " ") {
			lines = append(lines, strings.TrimSpace(strings.TrimPrefix(line, "E: ")))
		}
	}
	return strings.Join(lines, "; ")
}

// unknown makes the error for a package that apt does not have, with the names
// that are near to it.
func (w *work) unknown(ctx context.Context, name string) error {
	all, err := w.output(ctx, "apt-cache", "pkgnames")
	if err != nil {
		return w.refuse("there is no apt package %s", name)
	}
	names := strings.Fields(all)
	if lists, _ := filepath.Glob("/var/lib/apt/lists/*Packages*"); len(lists) == 0 {
		return w.refuse("apt has no lists of packages, so %s is not known; run: sudo apt-get update", name)
	}
	near := fringe.Nearest(name, names, 5)
	if len(near) == 0 {
		return w.refuse("there is no apt package %s; apt-cache search finds packages by topic", name)
	}
	return w.refuse("there is no apt package %s; near names are %s", name, strings.Join(near, ", "))
}

// canLayer says whether this process can make a layer.
func canLayer(w *work, missing []string) error {
	by := "sudo apt-get install --no-install-recommends " + strings.Join(missing, " ")
	fail := func(why string) error {
		return &fringe.Error{Op: "build.Build", Kind: fringe.Unavailable, Component: fringe.Build,
			Message: "environment " + string(w.decl.Name) + " needs apt packages that this machine has not (" + strings.Join(missing, ", ") + "), and " + why,
			Cure:    "ask an administrator to run: " + by + "; then build again. fringe doctor shows what this machine allows"}
	}
	if os.Geteuid() != 0 || !wholeMachine() {
		return fail("only root can install them into a layer")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return fail("the mounts of this machine cannot be read")
	}
	for line := range strings.SplitSeq(string(mounts), "\n") {
		f := strings.Fields(line)
		if len(f) > 4 && slices.Contains([]string{"/usr", "/etc", "/var", "/var/lib", "/opt", "/lib", "/bin"}, f[4]) {
			return fail(f[4] + " is a file system of its own, which a layer over / does not see")
		}
	}
	return nil
}

// wholeMachine says whether root here is root of the machine, and not of a user
// namespace with a few users.
func wholeMachine() bool {
	users, err := os.ReadFile("/proc/self/uid_map")
	f := strings.Fields(string(users))
	return err == nil && len(f) == 3 && f[1] == "0" && len(f[2]) > 5
}

// layer installs the packages into a new layer.
func (b *Builder) layer(ctx context.Context, w *work, wanted []string) (apt, error) {
	tmp := filepath.Join(b.dir, "tmp", "layer-"+string(w.decl.Name))
	if err := fresh(tmp, "upper", "work", "root", "archives"); err != nil {
		return apt{}, err
	}
	defer os.RemoveAll(tmp)
	install := append([]string{"apt-get", "install", "-y", "-q", "--no-install-recommends", "--allow-downgrades",
		"-o", "Dpkg::Options::=--force-unsafe-io", "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
		"-o", "Dpkg::Options::=--path-exclude=/usr/share/man/*", "-o", "Dpkg::Use-Pty=0", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=2", "--"}, wanted...)
	err := w.inLayer(ctx, layerRun{tmp: tmp, upper: "upper", mode: "rw", keep: "-"}, install)
	if err != nil && ctx.Err() == nil && strings.Contains(w.lastLines(50), "apt-get update") {
		w.say("the lists of packages are old; they are fetched again for this layer")
		install = append([]string{"sh", "-c", `apt-get update -q && exec "$@"`, "sh"}, install...)
		err = w.inLayer(ctx, layerRun{tmp: tmp, upper: "upper", mode: "rw", keep: "-"}, install)
	}
	if err != nil {
		if ctx.Err() != nil {
			return apt{}, ctx.Err()
		}
		return apt{}, w.fail(fringe.Unavailable, err, "apt-get could not install %s for environment %s", strings.Join(wanted, " "), w.decl.Name)
	}
	upper := filepath.Join(tmp, "upper")
	db, err := readDpkg(filepath.Join(upper, statusFile))
	if err != nil {
		return apt{}, err
	}
	if left := db.missing(wanted); len(left) > 0 {
		return apt{}, w.fail(fringe.Internal, nil, "apt-get did not install %s for environment %s", strings.Join(left, ", "), w.decl.Name)
	}
	if err := prune(upper); err != nil {
		return apt{}, err
	}
	a := apt{closure: db.closure(wanted)}
	a.layer = hexOf(digestOf(a.closure))
	return a, b.keepLayer(ctx, w, upper, a.layer)
}

// keepLayer moves a finished upper directory to its place, unless the same
// layer is there already.
func (b *Builder) keepLayer(ctx context.Context, w *work, upper, name string) error {
	_ = w.tool(ctx, "sync", "-f", upper)
	if err := os.Chmod(upper, 0o755); err != nil {
		return err
	}
	err := os.Rename(upper, filepath.Join(b.dir, "layers", name))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// layerRun is one run of the script layer.sh.
type layerRun struct {
	tmp, upper, mode, keep string
}

// inLayer runs a command in the layer's root.
func (w *work) inLayer(ctx context.Context, r layerRun, argv []string) error {
	return w.tool(ctx, append([]string{"unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=SIGKILL",
		"sh", "-c", layerScript, "layer.sh", r.tmp, r.upper, r.mode, r.keep}, argv...)...)
}

// fresh makes an empty directory with the given ones in it.
func fresh(dir string, subs ...string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	for _, sub := range subs {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// prune takes out of a layer what an instance does not need: caches, lists,
// logs, and the mount points of the build.
func prune(upper string) error {
	for _, p := range []string{"var/cache/apt", "var/lib/apt", "var/log", "var/cache/ldconfig", "var/cache/debconf", "var/cache/man",
		"var/lib/dpkg/status-old", "var/lib/dpkg/lock", "var/lib/dpkg/lock-frontend", "usr/sbin/policy-rc.d", "tmp", "run", "proc", "sys", "dev", "root"} {
		if err := os.RemoveAll(filepath.Join(upper, p)); err != nil {
			return err
		}
	}
	return nil
}

func short(d fringe.Digest) string {
	s := hexOf(d)
	return s[:min(12, len(s))]
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
