package main

import (
	"fmt"
	"io"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

func (a *app) dataCollect() *cobra.Command {
	var body client.Collect
	var older, keep string
	c := &cobra.Command{
		Use:   "gc",
		Short: "Remove products and copies of URLs that nothing needs",
		Long: `Remove products of calls and copies of URLs that no kept job names among its
inputs or outputs, the oldest first. What a person added always stays, and so
does what a job that has not ended names or has made.

With --named also products go that only jobs name that have ended; these jobs
are ARCHIVED: their records stay. Callers remove their own, operators anybody's.`,
		Example: "  fringe data gc --dry-run\n  fringe data gc --older 30d --named\n  fringe data gc --keep 500GB --named",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, err := parseAge(older)
			if err != nil {
				return wrong(cmd, "--older: %s", err)
			}
			body.Older = age.Seconds()
			if keep != "" {
				n, err := parseBytes(keep)
				if err != nil {
					return wrong(cmd, "--keep: %s", err)
				}
				body.Keep = &n
			}
			cl, err := a.client()
			if err != nil {
				return err
			}
			done, err := client.Send[client.Collected](cmd.Context(), cl, "POST", "/api/v1/datasets:collect", body)
			if err != nil {
				return err
			}
			return a.print(done, func(w io.Writer) { collected(w, done, body.DryRun) })
		}}
	f := c.Flags()
	f.StringVar(&older, "older", "1d", "only what was made longer ago (30m, 12h, 30d)")
	f.StringVar(&keep, "keep", "", "stop when the data takes no more than this (500MB, 2GB, 1TB)")
	f.BoolVar(&body.Named, "named", false, "also what jobs name that have ended")
	f.StringVar(&body.Owner, "owner", "", "only this principal's (operators)")
	f.BoolVar(&body.DryRun, "dry-run", false, "show what would go, and remove nothing")
	return c
}

func collected(w io.Writer, done client.Collected, dry bool) {
	if len(done.Removed) > 0 {
		listing(w, "NAME SIZE MADE OWNER WHY", func(row func(...any)) {
			for _, g := range done.Removed {
				row(g.DID, fringe.SizeText(g.Size), when(g.Created), g.Owner, g.Why)
			}
		})
	}
	word := "removed"
	if dry {
		word = "would remove"
	}
	fmt.Fprintf(w, "%s %s, %s; %s left\n", word, count(len(done.Removed), "dataset"), fringe.SizeText(done.Bytes), fringe.SizeText(done.Left))
}

func (a *app) dataQuota() *cobra.Command {
	var reset bool
	var namespace string
	c := &cobra.Command{
		Use:   "quota [OWNER [SIZE]] | quota --namespace NAME [SIZE]",
		Short: "Show what principals' data takes and may take, or set how much",
		Long: `Show what principals' data takes of the site and may take, or set how much
(operators). SIZE 0 is no bound; --reset gives the owner the quota for everybody
again (fringe serve --quota). A namespace has a quota for all who are in it together,
beside their own. Data by reference takes nothing.`,
		Example: "  fringe data quota\n  fringe data quota ada 200GB\n  fringe data quota ada --reset\n  fringe data quota --namespace m87-survey 2TB",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			path, q := "/api/v1/quotas/", url.Values{}
			if namespace != "" {
				path, args = path+"namespaces/", append([]string{namespace}, args...)
				q.Set("namespace", namespace)
			} else if len(args) > 0 {
				q.Set("owner", args[0])
			}
			var p client.Page[client.Quota]
			switch {
			case len(args) > 2:
				return wrong(cmd, "one SIZE is expected after the namespace")
			case len(args) == 2 || reset && len(args) == 1:
				var set client.SetQuota
				if !reset {
					n, err := parseBytes(args[1])
					if err != nil {
						return wrong(cmd, "%s", err)
					}
					set.Bytes = &n
				}
				p, err = client.Send[client.Page[client.Quota]](cmd.Context(), cl, "PUT", path+url.PathEscape(args[0]), set)
			case reset:
				return wrong(cmd, "OWNER is missing, or --namespace: whose quota --reset takes back")
			default:
				p, err = client.Get[client.Page[client.Quota]](cmd.Context(), cl, "/api/v1/quotas", q)
			}
			if err != nil {
				return err
			}
			return a.list(p.Items, len(p.Items), "nobody has data here or a quota; give one with: fringe data quota OWNER SIZE", "OWNER NAMESPACE USED QUOTA", func(row func(...any)) {
				for _, q := range p.Items {
					row(first(q.Owner, "(all)"), first(q.Namespace, "-"), fringe.SizeText(q.Used), quotaText(q))
				}
			})
		}}
	c.Flags().StringVar(&namespace, "namespace", "", "of this namespace, not of an owner")
	c.Flags().BoolVar(&reset, "reset", false, "the owner has the quota for everybody again")
	return c
}

func quotaText(q client.Quota) string {
	s := "no bound"
	if q.Bytes > 0 {
		s = fmt.Sprintf("%s (%.0f %% taken)", fringe.SizeText(q.Bytes), 100*float64(q.Used)/float64(q.Bytes))
	}
	if !q.Own && q.Owner != "" {
		s += ", as everybody"
	}
	return s
}

// parseAge reads a duration; it may be in days.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseFloat(days, 64); err == nil && n >= 0 && n < 100_000 {
			return time.Duration(n * 24 * float64(time.Hour)), nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not an age; write 30m, 12h or 30d", s)
	}
	return d, nil
}

// parseBytes reads a size as fringe.SizeText writes it, with or without B and space.
func parseBytes(s string) (int64, error) {
	const units = "kMGTP"
	text := strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(s), "B"))
	factor := 1.0
	if n := len(text); n > 0 {
		if i := strings.IndexByte(units, text[n-1]); i >= 0 {
			factor, text = math.Pow(1000, float64(i+1)), strings.TrimSpace(text[:n-1])
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 0 || f*factor >= math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size; write 500MB, 2GB or 1TB", s)
	}
	return int64(f * factor), nil
}
