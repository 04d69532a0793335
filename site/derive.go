package site

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"fringe"
	"fringe/cwl"
)

const deriveTime = 2 * time.Minute

// Derive gives the CWL document of an annotated Python handler: the file is
// imported inside its environment, as a call would, without network. What is
// wrong with it comes back as cwl.Problems.
func (l *Local) Derive(ctx context.Context, name fringe.EnvironmentName, dir, file string) ([]byte, error) {
	const op = "site.Derive"
	env, err := l.environment(ctx, name)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	if env.Python == "" {
		return nil, &fringe.Error{Op: op, Kind: fringe.Invalid, Component: fringe.Catalogue,
			Message: fmt.Sprintf("the environment %q has no Python", name), Cure: `write python: "3" in its environment.yaml and build it again`}
	}
	fn := &fringe.Function{Name: "derive", Version: "0", Dir: dir}
	id := strings.ToLower("derive-" + string(NewCallID()))
	scratch := filepath.Join(l.instances(), id)
	if err := os.MkdirAll(scratch, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	defer os.RemoveAll(scratch)
	s := l.base(fn, env, fringe.Limits{Time: deriveTime}.Or(env.Limits).Or(l.cfg.Defaults))
	s.ID, s.Dir, s.Scratch = fringe.InstanceID(id), "/tmp", scratch
	s.Argv = []string{env.Python, "-s", "-m", "fringe.derive", filepath.Join(functionDir, file)}
	stdout, stderr, exit, err := l.capture(ctx, s)
	if err != nil {
		return nil, fringe.E(op, err)
	}
	if exit.Cause == fringe.Exited && exit.Code == 0 {
		return stdout, nil
	}
	return nil, deriveProblems(file, stderr, exit)
}

// capture runs s to its end and gives what it wrote.
func (l *Local) capture(ctx context.Context, s fringe.Spec) (stdout, stderr []byte, exit fringe.Exit, err error) {
	var out, errs bytes.Buffer
	var wait []func()
	pipe := func(buf *bytes.Buffer) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer r.Close()
			io.Copy(buf, io.LimitReader(r, maxObject))
		}()
		wait = append(wait, func() { w.Close(); <-done })
		return w, nil
	}
	if s.Stdout, err = pipe(&out); err != nil {
		return nil, nil, exit, err
	}
	if s.Stderr, err = pipe(&errs); err != nil {
		return nil, nil, exit, err
	}
	inst, err := l.cfg.Driver.Start(ctx, s)
	if err == nil {
		exit, err = inst.Wait(ctx)
		if err != nil {
			inst.Stop(context.WithoutCancel(ctx), 0)
		}
	}
	for _, w := range wait {
		w()
	}
	return out.Bytes(), errs.Bytes(), exit, err
}

// deriveProblems reads what the derivation says on its standard error.
func deriveProblems(file string, stderr []byte, exit fringe.Exit) error {
	var found []struct {
		File    string `json:"file"`
		Line    int    `json:"line"`
		Message string `json:"message"`
		Cure    string `json:"cure"`
	}
	text := bytes.TrimSpace(stderr)
	if json.Unmarshal(text, &found) != nil {
		found = nil
		for line := range bytes.Lines(text) {
			found = append(found, struct {
				File    string `json:"file"`
				Line    int    `json:"line"`
				Message string `json:"message"`
				Cure    string `json:"cure"`
			}{})
			if json.Unmarshal(line, &found[len(found)-1]) != nil || found[len(found)-1].Message == "" {
				found = found[:len(found)-1]
			}
		}
	}
	var problems cwl.Problems
	for _, p := range found {
		problems = append(problems, cwl.Problem{File: file, Line: p.Line, Message: p.Message, Cure: p.Cure})
	}
	if problems == nil {
		problems = cwl.Problems{{File: file, Message: fmt.Sprintf("the interface cannot be derived (%s, code %d): %s", exit.Cause, exit.Code, text)}}
	}
	return problems
}
