package main

import (
	"fmt"
	"io"
	"os"
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
	for _, t := range []struct{ name, function string }{{"site", "echo"}, {"site-http", "program"}} {
		if o.wants(t.name) {
			targets = append(targets, target{name: t.name, url: s.URL + "/function/" + t.function, token: s.Token, pid: s.Pid})
		}
	}
	return targets, s.Stop, nil
}

func publish(s *local.Site, o options) error {
	env, function := filepath.Join(s.Dir, "environment.yaml"), filepath.Join(s.Dir, "program")
	if err := os.Mkdir(function, 0o755); err != nil {
		return err
	}
	for path, doc := range map[string]string{env: "name: program\ncontract: http\n", filepath.Join(function, "function.cwl"): programCWL} {
		if err := os.WriteFile(path, []byte(doc), 0o644); err != nil {
			return err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := copyProgram(self, filepath.Join(function, "program")); err != nil {
		return err
	}
	if err := s.Run("env", "build", env, filepath.Join(o.repo, "environments", "python")); err != nil {
		return err
	}
	return s.Run("publish", function, filepath.Join(o.repo, "functions", "echo"))
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
