package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"fringe/bench/local"
)

// programCWL is the interface of the echo behind the http contract.
const programCWL = `cwlVersion: v1.2
class: CommandLineTool
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  ResourceRequirement: {coresMin: 2}
  fringe:Function: {version: 1.0.0, environment: program, shape: service, contract: http, raw: true,
    command: [/fringe/function/program, program], warm: {min: 1, max: 1, concurrency: 128, queue: 1024}}
baseCommand: "true"
inputs: []
outputs: []
`

// nativeCWL is the interface of the echo that is a native worker.
const nativeCWL = `cwlVersion: v1.2
class: CommandLineTool
id: native
$namespaces: {fringe: "urn:fringe:ns#"}
hints:
  ResourceRequirement: {coresMin: 1}
  fringe:Function: {version: 1.0.0, shape: service, contract: worker,
    command: [/fringe/function/native], warm: {min: 1, max: 4, queue: 1024}}
baseCommand: "true"
inputs: {message: {type: string, default: ""}}
outputs: {message: string}
`

// startSite starts a site with functions/echo and this program's own echo.
func startSite(o options) ([]target, func(), error) {
	s, err := local.Start(o.binary)
	if err != nil {
		return nil, nil, err
	}
	if err := publish(s, o); err != nil {
		s.Stop()
		return nil, nil, err
	}
	var targets []target
	for _, t := range []struct{ name, function string }{{"site", "echo"}, {"site-native", "native"}, {"site-http", "program"}} {
		if o.wants(t.name) {
			targets = append(targets, target{name: t.name, url: s.URL + "/function/" + t.function, token: s.Token, pid: s.Pid})
		}
	}
	return targets, s.Stop, nil
}

func publish(s *local.Site, o options) error {
	env := filepath.Join(s.Dir, "environment.yaml")
	if err := os.WriteFile(env, []byte("name: program\ncontract: http\n"), 0o644); err != nil {
		return err
	}
	if err := s.Run("env", "build", env, filepath.Join(o.repo, "environments", "python")); err != nil {
		return err
	}
	program, err := directory(s, "program", programCWL)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyProgram(self, filepath.Join(program, "program")); err != nil {
		return err
	}
	native, err := directory(s, "native", nativeCWL)
	if err != nil {
		return err
	}
	cc := exec.Command("cc", "-O2", "-I", filepath.Join(o.repo, "native"), "-o", filepath.Join(native, "native"), filepath.Join(o.repo, "bench/echo/echo.c"))
	if out, err := cc.CombinedOutput(); err != nil {
		return fmt.Errorf("the native echo: %w: %s", err, out)
	}
	return s.Run("publish", program, native, filepath.Join(o.repo, "functions", "echo"))
}

// directory makes that of a function with the interface doc.
func directory(s *local.Site, name, doc string) (string, error) {
	dir := filepath.Join(s.Dir, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "function.cwl"), []byte(doc), 0o644)
}

func copyProgram(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return fmt.Errorf("the program's copy: %w", err)
	}
	return dst.Close()
}
