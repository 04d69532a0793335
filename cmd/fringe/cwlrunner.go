package main

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/attempt"
	"fringe/cwl"
	"fringe/data"
	"fringe/driver/process"
)

// unsupportedExit is the exit code by which CWL runners say that a document
// uses what they do not support.
const unsupportedExit exitCode = 33

// cwlRunner is one run of a tool without a site.
type cwlRunner struct {
	outDir string
	quiet  bool
	stdout io.Writer
	stderr io.Writer
}

func newCWLRunnerCommand() *cobra.Command {
	r := &cwlRunner{}
	cmd := &cobra.Command{
		Use:   "cwl-runner [flags] TOOL [JOB]",
		Short: "Run a CWL CommandLineTool without a site",
		Long: "Run a CWL CommandLineTool without a site. JOB is the input object as YAML or JSON;\n" +
			"TOOL may be FILE#ID. The output object is printed; output files go to --outdir.\n\n" +
			"The exit code is 0 on success, 1 on failure, and 33 when the document uses what is not supported.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.stdout, r.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			// Without private mounts an input that the tool changes is
			// copied, where it would be overlaid.
			_ = process.PrivateMounts()
			err := r.run(cmd.Context(), args)
			var unsupported *cwl.Unsupported
			if errors.As(err, &unsupported) {
				fmt.Fprintln(r.stderr, "fringe:", unsupported)
				return unsupportedExit
			}
			var problems cwl.Problems
			if errors.As(err, &problems) {
				fmt.Fprintln(r.stderr, problems)
				return exitCode(1)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&r.outDir, "outdir", ".", "directory for the output files")
	cmd.Flags().BoolVar(&r.quiet, "quiet", false, "do not show what runs, nor what it writes")
	return cmd
}

func (r *cwlRunner) run(ctx context.Context, args []string) error {
	tool, err := cwl.Load(args[0])
	if err != nil {
		return err
	}
	if tool.Container != "" && !r.quiet {
		fmt.Fprintf(r.stderr, "fringe: the tool names the container image %s as a hint; it runs without, with the programs of this machine\n", tool.Container)
	}
	job := map[string]any{}
	if len(args) == 2 {
		if job, err = readJob(args[1]); err != nil {
			return err
		}
	}
	if extra, ok := job["cwl:requirements"]; ok {
		if tool, err = tool.Override(extra); err != nil {
			return err
		}
	}
	inputs, err := tool.Validate(r.known(tool, job))
	if err != nil {
		return err
	}
	if r.outDir, err = filepath.Abs(r.outDir); err != nil {
		return err
	}
	if err := os.MkdirAll(r.outDir, 0o755); err != nil {
		return outDirError(err)
	}
	work, err := os.MkdirTemp(r.outDir, ".fringe-run-")
	if err != nil {
		return outDirError(err)
	}
	outputs, err := r.attempt(ctx, tool, inputs, work)
	err = errors.Join(err, os.RemoveAll(work))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(r.stdout)
	enc.SetIndent("", "    ")
	enc.SetEscapeHTML(false)
	return enc.Encode(plainNumbers(outputs))
}

func outDirError(err error) error {
	return fringe.Errorf("cwl-runner", fringe.Unavailable, "the output directory cannot be used: %w", err)
}

func readJob(path string) (map[string]any, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fringe.Errorf("cwl-runner", fringe.NotFound, "the input object cannot be read: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	return cwl.ParseInputs(path, text, filepath.Dir(abs))
}

// known leaves out what is no input of the tool, and says so. Runners of CWL
// take input objects that were written for several tools.
func (r *cwlRunner) known(tool *cwl.Tool, job map[string]any) map[string]any {
	out := make(map[string]any, len(job))
	names := map[string]bool{}
	for i := range tool.Inputs {
		names[tool.Inputs[i].Name] = true
	}
	keys := make([]string, 0, len(job))
	for k := range job {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		switch {
		case names[k]:
			out[k] = job[k]
		case !strings.ContainsAny(k, ":$") && !r.quiet:
			fmt.Fprintf(r.stderr, "fringe: the tool has no input %q; it is left out\n", k)
		}
	}
	return out
}

// attempt runs the tool and moves its outputs to the output directory.
func (r *cwlRunner) attempt(ctx context.Context, tool *cwl.Tool, inputs map[string]any, work string) (map[string]any, error) {
	driver, err := process.New(process.Config{StateDir: filepath.Join(work, "driver")})
	if err != nil {
		return nil, err
	}
	req := attempt.Request{Tool: tool, Inputs: inputs, Driver: driver, ID: fringe.InstanceID(strings.TrimPrefix(filepath.Base(work), ".")),
		WorkDir: filepath.Join(work, "attempt"), Network: true, Base: userPrograms()}
	if !r.quiet {
		req.Stdout, req.Stderr = os.Stderr, os.Stderr
	}
	out, err := attempt.Run(ctx, req)
	if err != nil {
		return nil, err
	}
	m := mover{ctx: ctx, dir: r.outDir}
	_, err = m.value(out.Outputs)
	return out.Outputs, errors.Join(err, out.Close())
}

// userPrograms makes the programs on the user's PATH available, read-only: the
// driver shows the system's directories, but not the user's own.
func userPrograms() fringe.Spec {
	path := os.Getenv("PATH")
	spec := fringe.Spec{Env: []string{"PATH=" + path}}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	seen := map[string]bool{}
	for _, dir := range filepath.SplitList(path) {
		dir = filepath.Clean(dir)
		top, _, _ := strings.Cut(strings.TrimPrefix(dir, "/"), "/")
		if !filepath.IsAbs(dir) || strings.Contains("|usr|bin|sbin|lib|etc|opt|var|", "|"+top+"|") {
			continue
		}
		// Programs need what lies beside them: the whole of ~/.pyenv for
		// ~/.pyenv/shims, of /data/conda for /data/conda/bin.
		shown := filepath.Dir(dir)
		if below, ok := strings.CutPrefix(dir, home+"/"); ok {
			first, _, _ := strings.Cut(below, "/")
			shown = filepath.Join(home, first)
		}
		if st, err := os.Stat(shown); err != nil || !st.IsDir() || shown == "/" || shown == home || seen[shown] {
			continue
		}
		seen[shown] = true
		spec.Mounts = append(spec.Mounts, fringe.Mount{Source: shown, Target: shown})
	}
	return spec
}

// mover brings output files to their final place and describes them there.
type mover struct {
	ctx context.Context
	dir string
}

func (m *mover) value(v any) (any, error) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if _, err := m.value(e); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		if class := v["class"]; class == "File" || class == "Directory" {
			dir, err := m.place(v)
			if err != nil {
				return nil, err
			}
			beside := mover{m.ctx, dir}
			return beside.value(v["secondaryFiles"])
		}
		for _, e := range v {
			if _, err := m.value(e); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// place moves one File or Directory and gives the directory it is in.
func (m *mover) place(v map[string]any) (string, error) {
	from, _ := v["path"].(string)
	base, _ := v["basename"].(string)
	to := filepath.Join(m.dir, base)
	for n := 2; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, os.ErrNotExist) {
			break
		}
		ext := filepath.Ext(base)
		to = filepath.Join(m.dir, fmt.Sprintf("%s_%d%s", strings.TrimSuffix(base, ext), n, ext))
	}
	if err := os.Rename(from, to); err != nil {
		if err := data.CopyTree(m.ctx, from, to); err != nil {
			return "", err
		}
	}
	return m.dir, describeFile(v, to)
}

// describeFile fills what a runner says about a file at its final place.
func describeFile(v map[string]any, path string) error {
	v["path"], v["location"], v["basename"] = path, cwl.FileURI(path), filepath.Base(path)
	for _, k := range []string{"dirname", "listing"} {
		delete(v, k)
	}
	if v["class"] == "Directory" {
		list, err := listDirectory(path)
		v["listing"] = list
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha1.New()
	n, err := io.Copy(sum, f)
	v["size"], v["checksum"] = n, "sha1$"+hex.EncodeToString(sum.Sum(nil))
	return err
}

func listDirectory(dir string) ([]any, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	list := make([]any, 0, len(entries))
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		v := map[string]any{"class": "File"}
		if st.IsDir() {
			v["class"] = "Directory"
		}
		if err := describeFile(v, path); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// plainNumbers gives numbers the form without an exponent, as whole numbers of
// any size have it in the input.
func plainNumbers(v any) any {
	switch v := v.(type) {
	case float64:
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = plainNumbers(e)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = plainNumbers(e)
		}
		return out
	}
	return v
}
