package cwl

import (
	"fmt"
	"math"
	"path"
	"strings"
)

// runtime fills what expressions see as runtime.
func (s *stager) runtime(e *Execution) error {
	q := &s.t.req
	var got [8]float64
	for i, f := range []*quantity{&q.coresMin, &q.coresMax, &q.ramMin, &q.ramMax, &q.tmpMin, &q.tmpMax, &q.outMin, &q.outMax} {
		v, err := s.number(f, "ResourceRequirement")
		if err != nil {
			return err
		}
		got[i] = v
	}
	pick := func(low, high, otherwise float64) float64 {
		switch {
		case low > 0:
			return low
		case high > 0:
			return min(high, otherwise)
		}
		return otherwise
	}
	e.Cores, e.CoresMax = pick(got[0], got[1], 1), got[1]
	e.RAM, e.RAMMax = whole(pick(got[2], got[3], 256)), whole(got[3])
	e.TmpDirSize, e.OutDirSize = whole(pick(got[4], got[5], 1024)), whole(pick(got[6], got[7], 1024))
	or := func(given int64, asked int64) int64 {
		if given > 0 {
			return given
		}
		return asked
	}
	cores := e.Cores
	if s.rt.Cores > 0 {
		cores = s.rt.Cores
	}
	s.ev.runtime = map[string]any{
		"outdir":     s.rt.OutDir,
		"tmpdir":     s.rt.TmpDir,
		"cores":      max(1, whole(cores)),
		"ram":        or(s.rt.RAM, e.RAM),
		"outdirSize": or(s.rt.OutDirSize, e.OutDirSize),
		"tmpdirSize": or(s.rt.TmpDirSize, e.TmpDirSize),
	}
	s.ev.changed()
	return nil
}

func whole(x float64) int64 { return int64(math.Ceil(x)) }

// number evaluates a quantity; 0 when it is not set.
func (s *stager) number(q *quantity, what string) (float64, error) {
	if q.expr == nil {
		return q.number, nil
	}
	v, err := s.ev.eval(q.expr, nil)
	if err != nil || v == nil {
		return 0, err
	}
	if text, ok := v.(string); ok {
		if n, err := number(text); err == nil {
			v = n
		}
	}
	f, ok := toFloat(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) || f < 0 {
		return 0, fmt.Errorf("%s: %s gave %s; it must be a number that is not negative", what, clip(q.expr.raw), describe(v))
	}
	return f, nil
}

// settings works out the environment, the streams and the limits.
func (s *stager) settings(e *Execution) error {
	q := &s.t.req
	e.Env = map[string]string{"HOME": s.rt.OutDir, "TMPDIR": s.rt.TmpDir}
	for _, d := range q.env {
		v, err := s.ev.eval(d.value, nil)
		if err != nil {
			return err
		}
		text := plain(v)
		if v == nil || strings.ContainsRune(text, 0) {
			return fmt.Errorf("the variable %s is %s; it must be text", d.name, describe(v))
		}
		e.Env[d.name] = text
	}
	seconds, err := s.number(&q.timeLimit, "ToolTimeLimit")
	if err != nil {
		return err
	}
	e.TimeLimit = timeLimitOf(seconds)
	e.Network = q.networkOn
	if q.network != nil {
		v, err := s.ev.eval(q.network, nil)
		if err != nil {
			return err
		}
		on, ok := v.(bool)
		if !ok {
			return fmt.Errorf("networkAccess gave %s; it must be true or false", describe(v))
		}
		e.Network = on
	}
	if e.Stdout, err = s.streamName(s.t.stdout, "stdout"); err != nil {
		return err
	}
	if e.Stderr, err = s.streamName(s.t.stderr, "stderr"); err != nil {
		return err
	}
	v, err := s.ev.eval(s.t.stdin, nil)
	if err != nil {
		return err
	}
	if m, ok := isFile(v); ok {
		v = m["path"]
	}
	if v == nil {
		return nil
	}
	if e.Stdin, _ = v.(string); e.Stdin == "" {
		return fmt.Errorf("stdin gave %s; it must be the path of a file", describe(v))
	}
	return nil
}

// streamName gives the file, below the work directory, that takes a stream.
func (s *stager) streamName(t *template, what string) (string, error) {
	v, err := s.ev.eval(t, nil)
	if err != nil || v == nil {
		return "", err
	}
	name, ok := v.(string)
	if !ok || name == "" {
		return "", fmt.Errorf("%s gave %s; it must be the name of a file", what, describe(v))
	}
	if path.IsAbs(name) {
		name = strings.TrimPrefix(name, s.rt.OutDir+"/")
	}
	if err := checkBelow(name); err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	return path.Clean(name), nil
}

// checkBelow refuses a path that is not below the directory it starts from.
func checkBelow(p string) error {
	if path.IsAbs(p) || strings.ContainsRune(p, 0) {
		return fmt.Errorf("the path %q must be relative to the work directory", clip(p))
	}
	if c := path.Clean(p); c == ".." || strings.HasPrefix(c, "../") {
		return fmt.Errorf("the path %q leads out of the work directory", clip(p))
	}
	return nil
}
