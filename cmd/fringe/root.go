package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"fringe"
	"fringe/client"
	"fringe/server"
)

// app is what the subcommands share.
type app struct {
	stdout, stderr io.Writer
	set            settings
	json           bool
}

// settings say which site to talk to and as whom.
type settings struct {
	URL   string `yaml:"url"`
	Token string `yaml:"token"`
	Dir   string `yaml:"dir"`
}

func newRootCommand(stdout, stderr io.Writer) *cobra.Command {
	a := &app{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:           "fringe",
		Short:         "Serverless functions for radio astronomy, run where the data is",
		Long:          "Serverless functions for radio astronomy, run where the data is.\n\nStart a site with 'fringe serve', publish functions with 'fringe publish', call them with 'fringe call'.\n\nExit codes: 0 success; 1 what was asked for failed or was refused; 2 the command\nline is wrong and nothing was asked for. With --json errors are JSON, too.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       server.Version(),
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.load(cmd)
		},
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	f := root.PersistentFlags()
	f.StringVar(&a.set.URL, "url", "", "URL of the site (FRINGE_URL; default the local site)")
	f.StringVar(&a.set.Token, "token", "", "token (FRINGE_TOKEN; default the local site's operator token)")
	f.StringVar(&a.set.Dir, "dir", "", "directory of the local site (FRINGE_DIR; default "+defaultDir()+")")
	f.BoolVar(&a.json, "json", false, "print JSON")
	root.AddGroup(&cobra.Group{ID: "site", Title: "Site:"}, &cobra.Group{ID: "functions", Title: "Functions:"},
		&cobra.Group{ID: "data", Title: "Data:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("site", a.serveCommand(), a.doctorCommand(), a.backupCommand(), a.tokenCommand(), a.envCommand(), a.configCommand())
	add("functions", a.publishCommand(), a.functionsCommand(), a.describeCommand(), a.aliasCommand(), a.unpublishCommand(),
		a.callCommand(), a.jobCommand(), a.logsCommand(), newCWLRunnerCommand())
	add("data", a.dataCommand())
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), ".FlagUsages", ".FlagUsagesWrapped 80"))
	root.InitDefaultCompletionCmd()
	strict(root)
	return root
}

// load fills the settings that no flag gave: from the environment, then from
// the configuration file, then from the local site's directory.
func (a *app) load(cmd *cobra.Command) error {
	file := settings{}
	path := filepath.Join(configDir(), "config.yaml")
	if doc, err := os.ReadFile(path); err == nil {
		if err := yaml.UnmarshalWithOptions(doc, &file, yaml.Strict()); err != nil {
			return fringe.Errorf("config", fringe.Invalid, "%s is not a configuration (known keys: url, token, dir): %s", path, yaml.FormatError(err, false, false))
		}
	}
	a.set.Dir = first(a.set.Dir, os.Getenv("FRINGE_DIR"), file.Dir, defaultDir())
	dir, err := filepath.Abs(a.set.Dir)
	if err != nil {
		return err
	}
	a.set.Dir = dir
	local := server.ReadRecord(dir)
	a.set.URL = first(a.set.URL, os.Getenv("FRINGE_URL"), file.URL, local.URL, "http://"+server.DefaultListen)
	a.set.Token = first(a.set.Token, os.Getenv("FRINGE_TOKEN"), file.Token, local.Token)
	return nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func configDir() string {
	d, err := os.UserConfigDir()
	if err != nil {
		return "/etc/fringe"
	}
	return filepath.Join(d, "fringe")
}

func defaultDir() string {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "fringe")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "/var/lib/fringe"
	}
	return filepath.Join(home, ".local", "share", "fringe")
}

// client gives a client of the chosen site.
func (a *app) client() (*client.Client, error) {
	return client.New(client.Config{URL: a.set.URL, Token: a.set.Token})
}

// print writes v as JSON when --json was given, else lets text write it.
func (a *app) print(v any, text func(w io.Writer)) error {
	if a.json {
		e := json.NewEncoder(a.stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	text(a.stdout)
	return nil
}

// remove deletes what is at path and says so.
func (a *app) remove(ctx context.Context, cl *client.Client, path, name string) error {
	if err := cl.Delete(ctx, path); err != nil {
		return err
	}
	return a.print(map[string]string{"removed": name}, func(w io.Writer) { fmt.Fprintln(w, "removed", name) })
}

// list writes the n items of v: as JSON, or as a table whose lines are cut at
// the edge of a terminal. When there are none it is said to people, with what
// to do.
func (a *app) list(v any, n int, none, heading string, rows func(row func(cells ...any))) error {
	if n == 0 && !a.json {
		fmt.Fprintln(a.stderr, none)
		return nil
	}
	return a.print(v, func(w io.Writer) { listing(w, heading, rows) })
}

// listing is a table whose lines are cut at the edge of a terminal.
func listing(w io.Writer, heading string, rows func(row func(cells ...any))) {
	width := 0
	if terminal(w) {
		width, _, _ = term.GetSize(int(w.(*os.File).Fd()))
	}
	columns(w, width, heading, rows)
}

// cut shortens a line to the width, if there is one, but never its first word.
func cut(line string, width int) string {
	line = strings.TrimRight(line, " \n")
	first, _, _ := strings.Cut(line, " ")
	if r := []rune(line); width > 0 && len(r) > width {
		line = string(r[:max(width-1, len([]rune(first)))]) + "…"
	}
	return line + "\n"
}

// table writes rows under a heading in aligned columns.
func table(w io.Writer, heading string, rows func(row func(cells ...any))) {
	columns(w, 0, heading, rows)
}

func columns(w io.Writer, width int, heading string, rows func(row func(cells ...any))) {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.ReplaceAll(heading, " ", "\t"))
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(t, "\t")
			}
			fmt.Fprint(t, c)
		}
		fmt.Fprintln(t)
	})
	t.Flush()
	for line := range strings.Lines(b.String()) {
		io.WriteString(w, cut(line, width))
	}
}

// terminal says whether w is a terminal: progress is drawn only there.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) configCommand() *cobra.Command {
	return &cobra.Command{Use: "config", Short: "Show the settings in force", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			shown := map[string]string{"url": a.set.URL, "dir": a.set.Dir, "file": filepath.Join(configDir(), "config.yaml"),
				"token": mask(a.set.Token)}
			return a.print(shown, func(w io.Writer) {
				for _, k := range []string{"url", "dir", "token", "file"} {
					fmt.Fprintf(w, "%-6s %s\n", k, shown[k])
				}
			})
		}}
}

func mask(token string) string {
	if len(token) < 8 {
		return "(none)"
	}
	return token[:6] + "…"
}
