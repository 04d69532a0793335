package site

import (
	"context"
	"fmt"
	"path/filepath"
	"sort"

	"fringe"
)

// Where an instance sees what Fringe brings.
const (
	functionDir = "/fringe/function"
	pythonDir   = "/fringe/python"
	modulesDir  = "/fringe/environment"
	callsDir    = "/calls"
)

// environment gives the environment that a name stands for, when it is still
// what was built: packages of the machine may have changed since.
func (l *Local) environment(ctx context.Context, name fringe.EnvironmentName) (fringe.Environment, error) {
	env, err := l.cfg.Catalogue.Environment(ctx, name)
	if err != nil || name == "" {
		return env, err
	}
	if _, err := l.cfg.Builder.Load(ctx, env.Digest); err != nil {
		return fringe.Environment{}, err
	}
	return env, nil
}

// driver gives the driver for instances of fn in an environment that have what
// base has.
func (l *Local) driver(fn *fringe.Function, env fringe.Environment, base fringe.Spec) fringe.Driver {
	if l.cfg.Forks == nil || env.Python == "" || fn.Durable {
		return l.cfg.Driver
	}
	return l.cfg.Forks.For(env, base)
}

// base gives what the environment and the function bring to every instance:
// the root and its layers, the mounts, the variables, the limits.
func (l *Local) base(fn *fringe.Function, env fringe.Environment, limits fringe.Limits) fringe.Spec {
	s := fringe.Spec{Root: env.Root, Layers: env.Layers, Hidden: l.cfg.Hidden, Limits: limits,
		Network: fn.Network, Mounts: []fringe.Mount{{Source: fn.Dir, Target: functionDir}, {Source: l.cfg.Python, Target: pythonDir}}}
	path := filepath.Join(functionDir, "bin")
	if env.Venv != "" {
		s.Mounts = append(s.Mounts, fringe.Mount{Source: env.Venv, Target: env.Venv})
		path += ":" + filepath.Join(env.Venv, "bin")
	}
	modules := ""
	if env.Modules != "" {
		s.Mounts = append(s.Mounts, fringe.Mount{Source: env.Modules, Target: modulesDir})
		modules = ":" + modulesDir
	}
	threads := fmt.Sprint(max(1, int(limits.CPU)))
	vars := map[string]string{
		"PATH":                    path + ":/usr/local/bin:/usr/bin:/bin",
		"HOME":                    "/tmp",
		"TMPDIR":                  "/tmp",
		"LANG":                    "C.UTF-8",
		"PYTHONPATH":              pythonDir + ":" + functionDir + modules,
		"PYTHONDONTWRITEBYTECODE": "1",
		"PYTHONUNBUFFERED":        "1",
		"OMP_NUM_THREADS":         threads,
		"OPENBLAS_NUM_THREADS":    threads,
		"MPLCONFIGDIR":            "/tmp/matplotlib",
		"FRINGE_FUNCTION":         fn.Ref(),
	}
	for k, v := range env.Variables {
		vars[k] = v
	}
	for k, v := range vars {
		s.Env = append(s.Env, k+"="+v)
	}
	sort.Strings(s.Env)
	return s
}
