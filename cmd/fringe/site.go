package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
	"fringe/driver/process"
	"fringe/server"
)

func (a *app) serveCommand() *cobra.Command {
	cfg := server.Defaults()
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run a site",
		Long: `Run a site. Everything it keeps is below --dir; no other server is needed.

The first start writes an operator's token to DIR/operator.token, which the
commands on this machine find by themselves. SIGTERM or Ctrl-C lets the calls
of services end, leaves tasks running for the next start, then stops.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Dir = a.set.Dir
			cfg.Log = a.stderr
			if err := process.PrivateMounts(); err != nil {
				fmt.Fprintln(a.stderr, "fringe: no private mounts:", err)
			}
			if os.Getenv("GOGC") == "" {
				// The live heap is a few megabytes: collecting at its double
				// would be done dozens of times a second under load.
				debug.SetGCPercent(400)
			}
			return server.Run(cmd.Context(), cfg, func(url string) {
				token := filepath.Join(cfg.Dir, "operator.token")
				a.print(map[string]string{"url": url, "version": server.Version(), "dir": cfg.Dir, "token": token}, func(w io.Writer) {
					fmt.Fprintf(w, "Fringe %s at %s\n  directory  %s\n  token      %s\n", server.Version(), url, cfg.Dir, token)
				})
			})
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Listen, "listen", cfg.Listen, "address to listen on; port 0 takes a free one")
	f.StringVar(&cfg.Name, "name", cfg.Name, "name of the site")
	f.Float64Var(&cfg.CPU, "cpu", cfg.CPU, "cores for tasks")
	f.Int64Var(&cfg.MemoryMiB, "memory", cfg.MemoryMiB, "MiB of memory for tasks")
	f.IntVar(&cfg.Queue, "queue", cfg.Queue, "tasks that may wait; more are answered 429")
	f.IntVar(&cfg.PerOwner, "owner-queue", cfg.PerOwner, "tasks of one principal that may wait")
	f.IntVar(&cfg.Group, "commit-group", cfg.Group, "jobs and other changes that share a commit at most; 0: 256; 1: each has its own, for measurements")
	f.StringToIntVar(&cfg.Shares.Weights, "weight", nil, "NAME=N: part of the site that a principal or namespace gets beside others; 1 when not said")
	f.IntVar(&cfg.Shares.PerOwner, "owner-limit", 0, "tasks of one principal that run at once; 0: any number")
	f.StringToIntVar(&cfg.Shares.Function, "function-limit", nil, "NAME=N: tasks of a function that run at once")
	f.StringToIntVar(&cfg.Shares.Environment, "environment-limit", nil, "NAME=N: tasks in an environment that run at once")
	f.IntVar(&cfg.Instances, "instances", cfg.Instances, "warm instances at most")
	f.DurationVar(&cfg.MaxWait, "max-wait", cfg.MaxWait, "wait for a warm instance up to which a service's call is taken; one that would wait longer is answered 429")
	f.IntVar(&cfg.Waiting, "waiting", cfg.Waiting, "service calls that may wait for warm instances, at most half of them one principal's")
	f.Int64Var(&cfg.WaitMiB, "waiting-memory", cfg.WaitMiB, "MiB of memory that the inputs of calls that wait may take")
	f.StringSliceVar(&cfg.Callbacks, "callback-allow", nil, "host or network (10.1.0.0/16) to which callbacks may go, beside public ones")
	f.StringSliceVar(&cfg.Roots, "data-root", nil, "directory whose files callers may name by path (operators may name any)")
	f.BoolVar(&cfg.Private, "private-urls", false, "callers may name URLs of this machine and of private networks (operators may name any)")
	f.DurationVar(&cfg.Records, "records", cfg.Records, "how long the record of an ARCHIVED job stays after its end; 0 is for ever")
	f.DurationVar(&cfg.Drain, "drain", cfg.Drain, "how long a stop waits for running calls")
	f.Int64Var(&cfg.QuotaMiB, "quota", cfg.QuotaMiB, "MiB of data that one principal may keep, unless he has a quota of his own; 0 is no bound")
	f.Int64Var(&cfg.UploadMiB, "max-upload", cfg.UploadMiB, "MiB of the largest file in a call's own body")
	f.StringVar(&cfg.SODA, "soda", cfg.SODA, "path of the IVOA SODA service (cutouts); '' for none")
	f.StringArrayVar(&cfg.SODARules, "soda-id", nil, "PATTERN=SCOPE:NAME: how an ID of SODA names a dataset; tried before the default rules")
	f.StringVar(&cfg.LogLevel, "log-level", cfg.LogLevel, "debug, info, warn or error")
	return c
}

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the site's store, also while the site runs",
		Long: `Copy the site's store: functions, datasets, jobs and tokens as they stand.

The site may run and be busy. FILE is replaced once the copy is whole. What the
store tells of lies beside it and is copied next, see docs/operations.md.`,
		Example: "  fringe backup /backup/fringe/fringe.db",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return server.Backup(cmd.Context(), a.set.Dir, args[0])
		},
	}
}

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{Use: "doctor", Short: "Say what this machine enforces, and how to mend what is missing", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := process.PrivateMounts(); err != nil {
				fmt.Fprintln(a.stderr, "fringe: no private mounts:", err)
			}
			checks := server.Doctor(cmd.Context(), a.set.Dir)
			bad := 0
			for _, c := range checks {
				if !c.OK {
					bad++
				}
			}
			err := a.print(checks, func(w io.Writer) { diagnose(w, checks) })
			if err == nil && bad > 0 {
				return exitCode(1)
			}
			return err
		}}
}

// diagnose writes each check, and at the end each cure once.
func diagnose(w io.Writer, checks []client.Check) {
	var cures []string
	mends := map[string]string{}
	for _, c := range checks {
		mark := "ok  "
		if !c.OK {
			mark = "MISS"
			if c.Cure != "" && mends[c.Cure] == "" {
				cures = append(cures, c.Cure)
			}
			mends[c.Cure] = strings.TrimPrefix(mends[c.Cure]+", "+c.Name, ", ")
		}
		fmt.Fprintf(w, "%s  %-18s %s\n", mark, c.Name, c.Detail)
	}
	for _, cure := range cures {
		fmt.Fprintf(w, "\nto mend %s:\n  %s\n", mends[cure], cure)
	}
	if len(mends) == 0 {
		fmt.Fprintln(w, "everything that Fringe can use is here")
	}
}

func (a *app) tokenCommand() *cobra.Command {
	c := &cobra.Command{Use: "token", Short: "Look after tokens"}
	var role, namespace string
	var days float64
	create := &cobra.Command{Use: "create NAME", Short: "Make a token; it is shown this once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			t, err := client.Send[client.Token](cmd.Context(), cl, "POST", "/api/v1/tokens",
				client.CreateToken{Name: args[0], Role: fringe.Role(role), Namespace: namespace, Days: days})
			if err != nil {
				return err
			}
			return a.print(t, func(w io.Writer) { fmt.Fprintln(w, t.Secret) })
		}}
	create.Flags().StringVar(&role, "role", "caller", "reader, caller, publisher or operator")
	create.RegisterFlagCompletionFunc("role", cobra.FixedCompletions([]string{"reader", "caller", "publisher", "operator"}, cobra.ShellCompDirectiveNoFileComp))
	create.Flags().StringVar(&namespace, "namespace", "", "the project that its jobs and data count for, in shares and quotas")
	create.Flags().Float64Var(&days, "days", 0, "days until it expires; 0 is never")
	list := &cobra.Command{Use: "list", Short: "List tokens", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			p, err := client.Get[client.Page[client.Token]](cmd.Context(), cl, "/api/v1/tokens", nil)
			if err != nil {
				return err
			}
			return a.list(p.Items, len(p.Items), "there are no tokens; make one with: fringe token create NAME", "ID NAME ROLE NAMESPACE CREATED EXPIRES USED", func(row func(...any)) {
				for _, t := range p.Items {
					row(t.ID, t.Name, t.Role, first(t.Namespace, "-"), day(&t.Created), day(t.Expires), day(t.Used))
				}
			})
		}}
	revoke := &cobra.Command{Use: "revoke NAME|ID", ValidArgsFunction: a.tokenNames(), Short: "Make a token worthless at once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			return a.remove(cmd.Context(), cl, "/api/v1/tokens/"+url.PathEscape(args[0]), args[0])
		}}
	c.AddCommand(create, list, revoke)
	return c
}

func day(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return t.Local().Format(time.DateOnly)
}

// when tells a time of today by the clock, others by the day.
func when(t time.Time) string {
	if t = t.Local(); t.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateOnly)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func (a *app) envCommand() *cobra.Command {
	c := &cobra.Command{Use: "env", Short: "Look after environments"}
	build := &cobra.Command{Use: "build PATH…", Short: "Build environments from their environment.yaml", Args: cobra.MinimumNArgs(1),
		Example: "  fringe env build environments/wsclean\n  fringe env build environments",
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			for _, p := range args {
				for _, f := range declarations(p) {
					if err := a.buildEnvironment(cmd.Context(), cl, f); err != nil {
						return err
					}
				}
			}
			return nil
		}}
	list := &cobra.Command{Use: "list", Short: "List environments", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			items, _, err := pages[fringe.Environment](cmd.Context(), a, "/api/v1/environments", url.Values{}, true)
			if err != nil {
				return err
			}
			return a.list(items, len(items), "there are no environments yet; build one with: fringe env build PATH", "ENVIRONMENT CONTRACT PACKAGES DIGEST", func(row func(...any)) {
				for _, e := range items {
					row(e.Name, e.Contract, len(e.Packages), short(e.Digest))
				}
			})
		}}
	show := &cobra.Command{Use: "show NAME", ValidArgsFunction: a.environmentNames(), Short: "Show an environment with its exact packages", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			e, err := client.Get[client.Environment](cmd.Context(), cl, "/api/v1/environments/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return a.print(e, func(w io.Writer) {
				fmt.Fprintf(w, "%s  %s\ncontract  %s\ndigest    %s\nlimits    %s\n", e.Name, e.Description, e.Contract, e.Digest, limitsText(e.Limits))
				printStarts(w, e.Starts)
				for _, k := range sortedKeys(e.Variables) {
					fmt.Fprintf(w, "variable  %s=%s\n", k, e.Variables[k])
				}
				for _, k := range sortedKeys(e.Packages) {
					fmt.Fprintf(w, "package   %s %s\n", k, e.Packages[k])
				}
			})
		}}
	remove := &cobra.Command{Use: "remove NAME", ValidArgsFunction: a.environmentNames(), Short: "Remove an environment that no function uses", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			return a.remove(cmd.Context(), cl, "/api/v1/environments/"+url.PathEscape(args[0]), args[0])
		}}
	c.AddCommand(build, list, show, remove)
	return c
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func short(d fringe.Digest) string {
	if len(d) > 19 {
		return string(d[:19])
	}
	return string(d)
}

// declarations gives the environment.yaml files at or one level below p.
func declarations(p string) []string {
	const name = "environment.yaml"
	if info, err := os.Stat(p); err != nil || !info.IsDir() {
		return []string{p}
	}
	if _, err := os.Stat(filepath.Join(p, name)); err == nil {
		return []string{filepath.Join(p, name)}
	}
	found, _ := filepath.Glob(filepath.Join(p, "*", name))
	if found == nil {
		return []string{filepath.Join(p, name)}
	}
	return found
}

// declarationForm gives a declaration and the Python files beside it as a form,
// and the form's media type.
func declarationForm(file string) (*bytes.Buffer, string, error) {
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, "", err
	}
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	if err := mw.WriteField("declaration", string(doc)); err != nil {
		return nil, "", err
	}
	modules, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*.py"))
	for _, m := range modules {
		text, err := os.ReadFile(m)
		if err != nil {
			return nil, "", err
		}
		part, err := mw.CreateFormFile("module", filepath.Base(m))
		if err == nil {
			_, err = part.Write(text)
		}
		if err != nil {
			return nil, "", err
		}
	}
	return &form, mw.FormDataContentType(), mw.Close()
}

// buildEnvironment sends a declaration and shows the build's log as it grows.
func (a *app) buildEnvironment(ctx context.Context, cl *client.Client, file string) error {
	form, kind, err := declarationForm(file)
	if err != nil {
		return &fringe.Error{Op: "env build", Kind: fringe.NotFound, Err: err,
			Message: "there is no environment declaration " + file, Cure: "give an environment.yaml or a directory that has one"}
	}
	res, err := cl.Do(ctx, client.Request{Method: "POST", Path: "/api/v1/environments", Query: url.Values{"file": {file}}, Body: form,
		Header: http.Header{"Content-Type": {kind}}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var ev client.BuildEvent
		if err := json.Unmarshal(lines.Bytes(), &ev); err != nil {
			return fringe.Errorf("env build", fringe.Unavailable, "the site's answer is not understood: %w", err)
		}
		switch {
		case ev.Problem != nil:
			return ev.Problem.Err()
		case ev.Environment != nil:
			return a.print(ev.Environment, func(w io.Writer) {
				fmt.Fprintf(w, "built %-12s %s  %s\n", ev.Environment.Name, short(ev.Environment.Digest), count(len(ev.Environment.Packages), "package"))
			})
		default:
			fmt.Fprint(a.stderr, ev.Log)
		}
	}
	return fringe.Errorf("env build", fringe.Unavailable, "the site went away during the build; build again, nothing is half done")
}

func (a *app) logsCommand() *cobra.Command {
	var follow bool
	var stream string
	c := &cobra.Command{Use: "logs CALL", ValidArgsFunction: a.jobIDs(), Short: "Show what a call wrote; -f while it runs", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			q := url.Values{}
			if stream != "" {
				q.Set("stream", stream)
			}
			if follow {
				q.Set("follow", "true")
			}
			res, err := cl.Do(cmd.Context(), client.Request{Method: "GET", Path: jobPath(args[0], "/log"), Query: q})
			if err != nil {
				return err
			}
			defer res.Body.Close()
			_, err = io.Copy(a.stdout, res.Body)
			return err
		}}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the call ends")
	c.Flags().StringVar(&stream, "stream", "", "stdout or stderr; both without it")
	return c
}

// printStarts says how instances of Python start in an environment.
func printStarts(w io.Writer, s *client.Starts) {
	if s == nil {
		return
	}
	fmt.Fprintf(w, "start     %s", s.Way)
	if s.Why != "" {
		fmt.Fprintf(w, " (%s)", s.Why)
	}
	for _, way := range sortedKeys(s.Counts) {
		fmt.Fprintf(w, "; %d by %s", s.Counts[way], way)
	}
	fmt.Fprintln(w)
	if s.Zygotes > 0 {
		fmt.Fprintf(w, "zygotes   %d, %s, imports took %.2f s; %d forks stand by, %d run, each with %s of its own and %s shared\n", s.Zygotes,
			fringe.SizeText(s.Resident), s.Import, s.Standing, s.Running, fringe.SizeText(s.PerFork), fringe.SizeText(s.SharedFork))
	}
}
