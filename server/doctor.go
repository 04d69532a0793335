package server

import (
	"context"
	"os/exec"
	"path/filepath"

	"fringe/client"
	"fringe/driver/process"
)

// tool is a program that the shipped functions wrap.
type tool struct {
	name string
	cure string
}

// Doctor says what this machine enforces and which tools it has.
func Doctor(_ context.Context, dir string) []client.Check {
	var out []client.Check
	d, err := process.New(process.Config{StateDir: filepath.Join(dir, "process")})
	if err != nil {
		out = append(out, client.Check{Name: "process driver", Detail: err.Error(), Cure: "choose a directory that can be written with --dir"})
	} else {
		for _, c := range d.Enforced() {
			out = append(out, client.Check{Name: c.Name, OK: c.OK, Detail: c.Detail, Cure: c.Cure})
		}
	}
	for _, t := range []tool{
		{"python3", "apt-get install python3 python3-venv"},
		{"git", "apt-get install git"},
		{"wsclean", "fringe env build environments/wsclean, or apt-get install wsclean"},
		{"aoflagger", "fringe env build environments/aoflagger, or apt-get install aoflagger"},
	} {
		c := client.Check{Name: t.name, Cure: t.cure}
		if path, err := exec.LookPath(t.name); err == nil {
			c.OK, c.Detail, c.Cure = true, path, ""
		} else {
			c.Detail = "not on the PATH"
		}
		out = append(out, c)
	}
	return out
}
