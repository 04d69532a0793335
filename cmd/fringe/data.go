package main

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fringe"
	"fringe/client"
)

func (a *app) dataCommand() *cobra.Command {
	c := &cobra.Command{Use: "data", Short: "Look after datasets"}
	c.AddCommand(a.dataAdd(), a.dataList(), a.dataShow(), a.dataGet(), a.dataRemove(), a.dataCollect(), a.dataQuota())
	return c
}

func (a *app) dataAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add NAME PATH|URL",
		Short: "Give data a name: a file, a directory (measurement set) or a URL",
		Long: `Give data a name: a file, a directory (measurement set) or a URL.

NAME is scope:name; without a scope it is user:NAME. When the site is on this
machine a path is taken by reference: nothing is copied, and the data must stay
where it is. Otherwise it is sent to the site.`,
		Example: "  fringe data add m87.ms /data/m87.ms\n  fringe data add eht:m87.uvfits ./SR1_M87.uvfits",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			d, err := a.addData(cmd.Context(), cl, withScope(args[0]), args[1])
			if err != nil {
				return err
			}
			return a.print(d, func(w io.Writer) { fmt.Fprintf(w, "%s  %s\n", d.DID, fringe.SizeText(d.Size)) })
		},
	}
}

func withScope(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return "user:" + name
}

func (a *app) addData(ctx context.Context, cl *client.Client, did, from string) (client.Dataset, error) {
	if strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") {
		return client.Send[client.Dataset](ctx, cl, "POST", "/api/v1/datasets", client.AddDataset{DID: did, URL: from})
	}
	abs, err := filepath.Abs(from)
	if err != nil {
		return client.Dataset{}, err
	}
	if _, err := os.Stat(abs); err != nil {
		return client.Dataset{}, &fringe.Error{Op: "data add", Kind: fringe.NotFound, Err: err,
			Message: fmt.Sprintf("there is no file or directory %q on this machine", from)}
	}
	if a.local(cl) {
		return client.Send[client.Dataset](ctx, cl, "POST", "/api/v1/datasets", client.AddDataset{DID: did, Path: abs})
	}
	return a.upload(ctx, cl, did, abs)
}

// sendUp uploads a directory under a name of its own and gives that name.
func (a *app) sendUp(ctx context.Context, cl *client.Client, dir string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	d, err := a.upload(ctx, cl, "upload:"+host+abs, abs)
	return d.DID, err
}

// upload streams a file, or a directory as tar, into a dataset.
func (a *app) upload(ctx context.Context, cl *client.Client, did, path string) (client.Dataset, error) {
	info, err := os.Stat(path)
	if err != nil {
		return client.Dataset{}, err
	}
	req := client.Request{Method: "PUT", Path: "/api/v1/content/" + client.EscapePath(did),
		Query:  url.Values{"basename": {filepath.Base(path)}},
		Header: http.Header{"Content-Type": {"application/octet-stream"}}}
	if info.IsDir() {
		req.Header.Set("Content-Type", "application/x-tar")
		pr, pw := io.Pipe()
		body, done := a.bar(pr, -1, filepath.Base(path))
		defer done()
		req.Body = body
		go func() { pw.CloseWithError(tarDir(pw, path)) }()
		return client.Upload[client.Dataset](ctx, cl, req)
	}
	f, err := os.Open(path)
	if err != nil {
		return client.Dataset{}, err
	}
	defer f.Close()
	body, done := a.bar(f, info.Size(), filepath.Base(path))
	defer done()
	req.Body = body
	return client.Upload[client.Dataset](ctx, cl, req)
}

func tarDir(w io.Writer, dir string) error {
	tw := tar.NewWriter(w)
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil || rel == "." {
			return err
		}
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		h, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		h.Name = rel
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
	})
	if err != nil {
		return err
	}
	return tw.Close()
}

func (a *app) dataList() *cobra.Command {
	var all bool
	c := &cobra.Command{Use: "list [PREFIX]", Short: "List datasets", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{}
			if len(args) > 0 {
				q.Set("prefix", args[0])
			}
			items, more, err := pages[client.Dataset](cmd.Context(), a, "/api/v1/datasets", q, all)
			if err != nil {
				return err
			}
			none := "there are no datasets yet; name data with: fringe data add NAME PATH"
			if len(args) > 0 {
				none = fmt.Sprintf("no dataset's name begins with %q; see all with: fringe data list", args[0])
			}
			defer a.moreHint(more)
			return a.list(items, len(items), none, "NAME SIZE CREATED OWNER TYPE", func(row func(...any)) {
				for _, d := range items {
					t := d.MediaType
					if d.Directory {
						t += "/"
					}
					row(d.DID, fringe.SizeText(d.Size), when(d.Created), d.Owner, t)
				}
			})
		}}
	c.Flags().BoolVar(&all, "all", false, "all pages, not the first only")
	return c
}

func (a *app) moreHint(more bool) {
	if more && !a.json {
		fmt.Fprintln(a.stderr, "… there are more; see them with --all")
	}
}

// pages reads the first page of a listing, or all of them.
func pages[T any](ctx context.Context, a *app, path string, q url.Values, all bool) (items []T, more bool, err error) {
	cl, err := a.client()
	if err != nil {
		return nil, false, err
	}
	items = []T{}
	for {
		p, err := client.Get[client.Page[T]](ctx, cl, path, q)
		if err != nil {
			return nil, false, err
		}
		items = append(items, p.Items...)
		if p.Next == "" || !all {
			return items, p.Next != "", nil
		}
		q.Set("cursor", p.Next)
	}
}

func (a *app) dataShow() *cobra.Command {
	return &cobra.Command{Use: "show NAME", ValidArgsFunction: a.datasetNames(), Short: "Show a dataset", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			d, err := client.Get[client.Dataset](cmd.Context(), cl, "/api/v1/datasets/"+client.EscapePath(withScope(args[0])), nil)
			if err != nil {
				return err
			}
			return a.print(d, func(w io.Writer) {
				fmt.Fprintf(w, "name      %s\nbasename  %s\nsize      %s (%s bytes)\ntype      %s\n", d.DID, d.Basename,
					fringe.SizeText(d.Size), strconv.FormatInt(d.Size, 10), d.MediaType)
				for _, kv := range [][2]string{{"checksum", d.Checksum}, {"path", d.Path}, {"made by", string(d.Call)}, {"owner", d.Owner}, {"namespace", d.Namespace}} {
					if kv[1] != "" {
						fmt.Fprintf(w, "%-9s %s\n", kv[0], kv[1])
					}
				}
				fmt.Fprintf(w, "created   %s\n", d.Created.Local().Format("2006-01-02 15:04:05"))
			})
		}}
}

func (a *app) dataGet() *cobra.Command {
	var outdir string
	c := &cobra.Command{Use: "get NAME", ValidArgsFunction: a.datasetNames(), Short: "Bring a dataset here", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			did := withScope(args[0])
			d, err := client.Get[client.Dataset](cmd.Context(), cl, "/api/v1/datasets/"+client.EscapePath(did), nil)
			if err != nil {
				return err
			}
			path, err := a.fetch(cmd.Context(), cl, did, outdir, d.Basename)
			if err != nil {
				return err
			}
			return a.print(map[string]string{"did": did, "path": path}, func(w io.Writer) { fmt.Fprintln(w, path) })
		}}
	c.Flags().StringVarP(&outdir, "outdir", "o", ".", "directory to put it in")
	return c
}

func (a *app) dataRemove() *cobra.Command {
	return &cobra.Command{Use: "remove NAME…", ValidArgsFunction: many(a.datasetNames()), Short: "Remove datasets; data taken by reference stays where it is", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cl, err := a.client()
			if err != nil {
				return err
			}
			for _, n := range args {
				if err := a.remove(cmd.Context(), cl, "/api/v1/datasets/"+client.EscapePath(withScope(n)), withScope(n)); err != nil {
					return err
				}
			}
			return nil
		}}
}
