package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

func (a *app) publishCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "publish PATH…",
		Short: "Publish functions: directories, .cwl or .py files, or git URLs",
		Long: `Publish functions. PATH is a function directory (with function.cwl or
function.py), a directory of such directories, a bare .cwl or .py file, or a git
URL. What is wrong with a function is shown with file, line and cure, and
nothing is published. A version, once published, never changes.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			var paths []string
			for _, p := range args {
				paths = append(paths, functionDirs(p)...)
			}
			out := []client.Function{}
			failed := false
			for _, p := range paths {
				fn, err := a.publish(cmd.Context(), cl, p)
				if err != nil {
					a.sayUnpublished(p, err)
					failed = true
					continue
				}
				out = append(out, fn)
				if !a.json {
					a.sayPublished(fn)
				}
			}
			if a.json {
				if err := a.print(out, nil); err != nil {
					return err
				}
			}
			if failed {
				return exitCode(1)
			}
			return nil
		},
	}
}

func (a *app) sayUnpublished(path string, err error) {
	path = fringe.Redacted(path)
	if a.json {
		json.NewEncoder(a.stderr).Encode(map[string]any{"path": path, "problem": problem(err)})
		return
	}
	fmt.Fprintf(a.stderr, "%s:\n", path)
	explain(a.stderr, err)
}

func (a *app) sayPublished(fn client.Function) {
	word := "published"
	if !fn.Created {
		word = "unchanged"
	}
	fmt.Fprintf(a.stdout, "%s %-32s %s\n", word, fn.Ref(), fn.Summary)
	if fn.Container != "" {
		fmt.Fprintf(a.stderr, "fringe: %s names the container image %s as a hint; it is not used: the function runs %s\n", fn.Name, fn.Container, runsIn(fn))
	}
}

// runsIn says what a function runs in.
func runsIn(fn client.Function) string {
	if fn.Environment == "" {
		return "with the machine's programs"
	}
	return "in the environment " + string(fn.Environment)
}

// functionDirs gives p itself, or the function directories below it when it is
// a directory of them.
func functionDirs(p string) []string {
	if info, err := os.Stat(p); err != nil || !info.IsDir() || isFunctionDir(p) {
		return []string{p}
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return []string{p}
	}
	var dirs []string
	for _, e := range entries {
		if d := filepath.Join(p, e.Name()); e.IsDir() && isFunctionDir(d) {
			dirs = append(dirs, d)
		}
	}
	if dirs == nil {
		return []string{p}
	}
	return dirs
}

func isFunctionDir(d string) bool {
	for _, n := range []string{"function.cwl", "function.py"} {
		if _, err := os.Stat(filepath.Join(d, n)); err == nil {
			return true
		}
	}
	return false
}

// publish sends one function to the site: a git URL by name, all else as an
// archive.
func (a *app) publish(ctx context.Context, cl *client.Client, p string) (client.Function, error) {
	if isGit(p) {
		return client.Send[client.Function](ctx, cl, "POST", "/api/v1/functions", map[string]string{"git": p})
	}
	abs, err := filepath.Abs(p)
	if err != nil {
		return client.Function{}, err
	}
	var buf bytes.Buffer
	if err := pack(&buf, abs); err != nil {
		return client.Function{}, &fringe.Error{Op: "publish", Kind: fringe.NotFound, Err: err,
			Message: fmt.Sprintf("%s cannot be read as a function: %v", p, err), Cure: "give a function directory, a .cwl or .py file, or a git URL"}
	}
	return client.Upload[client.Function](ctx, cl, client.Request{Method: "POST", Path: "/api/v1/functions",
		Query: url.Values{"name": {filepath.Base(abs)}}, Header: http.Header{"Content-Type": {"application/gzip"}}, Body: &buf})
}

func isGit(p string) bool {
	for _, s := range []string{"https://", "http://", "ssh://", "git@", "file://"} {
		if strings.HasPrefix(p, s) {
			return true
		}
	}
	return false
}

// pack writes a file or a directory as tar.gz under its base name. A link to a
// file outside of the directory, such as a module that functions share, is
// packed as that file.
func pack(w io.Writer, path string) error {
	zw := gzip.NewWriter(w)
	tw := tar.NewWriter(zw)
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "__pycache__") {
			return fs.SkipDir
		}
		return packEntry(tw, path, p, d)
	})
	if err != nil {
		return err
	}
	if err := tw.Close(); err != nil {
		return err
	}
	return zw.Close()
}

func packEntry(tw *tar.Writer, root, p string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	link := ""
	if info.Mode()&fs.ModeSymlink != 0 {
		if link, err = os.Readlink(p); err != nil {
			return err
		}
		to, err := filepath.Rel(root, filepath.Join(filepath.Dir(p), link))
		if held, bad := os.Stat(p); bad == nil && held.Mode().IsRegular() && (err != nil || !filepath.IsLocal(to)) && !filepath.IsAbs(link) {
			info = held
		}
	}
	h, err := tar.FileInfoHeader(info, link)
	if err != nil {
		return err
	}
	if h.Name, err = filepath.Rel(filepath.Dir(root), p); err != nil {
		return err
	}
	if err := tw.WriteHeader(h); err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := os.Open(p)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(tw, f)
	return err
}

func (a *app) functionsCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "functions [SEARCH]", Short: "List or search the catalogue", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if len(args) > 0 {
				q.Set("q", strings.Join(args, " "))
			}
			items, more, err := pages[client.Function](cmd.Context(), a, "/api/v1/functions", q, all)
			if err != nil {
				return err
			}
			none := "there are no functions yet; publish some with: fringe publish PATH"
			if len(args) > 0 {
				none = fmt.Sprintf("no function has %q; see all with: fringe functions", strings.Join(args, " "))
			}
			defer a.moreHint(more)
			return a.list(items, len(items), none, "FUNCTION SHAPE ENVIRONMENT SUMMARY", func(row func(...any)) {
				for _, f := range items {
					row(f.Ref(), f.Shape, first(string(f.Environment), "-"), f.Summary)
				}
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "all pages, not the first only")
	return c
}

func (a *app) describeCommand() *cobra.Command {
	var asCWL, asSchema bool
	c := &cobra.Command{Use: "describe NAME[@VERSION]", Short: "Show a function's interface", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.versionNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asCWL && asSchema {
				return wrong(cmd, "--cwl and --json-schema cannot be given together")
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			path := "/api/v1/functions/" + client.EscapePath(args[0])
			if asCWL || asSchema {
				if asCWL {
					path += "/cwl"
				} else {
					path += "/schema"
				}
				v, err := client.Get[any](cmd.Context(), cl, path, nil)
				if err != nil {
					return err
				}
				e := json.NewEncoder(a.stdout)
				e.SetEscapeHTML(false)
				e.SetIndent("", "  ")
				return e.Encode(v)
			}
			fn, err := client.Get[client.Function](cmd.Context(), cl, path, nil)
			if err != nil {
				return err
			}
			return a.print(fn, func(w io.Writer) { describe(w, fn) })
		}}
	c.Flags().BoolVar(&asCWL, "cwl", false, "print the CWL document")
	c.Flags().BoolVar(&asSchema, "json-schema", false, "print the JSON Schema of the input object")
	return c
}

func describe(w io.Writer, fn client.Function) {
	fmt.Fprintf(w, "%s  %s\n", fn.Ref(), fn.Summary)
	if fn.Doc != "" && fn.Doc != fn.Summary {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(fn.Doc))
	}
	fmt.Fprintln(w, "\nInputs (* must be given)")
	for _, p := range fn.Inputs {
		parameter(w, p)
	}
	fmt.Fprintln(w, "\nOutputs")
	for _, p := range fn.Outputs {
		parameter(w, p)
	}
	fmt.Fprintln(w)
	if len(fn.Example) > 0 {
		fmt.Fprintf(w, "Example   fringe call %s%s\n", fn.Name, exampleArgs(fn.Example))
	}
	for _, kv := range [][2]string{
		{"Shape", fmt.Sprintf("%s, contract %s, environment %s", fn.Shape, fn.Contract, fn.Environment)},
		{"Container", containerText(fn)},
		{"Limits", limitsText(fn.Limits)},
		{"Aliases", strings.Join(fn.Aliases, ", ")}, {"Versions", strings.Join(fn.Versions, ", ")},
		{"Packages", packagesText(fn.Packages)},
		{"Author", fn.Author}, {"Citation", fn.Citation}, {"Licence", fn.License}, {"Code", fn.CodeRepository},
		{"Keywords", strings.Join(fn.Keywords, ", ")}, {"Digest", string(fn.Digest)},
	} {
		if kv[1] != "" {
			fmt.Fprintf(w, "%-9s %s\n", kv[0], kv[1])
		}
	}
}

func parameter(w io.Writer, p client.Parameter) {
	mark := " "
	if p.Required {
		mark = "*"
	}
	head := p.Type
	if p.Unit != "" {
		head += " [" + p.Unit + "]"
	}
	if p.Range != "" {
		head += " in " + p.Range
	}
	if len(p.Default) > 0 && string(p.Default) != "null" {
		head += " = " + string(p.Default)
	}
	fmt.Fprintf(w, " %s%-22s %s\n", mark, p.Name, head)
	for line := range strings.SplitSeq(strings.TrimSpace(p.Doc), "\n") {
		if line != "" {
			fmt.Fprintf(w, "      %s\n", strings.TrimSpace(line))
		}
	}
}

func exampleArgs(example json.RawMessage) string {
	var o map[string]any
	if fringe.Unmarshal(example, &o) != nil {
		return ""
	}
	var b strings.Builder
	for _, k := range sortedKeys(o) {
		v := brief(o[k])
		if strings.ContainsAny(v, " []{}\"$*()'") {
			v = "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
		}
		fmt.Fprintf(&b, " %s=%s", k, v)
	}
	return b.String()
}

func containerText(fn client.Function) string {
	if fn.Container == "" {
		return ""
	}
	return fn.Container + " (a hint of the document; not used)"
}

func limitsText(l fringe.Limits) string {
	var s []string
	if l.CPU > 0 {
		s = append(s, strings.TrimSuffix(fmt.Sprintf("%g cores", l.CPU), map[bool]string{true: "s"}[l.CPU == 1]))
	}
	if l.Memory > 0 {
		s = append(s, fmt.Sprintf("%d MiB", l.Memory>>20))
	}
	if l.Time > 0 {
		s = append(s, durationText(l.Time))
	}
	return strings.Join(s, ", ")
}

func packagesText(m map[string]string) string {
	var s []string
	for _, k := range sortedKeys(m) {
		s = append(s, strings.TrimPrefix(strings.TrimPrefix(k, "apt:"), "pip:")+" "+m[k])
	}
	if len(s) > 8 {
		s = append(s[:8], fmt.Sprintf("and %d more (--json)", len(s)-8))
	}
	return strings.Join(s, ", ")
}

func (a *app) aliasCommand() *cobra.Command {
	var remove bool
	c := &cobra.Command{Use: "alias NAME ALIAS [VERSION]", Short: "Move an alias to a version", Args: cobra.RangeArgs(2, 3), ValidArgsFunction: a.versionNames,
		Example: "  fringe alias wsclean stable 3.1.0\n  fringe alias wsclean stable --remove",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			path := "/api/v1/functions/" + client.EscapePath(args[0]) + "/aliases/" + client.EscapePath(args[1])
			if remove {
				return a.remove(cmd.Context(), cl, path, args[0]+"@"+args[1])
			}
			if len(args) != 3 {
				return wrong(cmd, "VERSION is missing: that which %s is to mean", args[1])
			}
			fn, err := client.Send[client.Function](cmd.Context(), cl, "PUT", path, map[string]string{"version": args[2]})
			if err != nil {
				return err
			}
			return a.print(fn, func(w io.Writer) { fmt.Fprintf(w, "%s@%s is version %s\n", args[0], args[1], args[2]) })
		}}
	c.Flags().BoolVar(&remove, "remove", false, "remove the alias")
	return c
}

func (a *app) unpublishCommand() *cobra.Command {
	return &cobra.Command{Use: "unpublish NAME@VERSION", Short: "Take a version out of the catalogue", Args: cobra.ExactArgs(1),
		ValidArgsFunction: a.versionNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			return a.remove(cmd.Context(), cl, "/api/v1/functions/"+client.EscapePath(args[0]), args[0])
		}}
}
