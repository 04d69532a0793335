package build_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"fringe"
	"fringe/build"
	"fringe/driver/process"
)

// TestMain also is a process of its own that builds one environment, for tests
// that kill a build or run it as another user: binary build DIR YAML.
func TestMain(m *testing.M) {
	process.Main()
	if len(os.Args) == 4 && os.Args[1] == "build" {
		os.Exit(buildOne(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

func buildOne(dir, doc string) int {
	b, err := build.New(build.Config{Dir: dir})
	if err == nil {
		var d build.Declaration
		if d, err = build.Parse("environment.yaml", []byte(doc)); err == nil {
			_, err = b.Build(context.Background(), d, os.Stdout)
		}
	}
	if err != nil {
		var fe *fringe.Error
		if errors.As(err, &fe) {
			fmt.Printf("%s; %s\n", fe.Message, fe.Cure)
		}
		return 1
	}
	return 0
}

func newBuilder(t *testing.T, dir string) *build.Builder {
	t.Helper()
	b, err := build.New(build.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, doc string) build.Declaration {
	t.Helper()
	d, err := build.Parse("environment.yaml", []byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustBuild(t *testing.T, b *build.Builder, doc string) (fringe.Environment, string) {
	t.Helper()
	var said bytes.Buffer
	env, err := b.Build(t.Context(), parse(t, doc), &said)
	if err != nil {
		t.Fatalf("Build(%q) = %v\n%s", doc, err, said.String())
	}
	return env, said.String()
}

// wantError checks the kind and the component of err, and that it says all of the words.
func wantError(t *testing.T, err error, kind fringe.Kind, says ...string) {
	t.Helper()
	var fe *fringe.Error
	if !errors.As(err, &fe) || fe.Kind != kind || fe.Component != fringe.Build {
		t.Fatalf("got %v (%s), want an error of kind %s of the build", err, fringe.KindOf(err), kind)
	}
	for _, w := range says {
		if !strings.Contains(fe.Message+"\n"+fe.Cure, w) {
			t.Errorf("the error %q (cure %q) does not say %q", fe.Message, fe.Cure, w)
		}
	}
}

// needRoot fails when the machine cannot run the test: nothing is skipped.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test makes a layer, which needs root: run it as root")
	}
}

// run runs a program in the environment, by the driver, and gives its output.
func run(t *testing.T, env fringe.Environment, argv ...string) string {
	t.Helper()
	d, err := process.New(process.Config{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := fringe.Spec{ID: fringe.InstanceID(fmt.Sprintf("build-test-%d", time.Now().UnixNano())), Root: env.Root, Layers: env.Layers, Argv: argv,
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}, Dir: "/", Stdout: w, Stderr: w, Scratch: t.TempDir(), Limits: fringe.Limits{Time: time.Minute}}
	if env.Venv != "" {
		s.Mounts = append(s.Mounts, fringe.Mount{Source: env.Venv, Target: env.Venv})
	}
	inst, err := d.Start(t.Context(), s)
	w.Close()
	if err != nil {
		t.Fatalf("Start(%q) = %v", argv, err)
	}
	out, _ := io.ReadAll(r)
	exit, err := inst.Wait(t.Context())
	if err != nil || exit.Code != 0 {
		t.Errorf("%q ended with %+v, %v: %s", argv, exit, err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestHostPackages(t *testing.T) {
	b := newBuilder(t, t.TempDir())
	doc := "name: host\npackages: {apt: [coreutils, wsclean]}\nvariables: {A: b}\nlimits: {memory: 1GiB}\n"
	env, said := mustBuild(t, b, doc)
	version, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", "wsclean").Output()
	if err != nil {
		t.Fatalf("wsclean is not installed; run: make setup (%v)", err)
	}
	if env.Root != "" || env.Layers != nil || env.Packages["apt:wsclean"] != string(version) || env.Variables["A"] != "b" || env.Limits.Memory != 1<<30 {
		t.Errorf("Build() = %+v, want the host's root with wsclean %s", env, version)
	}
	manifest, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(env.LogPath)), "environments", strings.TrimPrefix(string(env.Digest), "sha256:")+".json"))
	if err != nil || !strings.Contains(string(manifest), `"libc6":`) || !strings.Contains(string(manifest), `"libcasa-tables7":`) {
		t.Errorf("the manifest has not the libraries that wsclean depends on: %v\n%s", err, manifest)
	}
	if !strings.Contains(said, "is built") {
		t.Errorf("Build() said %q", said)
	}

	t.Run("Cached", func(t *testing.T) {
		start := time.Now()
		again, said := mustBuild(t, b, "# a comment\ndescription: other words\n"+doc)
		if again.Digest != env.Digest || !strings.Contains(said, "up to date") || time.Since(start) > 500*time.Millisecond {
			t.Errorf("Build(again) = %s in %v, said %q, want %s at once", again.Digest, time.Since(start), said, env.Digest)
		}
	})
	t.Run("Changed", func(t *testing.T) {
		other, _ := mustBuild(t, b, strings.Replace(doc, "A: b", "A: c", 1))
		if other.Digest == env.Digest {
			t.Errorf("another variable gave the same digest")
		}
		if _, err := b.Load(t.Context(), env.Digest); err != nil {
			t.Errorf("Load(former) = %v", err)
		}
	})
	t.Run("Rewritten", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(filepath.Dir(env.LogPath)), "environments", strings.TrimPrefix(string(env.Digest), "sha256:")+".json")
		if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := b.Load(t.Context(), env.Digest)
		wantError(t, err, fringe.Unavailable, "its manifest cannot be read")
		if err := os.WriteFile(path, manifest, 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := b.Load(t.Context(), env.Digest); err != nil || got.Digest != env.Digest || got.Variables["A"] != "b" {
			t.Errorf("Load() = %+v, %v", got, err)
		}
	})
	t.Run("MachineChanged", func(t *testing.T) {
		path := filepath.Join(filepath.Dir(filepath.Dir(env.LogPath)), "environments", strings.TrimPrefix(string(env.Digest), "sha256:")+".json")
		older := strings.ReplaceAll(string(manifest), strings.TrimSpace(string(version)), "0.1")
		if err := os.WriteFile(path, []byte(older), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := newBuilder(t, filepath.Dir(filepath.Dir(env.LogPath))).Load(t.Context(), env.Digest)
		var e *fringe.Error
		if !errors.As(err, &e) || !strings.Contains(e.Message, "wsclean 0.1 (this machine has ") || !strings.Contains(e.Cure, "fringe env build PATH, with the directory of its environment.yaml, such as environments/host") {
			t.Errorf("Load() = %#v, want that wsclean has changed, and how to build it again", err)
		}
		if err := os.WriteFile(path, manifest, 0o644); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("OtherDirectory", func(t *testing.T) {
		if other, _ := mustBuild(t, newBuilder(t, t.TempDir()), doc); other.Digest != env.Digest {
			t.Errorf("the same declaration elsewhere gave %s, want %s", other.Digest, env.Digest)
		}
	})
	t.Run("ListAndRemove", func(t *testing.T) {
		all, err := b.List(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("List() = %v, %v, want 2", all, err)
		}
		if err := b.Remove(t.Context(), env.Digest); err != nil {
			t.Fatal(err)
		}
		_, err = b.Load(t.Context(), env.Digest)
		wantError(t, err, fringe.NotFound, "not built on this machine")
		wantError(t, b.Remove(t.Context(), env.Digest), fringe.NotFound)
		if err := b.Remove(t.Context(), "../../etc"); fringe.KindOf(err) != fringe.Invalid {
			t.Errorf("Remove(no digest) = %v, want Invalid", err)
		}
	})
}

func TestLayer(t *testing.T) {
	needRoot(t)
	b := newBuilder(t, t.TempDir())
	doc := "name: greeter\npackages: {apt: [hello]}\n"
	env, said := mustBuild(t, b, doc)
	if len(env.Layers) != 1 || env.Packages["apt:hello"] == "" {
		t.Fatalf("Build() = %+v, want a layer with hello (is hello installed on the host?)", env)
	}
	if !strings.Contains(said, "Setting up hello") {
		t.Errorf("the progress has not what apt-get says: %s", said)
	}
	if log, err := os.ReadFile(env.LogPath); err != nil || !strings.Contains(string(log), "Setting up hello") {
		t.Errorf("the log has not what apt-get says: %v", err)
	}
	if _, err := exec.LookPath("hello"); err == nil {
		t.Error("hello was installed on the host")
	}
	if got := run(t, env, "hello", "-g", "Hello from a layer"); got != "Hello from a layer" {
		t.Errorf("hello in the layer said %q", got)
	}
	for _, p := range []string{"var/cache/apt", "var/lib/apt", "var/log", "usr/sbin/policy-rc.d", "dev", "proc"} {
		if _, err := os.Lstat(filepath.Join(env.Layers[0], p)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the layer has %s: %v", p, err)
		}
	}
	start := time.Now()
	again, said := mustBuild(t, b, doc)
	if again.Digest != env.Digest || !strings.Contains(said, "up to date") || time.Since(start) > 500*time.Millisecond {
		t.Errorf("Build(again) = %s in %v, said %q", again.Digest, time.Since(start), said)
	}

	t.Run("SharedWithPip", func(t *testing.T) {
		// Python packages of a layer, seen by a virtual environment.
		env, _ := mustBuild(t, b, "name: layered\npackages: {apt: [python3-humanize], pip: [\"tomli==2.0.1\", six]}\npreload: [humanize, tomli, six]\n")
		if len(env.Layers) != 1 || env.Venv == "" || env.Packages["pip:tomli"] != "2.0.1" || env.Packages["pip:six"] == "" {
			t.Fatalf("Build() = %+v, want a layer, a virtual environment and exact versions", env)
		}
		if got := run(t, env, env.Python, "-c", "import humanize, tomli; print(humanize.intcomma(12345))"); got != "12,345" {
			t.Errorf("Python in the layer said %q", got)
		}
		if err := b.Remove(t.Context(), env.Digest); err != nil {
			t.Fatal(err)
		}
		for _, p := range []string{env.Layers[0], env.Venv} {
			if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after Remove, %s is there: %v", p, err)
			}
		}
	})
	t.Run("Damaged", func(t *testing.T) {
		if err := os.RemoveAll(env.Layers[0]); err != nil {
			t.Fatal(err)
		}
		_, err := b.Load(t.Context(), env.Digest)
		wantError(t, err, fringe.Unavailable, "its layer is gone", "build it again")
		if again, _ := mustBuild(t, b, doc); again.Digest != env.Digest {
			t.Errorf("Build(damaged) = %s, want %s", again.Digest, env.Digest)
		}
	})
}

// TestLayerOnOverlay makes a layer where the directory is on an overlay itself,
// as in a container.
func TestLayerOnOverlay(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	for _, sub := range []string{"lower", "upper", "work", "at"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	doc := "name: greeter\npackages: {apt: [hello]}\n"
	script := `cd "$1" && mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work at && exec "$2" build "$1/at" "$3"`
	out, err := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", dir, self(t), doc).CombinedOutput()
	if err != nil {
		t.Fatalf("build on an overlay: %v\n%s", err, out)
	}
	programs, err := filepath.Glob(filepath.Join(dir, "upper/layers/*/usr/bin/hello"))
	if err != nil || len(programs) != 1 {
		t.Errorf("the layer has not hello: %v, %v", programs, err)
	}
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

func TestPip(t *testing.T) {
	b := newBuilder(t, t.TempDir())
	doc := "name: small\npackages: {pip: [\"six==1.16.0\"]}\npreload: [six]\nvariables: {CHECK: \"1\"}\n"
	env, said := mustBuild(t, b, doc)
	if env.Packages["pip:six"] != "1.16.0" || env.Packages["python"] == "" || env.Python != filepath.Join(env.Venv, "bin/python3") || env.Layers != nil {
		t.Errorf("Build() = %+v", env)
	}
	if !strings.Contains(said, "Successfully installed six-1.16.0") {
		t.Errorf("the progress has not what pip says: %s", said)
	}
	if got := run(t, env, env.Python, "-c", "import six, sys; print(six.__version__, sys.prefix)"); got != "1.16.0 "+env.Venv {
		t.Errorf("Python said %q", got)
	}
	err := filepath.WalkDir(env.Venv, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && filepath.Base(p) != ".fringe.json" {
			if info, e := d.Info(); e != nil || info.Mode()&0o222 != 0 {
				t.Errorf("%s can be written: %v, %v", p, info.Mode(), e)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, said := mustBuild(t, b, doc); !strings.Contains(said, "up to date") || time.Since(start) > 500*time.Millisecond {
		t.Errorf("Build(again) took %v, said %q", time.Since(start), said)
	}

	t.Run("Broken", func(t *testing.T) {
		_, err := b.Build(t.Context(), parse(t, strings.Replace(doc, "1.16.0", "99.0", 1)), nil)
		wantError(t, err, fringe.Invalid, "six==99.0", "No matching distribution", "the whole log is "+filepath.Dir(env.LogPath))
		if got, err := b.Load(t.Context(), env.Digest); err != nil || got.Venv != env.Venv {
			t.Errorf("Load(former) = %+v, %v", got, err)
		}
		if got := run(t, env, env.Python, "-c", "import six"); got != "" {
			t.Errorf("the former build said %q", got)
		}
		if venvs, _ := os.ReadDir(filepath.Dir(env.Venv)); len(venvs) != 1 {
			t.Errorf("the broken build left %v", venvs)
		}
	})
	t.Run("BrokenPreload", func(t *testing.T) {
		_, err := b.Build(t.Context(), parse(t, strings.Replace(doc, "preload: [six]", "preload: [sixx]", 1)), nil)
		wantError(t, err, fringe.Invalid, "cannot be imported", "No module named 'sixx'")
	})
	t.Run("SharedVenv", func(t *testing.T) {
		other, said := mustBuild(t, b, strings.Replace(doc, "name: small", "name: second", 1))
		if other.Venv != env.Venv || other.Digest == env.Digest || strings.Contains(said, "Successfully installed") {
			t.Errorf("the same packages under another name: %+v, said %q", other, said)
		}
		if err := b.Remove(t.Context(), env.Digest); err != nil {
			t.Fatal(err)
		}
		if got := run(t, other, other.Python, "-c", "import six"); got != "" {
			t.Errorf("after removing the first, the second said %q", got)
		}
	})
}

func TestModules(t *testing.T) {
	b := newBuilder(t, t.TempDir())
	with := func(text string) fringe.Environment {
		t.Helper()
		d, err := parse(t, "name: shared\npython: \"3\"\npreload: [shared]\n").WithModules(map[string]string{"shared.py": text})
		if err != nil {
			t.Fatal(err)
		}
		env, err := b.Build(t.Context(), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	one, two := with("NAME = 1\n"), with("NAME = 2\n")
	if one.Digest == two.Digest || one.Modules == two.Modules {
		t.Errorf("other modules have the same digest %s and place %s", one.Digest, one.Modules)
	}
	for env, want := range map[*fringe.Environment]string{&one: "NAME = 1\n", &two: "NAME = 2\n"} {
		if got, err := os.ReadFile(filepath.Join(env.Modules, "shared.py")); string(got) != want {
			t.Errorf("the module is %q, %v, want %q", got, err, want)
		}
	}
	if err := b.Remove(t.Context(), one.Digest); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(one.Modules); !os.IsNotExist(err) {
		t.Errorf("the removed environment's modules: %v", err)
	}
	python := parse(t, "name: shared\npython: \"3\"\n")
	for name, d := range map[string]build.Declaration{"../x.py": python, "x.txt": python, "x.py": parse(t, "name: plain\n")} {
		_, err := d.WithModules(map[string]string{name: ""})
		wantError(t, err, fringe.Invalid, name)
	}
	_, err := python.WithModules(map[string]string{"large.py": strings.Repeat("x", 1<<21)})
	wantError(t, err, fringe.Invalid, "larger than 1 MiB")
}

func TestRefused(t *testing.T) {
	b := newBuilder(t, t.TempDir())
	for _, c := range []struct {
		name, doc string
		kind      fringe.Kind
		says      []string
	}{
		{"unknown apt package", "name: x\npackages: {apt: [wsclaen]}\n", fringe.Invalid, []string{"no apt package wsclaen", "near names are wsclean"}},
		{"unknown apt version", "name: x\npackages: {apt: [\"wsclean=0.0-1\"]}\n", fringe.Invalid, []string{"wsclean has no version 0.0-1", "apt-cache policy wsclean"}},
		{"no interpreter", "name: x\npython: \"3.1\"\n", fringe.Unavailable, []string{"/usr/bin/python3.1", "there are: /usr/bin/python3"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := b.Build(t.Context(), parse(t, c.doc), nil)
			wantError(t, err, c.kind, c.says...)
		})
	}
	if all, err := b.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List() = %v, %v, want none", all, err)
	}
	_, err := b.Build(t.Context(), build.Declaration{Name: "../evil"}, nil)
	wantError(t, err, fringe.Invalid, "is not a name")
}

// TestNotRoot builds as another user: what the host has works, the rest says
// what an administrator must do.
func TestNotRoot(t *testing.T) {
	needRoot(t)
	dir, err := os.MkdirTemp("", "fringe-build-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	binary, err := os.ReadFile(self(t))
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "build-test")
	if err := errors.Join(os.WriteFile(copied, binary, 0o755), os.Chmod(dir, 0o777)); err != nil {
		t.Fatal(err)
	}
	as := func(doc string) (string, error) {
		cmd := exec.Command(copied, "build", filepath.Join(dir, "envs"), doc)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := as("name: host\npackages: {apt: [coreutils]}\n"); err != nil {
		t.Errorf("building on the host's packages: %v: %s", err, out)
	}
	if out, err := as("name: small\npackages: {pip: [six]}\n"); err != nil {
		t.Errorf("building a virtual environment: %v: %s", err, out)
	}
	out, err := as("name: greeter\npackages: {apt: [hello]}\n")
	if err == nil || !strings.Contains(out, "sudo apt-get install --no-install-recommends hello") || !strings.Contains(out, "fringe doctor") {
		t.Errorf("building a layer: %v: %s", err, out)
	}
}

func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	doc := "name: once\npackages: {pip: [six]}\n"
	var wg sync.WaitGroup
	said := make([]bytes.Buffer, 3)
	envs := make([]fringe.Environment, 3)
	errs := make([]error, 3)
	builders := []*build.Builder{newBuilder(t, dir), newBuilder(t, dir), newBuilder(t, dir)}
	d := parse(t, doc)
	for i := range said {
		wg.Go(func() { envs[i], errs[i] = builders[i].Build(context.Background(), d, &said[i]) })
	}
	wg.Wait()
	built, waited := 0, 0
	for i := range said {
		if errs[i] != nil || envs[i].Digest != envs[0].Digest {
			t.Errorf("Build(%d) = %s, %v", i, envs[i].Digest, errs[i])
		}
		if strings.Contains(said[i].String(), "Successfully installed") {
			built++
		}
		if strings.Contains(said[i].String(), "waiting") {
			waited++
		}
	}
	if built != 1 || waited != 2 {
		t.Errorf("%d built and %d waited, want 1 and 2", built, waited)
	}
}

func TestCancelled(t *testing.T) {
	b := newBuilder(t, t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "making a virtual environment") {
				cancel()
			}
		}
	}()
	_, err := b.Build(ctx, parse(t, "name: cut\npackages: {pip: [six]}\n"), w)
	w.Close()
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Build(cancelled) = %v, want %v", err, context.Canceled)
	}
	if all, err := b.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("List() = %v, %v, want none", all, err)
	}
}

// TestKilled kills a build at several points; each time the next build makes a
// whole environment, and no tool outlives the killed one.
func TestKilled(t *testing.T) {
	needRoot(t)
	for _, c := range []struct{ at, doc string }{
		{"installing 1 pip package", "name: cut\npackages: {pip: [six]}\npreload: [six]\n"},
		{"Fetched", "name: cut\npackages: {apt: [hello]}\n"},
		{"Setting up", "name: cut\npackages: {apt: [hello]}\n"},
	} {
		t.Run(c.at, func(t *testing.T) {
			dir := t.TempDir()
			cmd := exec.Command(self(t), "build", dir, c.doc)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && !strings.Contains(lines.Text(), c.at) {
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Fatalf("the build ended before it said %q and was killed", c.at)
			}
			if left := usersOf(t, dir); left != "" {
				t.Errorf("processes outlived the killed build: %s", left)
			}
			b := newBuilder(t, dir)
			if all, err := b.List(t.Context()); err != nil || len(all) != 0 {
				t.Errorf("List(after the kill) = %v, %v, want none", all, err)
			}
			env, _ := mustBuild(t, b, c.doc)
			if env.Python != "" {
				run(t, env, env.Python, "-c", "import six")
			} else {
				run(t, env, "hello")
			}
			if left, err := os.ReadDir(filepath.Join(dir, "tmp")); err != nil || len(left) != 0 {
				t.Errorf("tmp has %v, %v", left, err)
			}
		})
	}
}

// usersOf waits until no process has dir on its command line; it gives those
// that are left after 5 s.
func usersOf(t *testing.T, dir string) string {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := ""
		files, err := filepath.Glob("/proc/[0-9]*/cmdline")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if text, err := os.ReadFile(f); err == nil && bytes.Contains(text, []byte(dir)) {
				left += strings.ReplaceAll(string(text), "\x00", " ") + "\n"
			}
		}
		if left == "" || time.Now().After(deadline) {
			return left
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
			return left
		}
	}
}
