package build

import (
	"regexp"
	"slices"
	"strings"

	"fringe"
)

// Declaration is what an environment.yaml says.
type Declaration struct {
	Name        fringe.EnvironmentName `json:"name"`
	Description string                 `json:"-"` // for people; a change of it changes no digest
	Contract    fringe.Contract        `json:"contract"`
	Python      string                 `json:"python,omitempty"` // "3" or "3.11": the system interpreter /usr/bin/python3…
	Packages    Packages               `json:"packages"`
	Preload     []string               `json:"preload,omitempty"`
	Start       fringe.StartMode       `json:"start,omitempty"`
	Modules     map[string]string      `json:"modules,omitempty"` // Python files by name, as text; see WithModules
	Variables   map[string]string      `json:"variables,omitempty"`
	Limits      fringe.Limits          `json:"limits"`
}

// Packages are the packages that an environment asks for.
type Packages struct {
	Apt []string `json:"apt,omitempty"` // "wsclean" or "wsclean=3.4-1"
	Pip []string `json:"pip,omitempty"` // requirements as pip reads them: "sep==1.4.1"
}

var (
	nameRE     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	pythonRE   = regexp.MustCompile(`^3(\.[0-9]{1,2})?$`)
	aptRE      = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+)?$`)
	pipRE      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([@;=<>!~,(].*)?$`)
	moduleRE   = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$`)
	variableRE = regexp.MustCompile(`^[A-Za-z_]\w*$`)
)

// reserved are the variables that the platform sets itself.
func reserved(name string) bool {
	return name == "PATH" || name == "HOME" || name == "TMPDIR" || name == "PORT" ||
		strings.HasPrefix(name, "FRINGE_") || strings.HasPrefix(name, "LD_")
}

// problem is one thing that is wrong with a declaration.
type problem struct {
	key, message, cure string
}

// check gives the first thing that is wrong with d; the key is a path such as
// packages.apt[1].
func (d *Declaration) check() *problem {
	if !nameRE.MatchString(string(d.Name)) {
		return &problem{"name", quoted(string(d.Name)) + " is not a name of an environment", "use 1 to 63 lower-case letters, digits and hyphens"}
	}
	switch d.Contract {
	case fringe.Exec, fringe.Python, fringe.HTTP, fringe.Worker:
	default:
		return &problem{"contract", quoted(string(d.Contract)) + " is not a contract", "use exec, python, http or worker"}
	}
	if d.Python != "" && !pythonRE.MatchString(d.Python) {
		return &problem{"python", quoted(d.Python) + " is not a version of Python", `write "3" for the system's own or "3.11" for a certain one`}
	}
	if d.Python == "" && len(d.Preload) > 0 {
		return &problem{"preload", "modules can be loaded only where there is an interpreter", `add python: "3"`}
	}
	switch d.Start {
	case "", fringe.StartFork, fringe.StartPrestart, fringe.StartProcess:
	default:
		return &problem{"start", quoted(string(d.Start)) + " is not a way to start", "use fork, prestart or process, or leave it out"}
	}
	if d.Python == "" && d.Start != "" {
		return &problem{"start", "only instances of Python start in different ways", `add python: "3", or leave start out`}
	}
	if d.Limits.CPU < 0 || d.Limits.Memory < 0 || d.Limits.Time < 0 || d.Limits.Pids < 0 || d.Limits.FileSize < 0 {
		return &problem{"limits", "a limit is negative", "use positive numbers, or leave the limit out"}
	}
	return d.checkLists()
}

func (d *Declaration) checkLists() *problem {
	lists := []struct {
		key   string
		items []string
		ok    *regexp.Regexp
		what  string
		cure  string
	}{
		{"packages.apt", d.Packages.Apt, aptRE, "an apt package", "write NAME or NAME=VERSION, as apt-get install takes them"},
		{"packages.pip", d.Packages.Pip, pipRE, "a pip requirement", "write NAME, NAME==VERSION or NAME @ URL; options of pip are not taken"},
		{"preload", d.Preload, moduleRE, "a Python module", "write a dotted name such as astropy.io.fits"},
	}
	for _, l := range lists {
		for i, item := range l.items {
			if len(item) > 512 || strings.ContainsAny(item, "\n\r\x00") || !l.ok.MatchString(item) {
				return &problem{index(l.key, i), quoted(item) + " is not " + l.what, l.cure}
			}
			if slices.Index(l.items, item) < i {
				return &problem{index(l.key, i), quoted(item) + " is listed twice", "list it once"}
			}
		}
	}
	for _, k := range sortedKeys(d.Variables) {
		if !variableRE.MatchString(k) {
			return &problem{"variables." + k, quoted(k) + " is not a name of a variable", "use letters, digits and underscores"}
		}
		if reserved(k) {
			return &problem{"variables." + k, k + " is set by the platform itself", "choose another name"}
		}
		if strings.ContainsRune(d.Variables[k], 0) {
			return &problem{"variables." + k, "the value has a NUL byte", "remove it"}
		}
	}
	return nil
}

// withDefaults gives d with what is left out filled in.
func (d Declaration) withDefaults() Declaration {
	if d.Contract == "" {
		d.Contract = fringe.Exec
	}
	if d.Python == "" && (d.Contract == fringe.Python || len(d.Packages.Pip) > 0) {
		d.Python = "3"
	}
	return d
}

// systemPackages says whether the virtual environment must see the Python
// packages that apt installs.
func (d *Declaration) systemPackages() bool {
	return slices.ContainsFunc(d.Packages.Apt, func(p string) bool { return strings.HasPrefix(p, "python3-") })
}
