package server

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"

	"fringe"
	"fringe/build"
	"fringe/client"
	"fringe/driver/process"
)

// tool is a program that the shipped functions wrap.
type tool struct {
	name string
	cure string
}

// Doctor says what this machine enforces and which tools it has.
func Doctor(ctx context.Context, dir string) []client.Check {
	var out []client.Check
	d, err := process.New(process.Config{StateDir: filepath.Join(dir, "process")})
	if err != nil {
		out = append(out, client.Check{Name: "process driver", Detail: "the directory of the site cannot be written: " + err.Error(), Cure: "choose a directory that can be written with --dir"})
	} else {
		for _, c := range d.Enforced() {
			out = append(out, client.Check{Name: c.Name, OK: c.OK, Detail: c.Detail, Cure: c.Cure})
		}
	}
	out = append(out, interpreter(ctx))
	built := packages(ctx, filepath.Join(dir, "environments"))
	for _, t := range []tool{
		{"git", "apt-get install git"},
		{"wsclean", "fringe env build environments/wsclean, or apt-get install wsclean"},
		{"aoflagger", "fringe env build environments/aoflagger, or apt-get install aoflagger"},
	} {
		c := client.Check{Name: t.name, Cure: t.cure}
		if path, err := exec.LookPath(t.name); err == nil {
			c.OK, c.Detail, c.Cure = true, path, ""
		} else if env := built["apt:"+t.name]; env != "" {
			c.OK, c.Detail, c.Cure = true, "in the environment "+string(env), ""
		} else {
			c.Detail = "not on the PATH, and in no environment"
		}
		out = append(out, c)
	}
	return out
}

// packages gives an environment of the directory for each package that one has.
func packages(ctx context.Context, dir string) map[string]fringe.EnvironmentName {
	in := map[string]fringe.EnvironmentName{}
	b, err := build.New(build.Config{Dir: dir})
	if err != nil {
		return in
	}
	built, _ := b.List(ctx) // what cannot be read has none
	for _, e := range built {
		for p := range e.Packages {
			in[p] = e.Name
		}
	}
	return in
}

// interpreter checks the system's Python, of which environments are made.
func interpreter(ctx context.Context) client.Check {
	const python = "/usr/bin/python3"
	c := client.Check{Name: "python3"}
	said, err := exec.CommandContext(ctx, python, "-c", "import ensurepip, sys, venv; print(sys.version.split()[0])").CombinedOutput()
	if err != nil {
		c.Detail, c.Cure = python+" is not there, or has no venv: "+err.Error(), "apt-get install python3 python3-venv"
		return c
	}
	c.OK, c.Detail = true, python+" "+strings.TrimSpace(string(said))
	return c
}
