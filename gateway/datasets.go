package gateway

import (
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"fringe"
	"fringe/client"
	"fringe/data"
)

func didOf(r *http.Request) (fringe.DID, error) { return fringe.ParseDID(r.PathValue("did")) }

func (g *Gateway) listDatasets(r *http.Request) (answer, error) {
	limit, err := limitOf(r)
	if err != nil {
		return answer{}, err
	}
	q := r.URL.Query()
	found, next, err := g.cfg.Data.List(r.Context(), data.Filter{Prefix: q.Get("prefix"), Owner: q.Get("owner"), Limit: limit, Cursor: q.Get("cursor")})
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Dataset]{Items: []client.Dataset{}, Next: next}
	for _, d := range found {
		page.Items = append(page.Items, wireDataset(r, d))
	}
	return ok(page), nil
}

// wireDataset tells the path to operators only.
func wireDataset(r *http.Request, d fringe.Dataset) client.Dataset {
	c := client.Dataset{DID: d.DID.String(), Directory: d.Directory, Size: d.Size, Checksum: d.Checksum, MediaType: d.MediaType,
		Basename: d.Basename, Owned: d.Owned, Call: d.Call, Owner: d.Owner, Namespace: d.Namespace, Created: d.Created}
	if fringe.PrincipalOf(r.Context()).Role.Includes(fringe.Operator) {
		c.Path = d.Path
	}
	return c
}

// addDataset takes a path of this machine (operators, or below a data root) or
// a URL.
func (g *Gateway) addDataset(r *http.Request) (answer, error) {
	const op = "gateway.addDataset"
	var body client.AddDataset
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	did, err := fringe.ParseDID(body.DID)
	if err != nil {
		return answer{}, err
	}
	p := fringe.PrincipalOf(r.Context())
	req := data.AddRequest{DID: did, URL: body.URL, Basename: body.Basename, Owner: p.Name, Namespace: p.Namespace, Role: p.Role}
	switch {
	case (body.Path == "") == (body.URL == ""):
		return answer{}, fringe.Errorf(op, fringe.Invalid, "give either path or url")
	case body.Path != "":
		d, err := g.cfg.Data.Resolve(r.Context(), (&url.URL{Scheme: "file", Path: body.Path}).String(), p)
		if err != nil {
			return answer{}, err
		}
		req.Path = d.Path
	}
	d, err := g.cfg.Data.Add(r.Context(), req)
	if err != nil {
		return answer{}, err
	}
	return created(wireDataset(r, d)), nil
}

func (g *Gateway) dataset(r *http.Request) (answer, error) {
	did, err := didOf(r)
	if err != nil {
		return answer{}, err
	}
	d, err := g.cfg.Data.Get(r.Context(), did)
	if err != nil {
		return answer{}, err
	}
	return ok(wireDataset(r, d)), nil
}

// removeDataset lets callers remove their own datasets, operators any.
func (g *Gateway) removeDataset(r *http.Request) (answer, error) {
	did, err := didOf(r)
	if err != nil {
		return answer{}, err
	}
	d, err := g.cfg.Data.Get(r.Context(), did)
	if err != nil {
		return answer{}, err
	}
	if p := fringe.PrincipalOf(r.Context()); d.Owner != p.Name && !p.Role.Includes(fringe.Operator) {
		return answer{}, &fringe.Error{Op: "gateway.removeDataset", Kind: fringe.Denied, Component: fringe.Data,
			Message: did.String() + " belongs to " + d.Owner + "; only its owner and operators remove it"}
	}
	return none(), g.cfg.Data.Remove(r.Context(), did)
}

func (g *Gateway) content(w http.ResponseWriter, r *http.Request) error {
	did, err := didOf(r)
	if err != nil {
		return err
	}
	return g.SendDataset(w, r, did)
}

// SendDataset answers with the content of a dataset: a file, of which ranges are
// served, or a directory as tar. An error is returned only when nothing was
// written.
func (g *Gateway) SendDataset(w http.ResponseWriter, r *http.Request, did fringe.DID) error {
	d, err := g.cfg.Data.Get(r.Context(), did)
	if err != nil {
		return err
	}
	h := w.Header()
	if d.Directory {
		h.Set("Content-Type", "application/x-tar")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": d.Basename + ".tar"}))
		if err := g.cfg.Data.WriteTar(r.Context(), did, w); err != nil {
			g.log.Warn("tar cut short", "did", did, "err", err)
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	f, err := g.cfg.Data.Open(r.Context(), did)
	if err != nil {
		return err
	}
	defer f.Close()
	if d.MediaType != "" {
		h.Set("Content-Type", d.MediaType)
	} else {
		h.Set("Content-Type", "application/octet-stream")
	}
	h.Set("Content-Disposition", mime.FormatMediaType("inline", map[string]string{"filename": d.Basename}))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", strconv.Quote(d.Created.UTC().Format("20060102150405.000000000")+"-"+strconv.FormatInt(d.Size, 36)))
	http.ServeContent(w, r, d.Basename, d.Created, f)
	return nil
}

// putContent makes a dataset of the body: a file, or with the type
// application/x-tar a directory.
func (g *Gateway) putContent(r *http.Request) (answer, error) {
	did, err := didOf(r)
	if err != nil {
		return answer{}, err
	}
	mt, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	p := fringe.PrincipalOf(r.Context())
	d, err := g.cfg.Data.Add(r.Context(), data.AddRequest{DID: did, Source: r.Body, Directory: mt == "application/x-tar",
		Basename: r.URL.Query().Get("basename"), Owner: p.Name, Namespace: p.Namespace})
	if err != nil {
		return answer{}, err
	}
	return created(wireDataset(r, d)), nil
}

// collect removes garbage: the caller's own, for operators anybody's.
func (g *Gateway) collect(r *http.Request) (answer, error) {
	var body client.Collect
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	if p := fringe.PrincipalOf(r.Context()); !p.Role.Includes(fringe.Operator) {
		if body.Owner != "" && body.Owner != p.Name {
			return answer{}, fringe.Errorf("gateway.collect", fringe.Denied, "only operators remove the data of others")
		}
		body.Owner = p.Name
	}
	c := data.Collection{Owner: body.Owner, Older: time.Duration(body.Older * float64(time.Second)), Keep: -1, Named: body.Named, DryRun: body.DryRun}
	if body.Keep != nil {
		c.Keep = max(0, *body.Keep)
	}
	done, err := g.cfg.Site.Collect(r.Context(), c)
	if err != nil {
		return answer{}, err
	}
	out := client.Collected{Removed: []client.Garbage{}, Bytes: done.Bytes, Left: done.Left}
	for _, x := range done.Removed {
		out.Removed = append(out.Removed, client.Garbage{Dataset: wireDataset(r, x.Dataset), Why: x.Why})
	}
	return ok(out), nil
}

// quotas lists those of all owners and namespaces for operators, one's own for
// others.
func (g *Gateway) quotas(r *http.Request) (answer, error) {
	q := r.URL.Query()
	h := data.Holder{Owner: q.Get("owner"), Namespace: q.Get("namespace")}
	if p := fringe.PrincipalOf(r.Context()); !p.Role.Includes(fringe.Operator) {
		h = data.Holder{Owner: p.Name, Namespace: p.Namespace}
	}
	return g.quotasOf(r, h)
}

func (g *Gateway) quotasOf(r *http.Request, h data.Holder) (answer, error) {
	found, err := g.cfg.Data.Quotas(r.Context(), h)
	if err != nil {
		return answer{}, err
	}
	page := client.Page[client.Quota]{Items: []client.Quota{}}
	for _, q := range found {
		page.Items = append(page.Items, client.Quota(q))
	}
	return ok(page), nil
}

func (g *Gateway) setQuota(r *http.Request) (answer, error) {
	var body client.SetQuota
	if err := decode(r, &body); err != nil {
		return answer{}, err
	}
	bytes := int64(-1)
	if body.Bytes != nil {
		bytes = max(0, *body.Bytes)
	}
	h := data.Holder{Owner: r.PathValue("owner"), Namespace: r.PathValue("namespace")}
	if err := g.cfg.Data.SetQuota(r.Context(), h, bytes); err != nil {
		return answer{}, err
	}
	return g.quotasOf(r, h)
}
