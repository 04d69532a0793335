package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

func (a *app) jobCommand() *cobra.Command {
	c := &cobra.Command{Use: "job", Short: "See and steer jobs: calls with a durable record"}
	c.AddCommand(a.jobList(), a.jobShow(), a.jobLog(), a.jobWait(), a.jobAbort(), a.jobRerun(), a.jobResults(), a.jobProvenance(), a.jobDelete())
	return c
}

func jobPath(id string, rest ...string) string {
	return "/api/v1/jobs/" + url.PathEscape(id) + strings.Join(rest, "")
}

func (a *app) jobList() *cobra.Command {
	var all bool
	var phases, labels []string
	var function, owner, namespace, after, before string
	c := &cobra.Command{Use: "list", Short: "List jobs, the latest first", Args: cobra.NoArgs,
		Example: "  fringe job list --phase EXECUTING\n  fringe job list --function wsclean --label survey=m87 --after 2026-01-31",
		RunE: func(cmd *cobra.Command, _ []string) error {
			q := url.Values{"phase": phases, "label": labels}
			for k, v := range map[string]string{"function": function, "owner": owner, "namespace": namespace, "after": after, "before": before} {
				if v != "" {
					q.Set(k, v)
				}
			}
			items, more, err := pages[client.Job](cmd.Context(), a, "/api/v1/jobs", q, all)
			if err != nil {
				return err
			}
			none := "there are no jobs yet; make one with: fringe call NAME --async"
			if len(phases)+len(labels) > 0 || first(function, owner, namespace, after, before) != "" {
				none = "no job is like this; see all with: fringe job list"
			}
			defer a.moreHint(more)
			return a.list(items, len(items), none, "JOB FUNCTION PHASE RUN SUBMITTED", func(row func(...any)) {
				for _, j := range items {
					row(j.ID, j.Function, j.Phase, ran(&j), when(j.Submitted))
				}
			})
		}}
	f := c.Flags()
	f.StringSliceVar(&phases, "phase", nil, "only of these phases (PENDING, QUEUED, EXECUTING, COMPLETED, ERROR, ABORTED, HELD, SUSPENDED, ARCHIVED)")
	f.StringVar(&function, "function", "", "only of this function")
	f.StringVar(&owner, "owner", "", "only of this principal; operators see all")
	f.StringVar(&namespace, "namespace", "", "only of this namespace")
	f.StringArrayVar(&labels, "label", nil, "only with this label, NAME=VALUE; several must all be there")
	f.StringVar(&after, "after", "", "only submitted after this time (2026-01-31 or 2026-01-31T12:00:00Z)")
	f.StringVar(&before, "before", "", "only submitted before this time")
	f.BoolVar(&all, "all", false, "all pages, not the first only")
	c.RegisterFlagCompletionFunc("phase", cobra.FixedCompletions(strings.Split("PENDING QUEUED EXECUTING COMPLETED ERROR ABORTED HELD SUSPENDED ARCHIVED", " "), cobra.ShellCompDirectiveNoFileComp))
	c.RegisterFlagCompletionFunc("function", a.functionNames())
	return c
}

// ran tells for how long a job ran, or has run by now.
func ran(j *client.Job) string {
	switch {
	case j.Final():
		return seconds(j.Timing.Run)
	case j.Started != nil:
		return durationText(max(0, time.Since(*j.Started)))
	}
	return "-"
}

// getJob asks for a job.
func (a *app) getJob(ctx context.Context, id string) (*client.Client, client.Job, error) {
	cl, err := a.client()
	if err != nil {
		return nil, client.Job{}, err
	}
	j, err := client.Get[client.Job](ctx, cl, jobPath(id), nil)
	return cl, j, err
}

func (a *app) jobShow() *cobra.Command {
	return &cobra.Command{Use: "show ID", ValidArgsFunction: a.jobIDs(), Short: "Show a job: its phase, attempts, times, inputs and outputs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, j, err := a.getJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.print(j, func(w io.Writer) { showJob(w, &j, outputsOf(cmd.Context(), cl, &j)) })
		}}
}

func showJob(w io.Writer, j *client.Job, of []client.Parameter) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("job", "%s", j.ID)
	line("function", "%s", j.Function)
	line("phase", "%s", j.Phase)
	if p := j.Progress; p != nil && !j.Final() {
		line("progress", "%s", progressText(p))
	}
	line("owner", "%s", j.Owner)
	if j.Namespace != "" {
		line("namespace", "%s", j.Namespace)
	}
	line("submitted", "%s", j.Submitted.Local().Format(time.RFC3339))
	line("time", "queue %s, start %s, run %s", seconds(j.Timing.Queue), seconds(j.Timing.Start), seconds(j.Timing.Run))
	if j.Usage != nil {
		line("used", "%s CPU, %s memory at most", durationText(j.Usage.CPU), fringe.SizeText(j.Usage.PeakMemory))
	}
	if len(j.Labels) > 0 {
		var labels []string
		for _, k := range sortedKeys(j.Labels) {
			labels = append(labels, k+"="+j.Labels[k])
		}
		line("labels", "%s", strings.Join(labels, ", "))
	}
	if len(j.Attempts) > 1 {
		for _, t := range j.Attempts {
			line("attempt", "%d  %s  %s", t.Number, t.Started.Local().Format(time.RFC3339), t.Cause)
		}
	}
	if j.Destruction != nil {
		line("goes", "%s", j.Destruction.Local().Format(time.RFC3339))
	}
	showValues(w, "inputs", j.Inputs, nil)
	showValues(w, "outputs", j.Outputs, of)
	if j.Reused != "" {
		line("answered", "from the store; made by the job %s", j.Reused)
	}
	if d := j.Delivery; d != nil {
		line("callback", "%s: %s after %d tries %s", d.URL, d.State, d.Tries, d.Error)
	}
	if j.Error != nil {
		explain(w, j.Error.Err())
	}
}

// showValues writes an input or output object, a value a line with its unit;
// nothing when it is empty.
func showValues(w io.Writer, what string, doc json.RawMessage, of []client.Parameter) {
	var values map[string]any
	if fringe.Unmarshal(doc, &values) != nil || len(values) == 0 {
		return
	}
	fmt.Fprintln(w, what)
	wide := 0
	for name := range values {
		wide = max(wide, len(name))
	}
	for _, name := range sortedKeys(values) {
		if values[name] != nil {
			fmt.Fprintf(w, "  %-*s  %s\n", wide, name, brief(values[name])+unitText(of, name, values[name]))
		}
	}
}

func (a *app) jobLog() *cobra.Command {
	c := a.logsCommand()
	c.Use, c.Short = "log ID", "Show what a job wrote; -f while it runs"
	return c
}

func (a *app) jobWait() *cobra.Command {
	return &cobra.Command{Use: "wait ID…", ValidArgsFunction: many(a.jobIDs()), Short: "Wait until jobs have ended; fails when one of them has not completed", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var ended []client.Job
			failed := false
			for _, id := range args {
				cl, j, err := a.getJob(cmd.Context(), id)
				if err == nil {
					j, err = a.follow(cmd.Context(), cl, j.ID, j.Function)
				}
				if err != nil {
					return err
				}
				ended = append(ended, j)
				if j.Error != nil && !a.json {
					explain(a.stderr, j.Error.Err())
				}
				failed = failed || j.Phase != "COMPLETED"
			}
			err := a.print(ended, func(w io.Writer) {
				for _, j := range ended {
					fmt.Fprintf(w, "%s %s %s\n", j.ID, j.Function, j.Phase)
				}
			})
			if err == nil && failed {
				err = exitCode(1)
			}
			return err
		}}
}

// follow waits until a job has ended, showing its progress on a terminal, and
// gives it as it is then.
func (a *app) follow(ctx context.Context, cl *client.Client, id fringe.CallID, what string) (client.Job, error) {
	spin := a.spin(ctx, what)
	err := cl.Follow(ctx, id, func(e client.Event) error {
		switch e.Kind {
		case "phase":
			spin.say(what + "  " + e.Phase)
		case "progress":
			spin.say(what + "  " + progressText(e.Progress))
		}
		return nil
	})
	spin.stop()
	if err != nil {
		return client.Job{}, err
	}
	return client.Get[client.Job](ctx, cl, jobPath(string(id)), nil)
}

// progressText draws a bar where the fraction is known.
func progressText(p *client.Progress) string {
	if p == nil || p.Fraction <= 0 {
		if p == nil {
			return ""
		}
		return p.Step
	}
	const width = 20
	done := int(min(p.Fraction, 1)*width + 0.5)
	return strings.TrimSpace(fmt.Sprintf("[%s%s] %3.0f %%  %s", strings.Repeat("=", done), strings.Repeat(" ", width-done), 100*min(p.Fraction, 1), p.Step))
}

// each does something to every job that is named, and says so by the word.
func (a *app) each(use, short, word string, do func(ctx context.Context, cl *client.Client, id string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, ValidArgsFunction: many(a.jobIDs()), Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			for _, id := range args {
				err := do(cmd.Context(), cl, id)
				if err == nil {
					err = a.print(map[string]string{word: id}, func(w io.Writer) { fmt.Fprintln(w, word, id) })
				}
				if err != nil {
					return err
				}
			}
			return nil
		}}
}

func (a *app) jobAbort() *cobra.Command {
	return a.each("abort ID…", "Stop jobs; what they wrote stays", "aborted", func(ctx context.Context, cl *client.Client, id string) error {
		_, err := client.Send[client.Job](ctx, cl, "POST", jobPath(id, "/abort"), struct{}{})
		return err
	})
}

func (a *app) jobDelete() *cobra.Command {
	return a.each("delete ID…", "Delete jobs with their logs and products; running ones are stopped", "deleted", func(ctx context.Context, cl *client.Client, id string) error {
		return cl.Delete(ctx, jobPath(id))
	})
}

func (a *app) jobRerun() *cobra.Command {
	var async bool
	var tolerance float64
	c := &cobra.Command{Use: "rerun ID", ValidArgsFunction: a.jobIDs(), Short: "Run a job once more, and say whether it makes the same", Args: cobra.ExactArgs(1),
		Long: `Run a job once more: the same version, the same inputs, nothing from the store.
When the job had completed, what the two have made is compared: the data of FITS
files (not their headers), the values of JSON, directories file by file (without
table.lock), all else byte by byte; logs (NAME.log) do not count. Pixels of programs
with several threads differ by their rounding: --tolerance says by what part of the
largest value they may. The exit code is 1 when it is not the same.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, old, err := a.getJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			j, err := client.Send[client.Job](cmd.Context(), cl, "POST", jobPath(args[0], "/rerun"), struct{}{})
			if err != nil {
				return err
			}
			if async {
				return a.printAccepted(&j)
			}
			if j, err = a.follow(cmd.Context(), cl, j.ID, j.Function); err != nil {
				return err
			}
			if j.Error != nil || old.Phase != "COMPLETED" {
				return a.printEnded(cmd.Context(), cl, &j, outputsOf(cmd.Context(), cl, &j), "")
			}
			return a.compare(cmd.Context(), cl, [2]fringe.CallID{old.ID, j.ID}, tolerance)
		}}
	c.Flags().BoolVar(&async, "async", false, "do not wait for its end")
	c.Flags().Float64Var(&tolerance, "tolerance", 0, "pixels may differ by this part of the largest value")
	return c
}

// compare tells whether two jobs made the same.
func (a *app) compare(ctx context.Context, cl *client.Client, ids [2]fringe.CallID, tolerance float64) error {
	c, err := client.Get[client.Comparison](ctx, cl, jobPath(string(ids[0]), "/compare"),
		url.Values{"with": {string(ids[1])}, "tolerance": {strconv.FormatFloat(tolerance, 'g', -1, 64)}})
	if err != nil {
		return err
	}
	err = a.print(struct {
		Job fringe.CallID `json:"job"`
		client.Comparison
	}{ids[1], c}, func(w io.Writer) {
		table(w, "OUTPUT SAME", func(row func(...any)) {
			for _, r := range c.Results {
				row(r.Name, strings.Join(append([]string{map[bool]string{true: "yes", false: "no"}[r.Equal]}, r.Notes...), "; "))
			}
		})
		fmt.Fprintf(w, "\n%s: %s\n", ids[1], map[bool]string{true: "reproduced", false: "not reproduced"}[c.Equal])
	})
	if err == nil && !c.Equal {
		err = exitCode(1)
	}
	return err
}

func (a *app) jobProvenance() *cobra.Command {
	var file string
	var outputs bool
	c := &cobra.Command{Use: "provenance ID", ValidArgsFunction: a.jobIDs(), Short: "Show how a job made what it made, or write it as an RO-Crate", Args: cobra.ExactArgs(1),
		Long: `Show who ran what, when and where, with digests, parameters, checksums and the
resources used. With --ro-crate all of it is written as a zip archive: an RO-Crate
of the profile Process Run Crate, with the record, the function's CWL document and
the log, and with --outputs what the job has made.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			if file != "" {
				return a.saveCrate(cmd.Context(), cl, args[0], file, outputs)
			}
			p, err := client.Get[client.Provenance](cmd.Context(), cl, jobPath(args[0], "/provenance"), nil)
			if err != nil {
				return err
			}
			return a.print(p, func(w io.Writer) { showProvenance(w, &p) })
		}}
	c.Flags().StringVar(&file, "ro-crate", "", "write an RO-Crate to this file (.zip)")
	c.Flags().BoolVar(&outputs, "outputs", false, "with --ro-crate: put what the job made into it")
	return c
}

func (a *app) saveCrate(ctx context.Context, cl *client.Client, id, file string, outputs bool) error {
	q := url.Values{}
	if outputs {
		q.Set("outputs", "true")
	}
	res, err := cl.Do(ctx, client.Request{Method: "GET", Path: jobPath(id, "/provenance"), Query: q, Header: http.Header{"Accept": {"application/zip"}}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.CreateTemp(filepath.Dir(file), ".fringe-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := io.Copy(f, res.Body); err != nil {
		f.Close()
		return fringe.Errorf("job provenance", fringe.Unavailable, "the crate was cut short: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

func showProvenance(w io.Writer, p *client.Provenance) {
	showJob(w, &p.Job, p.Function.Outputs)
	fmt.Fprintf(w, "%-10s the site %s at %s, Fringe %s on %s\n", "where", p.Site, p.URL, p.Server, p.Machine)
	fmt.Fprintf(w, "%-10s %s\n%-10s %s %s\n", "digest", p.Function.Digest, "in", first(string(p.Environment.Name), "(host)"), p.Environment.Digest)
	fmt.Fprintln(w)
	table(w, "DATA NAME SIZE AT CHECKSUM", func(row func(...any)) {
		for i, uses := range [][]client.DataUse{p.Inputs, p.Outputs} {
			for _, u := range uses {
				if u.Class != "" {
					size := fringe.SizeText(u.Size)
					if u.Size == 0 && u.Checksum == "" {
						size = "-" // not known
					}
					row([]string{"in", "out"}[i], u.Name, size, u.Location, u.Checksum)
				}
			}
		}
	})
}

func (a *app) jobResults() *cobra.Command {
	var outdir string
	c := &cobra.Command{Use: "results ID", ValidArgsFunction: a.jobIDs(), Short: "Show what a job has made; -o brings the files", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, j, err := a.getJob(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			of := outputsOf(cmd.Context(), cl, &j)
			if outdir != "" {
				return a.printEnded(cmd.Context(), cl, &j, of, outdir)
			}
			p, err := client.Get[client.Page[client.Result]](cmd.Context(), cl, jobPath(args[0], "/results"), nil)
			if err != nil {
				return err
			}
			return a.print(p.Items, func(w io.Writer) {
				table(w, "RESULT VALUE SIZE TYPE", func(row func(...any)) {
					for _, r := range p.Items {
						if r.Class == "" {
							row(r.Name, string(r.Value)+unitText(of, r.Name, r.Value), "", "")
							continue
						}
						row(r.Name, r.Location, fringe.SizeText(r.Size), strings.TrimSpace(r.Class+" "+r.MediaType))
					}
				})
			})
		}}
	c.Flags().StringVarP(&outdir, "outdir", "o", "", "bring the files to this directory")
	return c
}

// printAccepted says which job was made.
func (a *app) printAccepted(j *client.Job) error {
	return a.print(j, func(w io.Writer) {
		fmt.Fprintln(w, j.ID)
		if terminal(a.stdout) {
			fmt.Fprintf(a.stderr, "%s: wait for it with 'fringe job wait %s'\n", j.Phase, j.ID)
		}
	})
}

// printEnded writes the outputs of a job that has ended, or why it has none,
// and brings its files to outdir when that is given.
func (a *app) printEnded(ctx context.Context, cl *client.Client, j *client.Job, of []client.Parameter, outdir string) error {
	if j.Error != nil {
		return j.Error.Err()
	}
	if len(j.Outputs) == 0 {
		return fringe.Errorf("job", fringe.Conflict, "the job %s has no outputs: it is %s", j.ID, j.Phase)
	}
	var outputs map[string]any
	if err := fringe.Unmarshal(j.Outputs, &outputs); err != nil {
		return fringe.Errorf("job", fringe.Unavailable, "the outputs are not a JSON object: %w", err)
	}
	if outdir != "" {
		if err := a.bring(ctx, cl, outputs, outdir); err != nil {
			return err
		}
	}
	note := fmt.Sprintf("call %s  queue %s, start %s, run %s", j.ID, seconds(j.Timing.Queue), seconds(j.Timing.Start), seconds(j.Timing.Run))
	if j.Reused != "" {
		note = fmt.Sprintf("call %s  from the store; made by the job %s", j.ID, j.Reused)
	}
	return a.printOutputs(outputs, of, note)
}

// outputsOf gives the outputs of a job's interface; none when its version is
// not in the catalogue any more.
func outputsOf(ctx context.Context, cl *client.Client, j *client.Job) []client.Parameter {
	fn, err := client.Get[client.Function](ctx, cl, "/api/v1/functions/"+client.EscapePath(j.Function), nil)
	if err != nil {
		return nil
	}
	return fn.Outputs
}

func seconds(s float64) string { return durationText(time.Duration(s * float64(time.Second))) }
