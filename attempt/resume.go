package attempt

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"fringe"
	"fringe/cwl"
	"fringe/data"
)

// The records of a durable attempt, in its WorkDir. They hold, as what the
// program wrote does, until the machine starts again; the driver knows of no
// instance from before.
const (
	stagedRecord  = "staged.json"  // a staged; before the program starts
	outcomeRecord = "outcome.json" // an outcome; when the outputs are collected
)

// ErrNotStarted is in the error of Resume when the attempt's program has not
// run: the attempt may be made, in a WorkDir that is emptied.
var ErrNotStarted = errors.New("the program of the attempt has not run")

// staged is what a process must know of an attempt that another one made.
type staged struct {
	Items  []stagedItem // as Execution.Stage
	Views  []stagedView
	Mounts []fringe.Mount
	Extra  int
	Logs   [2]int64 // where standard output and error stood at the start
	Stage  time.Duration
}

type stagedItem struct{ Target, Source string }

type stagedView struct{ Source, Scratch string }

// outcome is an Outcome as it is recorded.
type outcome struct {
	Outputs map[string]any
	Phases  Phases
}

// record writes down what is staged.
func (t *try) record() error {
	rec := staged{Mounts: t.s.mounts, Extra: t.s.extra, Logs: [2]int64{t.streams.outStart, t.streams.errStart}, Stage: t.out.Phases.Stage}
	for _, it := range t.e.Stage {
		rec.Items = append(rec.Items, stagedItem{it.Target, it.Source})
	}
	for _, v := range t.s.views {
		rec.Views = append(rec.Views, stagedView{v.Source, filepath.Dir(filepath.Dir(v.Path))})
	}
	return t.write(stagedRecord, rec)
}

// conclude writes down the outcome.
func (t *try) conclude() error {
	return t.write(outcomeRecord, outcome{t.out.Outputs, t.out.Phases})
}

// write makes a record, whole or not at all.
func (t *try) write(name string, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(t.s.dir, name)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// read reads a record; ok is false when there is none.
func (t *try) read(name string, v any) (ok bool, err error) {
	text, err := os.ReadFile(filepath.Join(t.s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, v)
}

// Resume takes up a durable attempt that a former process made, with the same
// request, and gives its outcome as Run does, however far it has come: it waits
// for the instance when that still runs, and does not collect twice. An output
// that its holder has moved away already is not where the outcome says. The
// error has ErrNotStarted when there is nothing to take up.
func Resume(ctx context.Context, r Request) (Outcome, error) {
	r.Durable = true
	t, err := newTry(&r)
	if err == nil {
		t.former = true
		err = t.resume(ctx)
	}
	return t.close(ctx, "attempt.Resume", err)
}

// Remove removes the directory of an attempt that nobody will resume and whose
// program does not run, with the views that are in it.
func Remove(dir string) error {
	t := &try{s: &stage{dir: dir}}
	var rec staged
	if _, err := t.read(stagedRecord, &rec); err == nil { // else it did not get that far
		for _, v := range rec.Views {
			if err := data.FormerView(v.Source, v.Scratch).Release(); err != nil {
				return fringe.E("attempt.Remove", err)
			}
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fringe.E("attempt.Remove", err)
	}
	return nil
}

func (t *try) resume(ctx context.Context) error {
	s, err := openStage(t.r, t.e)
	if err != nil {
		return component(err, fringe.Stage)
	}
	instance, err := t.r.Driver.Attach(ctx, t.r.ID, s.scratch)
	if fringe.KindOf(err) == fringe.NotFound {
		return &fringe.Error{Kind: fringe.NotFound, Component: fringe.Start, Message: ErrNotStarted.Error(), Err: errors.Join(ErrNotStarted, err)}
	}
	if err != nil {
		return component(err, fringe.Start)
	}
	t.s, t.running = s, true
	if err := t.restore(); err != nil {
		return component(err, fringe.Stage)
	}
	var done outcome
	if ok, err := t.read(outcomeRecord, &done); err != nil || !ok {
		if err == nil {
			err = t.finish(ctx, instance)
			t.out.Phases.Run = t.out.Exit.Usage.Wall
		}
		return component(err, fringe.Collect)
	}
	t.out.Outputs, t.out.Phases = done.Outputs, done.Phases
	t.out.Exit, err = instance.Wait(ctx)
	return err
}

// restore gives the stage and the streams what they knew before the start.
func (t *try) restore() error {
	var rec staged
	ok, err := t.read(stagedRecord, &rec)
	if err != nil {
		return err
	}
	if same := ok && len(rec.Items) == len(t.e.Stage); !same {
		return unlike()
	}
	for i, it := range rec.Items {
		if t.e.Stage[i].Target != it.Target {
			return unlike()
		}
		t.e.Stage[i].Source = it.Source
	}
	for _, v := range rec.Views {
		t.s.views = append(t.s.views, data.FormerView(v.Source, v.Scratch))
	}
	t.s.mounts, t.s.extra, t.out.Phases.Stage = rec.Mounts, rec.Extra, rec.Stage
	t.streams = reopenStreams(t.r, t.e, t.s)
	t.streams.outStart, t.streams.errStart = rec.Logs[0], rec.Logs[1]
	return nil
}

func unlike() error {
	return fringe.Errorf("attempt.Resume", fringe.Internal, "the attempt that runs was made from another request, or its record is gone")
}

// openStage gives a stage of which only the places are known.
func openStage(r *Request, e *cwl.Execution) (*stage, error) {
	dir, err := filepath.Abs(r.WorkDir)
	if err != nil {
		return nil, err
	}
	return &stage{dir: dir, out: filepath.Join(dir, "out"), in: filepath.Join(dir, "in"), scratch: filepath.Join(dir, "scratch"), inside: e.Dir}, nil
}
