package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"syscall"
	"time"

	"fringe"
)

// Fetch says how URLs are read. Link-local addresses, and those at which
// clouds keep the credentials of a machine, are never read.
type Fetch struct {
	Idle          time.Duration // how long a server may send nothing; 0: a minute
	Redirects     int           // most redirects that are followed; 0: 5
	RefusePrivate bool          // neither this machine nor private networks, but for operators
	Proxy         func(*http.Request) (*url.URL, error)
}

// fetcher reads URLs.
type fetcher struct {
	client *http.Client
	idle   time.Duration
}

// validators identify one state of a URL's content.
type validators struct{ etag, modified string }

func newFetcher(cfg Fetch, refusePrivate bool) *fetcher {
	if cfg.Idle == 0 {
		cfg.Idle = time.Minute
	}
	if cfg.Redirects == 0 {
		cfg.Redirects = 5
	}
	dialer := &net.Dialer{Timeout: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return err
		}
		return AllowedAddress(ip, refusePrivate)
	}}
	return &fetcher{idle: cfg.Idle, client: &http.Client{
		Transport: &http.Transport{Proxy: cfg.Proxy, DialContext: dialer.DialContext, DisableCompression: true,
			TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: cfg.Idle, IdleConnTimeout: 30 * time.Second, MaxIdleConnsPerHost: 2},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > cfg.Redirects {
				return refused("data.fetch", "give the address that the redirects lead to", "%s redirects more than %d times", via[0].URL.Redacted(), cfg.Redirects)
			}
			return checkURL(r.URL, refusePrivate)
		},
	}}
}

// AllowedAddress refuses addresses that a stranger must not make the server
// read. Callers give it the address that is connected to, so names that change
// their address in between gain nothing.
func AllowedAddress(ip netip.Addr, refusePrivate bool) error {
	if reach := fringe.ReachOf(ip); reach == fringe.Special || refusePrivate && reach != fringe.Public {
		return &fringe.Error{Op: "data.fetch", Kind: fringe.Denied, Component: fringe.Data,
			Message: fmt.Sprintf("the site does not read from the address %s", fringe.CarriedIPv4(ip)), Cure: "download the file yourself and add it: fringe data add"}
	}
	return nil
}

// fetcherFor gives the fetcher of those who may name private addresses, or of
// those who may not.
func (d *Data) fetcherFor(role fringe.Role) *fetcher {
	if role.Includes(fringe.Operator) {
		return d.anywhere
	}
	return d.fetcher
}

// checkURL refuses what is no plain web address.
func checkURL(u *url.URL, refusePrivate bool) error {
	const op = "data.fetch"
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refused(op, "give an http: or https: address", "%.200q is not a web address", u.Redacted())
	case u.Hostname() == "":
		return refused(op, "give the whole address, such as https://host/file.fits", "%.200q names no host", u.Redacted())
	case u.User != nil:
		return refused(op, "download the file yourself and add it", "the address %.200q holds a user name or password, which would be kept and shown", u.Redacted())
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return AllowedAddress(ip, refusePrivate)
	}
	return nil
}

// download is a response that is being read. The caller closes it.
type download struct {
	io.ReadCloser
	name   string // the file name that the server or the address gives
	length int64  // -1 when not known
	seen   validators
	fresh  bool // false: the content is as the validators say, and there are no bytes
}

// get begins to read address; with validators only when the content differs
// from them.
func (f *fetcher) get(ctx context.Context, address string, had validators) (*download, error) {
	const op = "data.fetch"
	u, err := url.Parse(address)
	if err != nil {
		return nil, refused(op, "write it as https://host/file.fits", "%.200q is not a web address", fringe.Redacted(address))
	}
	u.Fragment = ""
	if err := checkURL(u, false); err != nil {
		return nil, err
	}
	request, cancel := context.WithCancel(ctx)
	r, err := http.NewRequestWithContext(request, http.MethodGet, u.String(), nil)
	if err != nil {
		cancel()
		return nil, fringe.E(op, err)
	}
	r.Header.Set("User-Agent", "fringe")
	if had.etag != "" {
		r.Header.Set("If-None-Match", had.etag)
	} else if had.modified != "" {
		r.Header.Set("If-Modified-Since", had.modified)
	}
	resp, err := f.client.Do(r)
	if err != nil {
		cancel()
		return nil, fetchError(ctx, u, err)
	}
	if err := statusError(u, resp, had); err != nil {
		resp.Body.Close()
		cancel()
		return nil, err
	}
	return &download{
		ReadCloser: newIdleReader(resp.Body, f.idle, cancel), name: nameOf(resp, u), length: resp.ContentLength,
		seen:  validators{resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")},
		fresh: resp.StatusCode == http.StatusOK,
	}, nil
}

// fetchError explains why no answer came.
func fetchError(ctx context.Context, u *url.URL, err error) error {
	var known *fringe.Error
	if errors.As(err, &known) {
		return viewError("data.fetch", err)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &fringe.Error{Op: "data.fetch", Kind: fringe.Unavailable, Component: fringe.Data, Err: err,
		Message: u.Host + " cannot be reached", Cure: "see that the address is right and that this machine reaches it"}
}

// statusError explains an answer that has no content.
func statusError(u *url.URL, resp *http.Response, had validators) error {
	e := &fringe.Error{Op: "data.fetch", Component: fringe.Data, Message: fmt.Sprintf("%s answers %s for %s", u.Host, resp.Status, u.Path)}
	switch s := resp.StatusCode; {
	case s == http.StatusOK, s == http.StatusNotModified && had != validators{}:
		return nil
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Kind, e.Cure = fringe.NotFound, "see that the address is right"
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Kind, e.Cure = fringe.Denied, "give an address that needs no login, or download the file yourself and add it"
	case s == http.StatusTooManyRequests:
		e.Kind, e.Cure = fringe.Busy, "try again later"
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 && n < 86400 {
			e.RetryAfter = time.Duration(n) * time.Second
		}
	default:
		e.Kind, e.Cure = fringe.Unavailable, "try again later, or take another source"
	}
	return e
}

// nameOf gives the file name of the content; "" when there is none.
func nameOf(resp *http.Response, u *url.URL) string {
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		if name := path.Base(params["filename"]); checkBasename("", name) == nil {
			return name
		}
	}
	if name := path.Base(u.Path); checkBasename("", name) == nil {
		return name
	}
	return ""
}

// idleReader ends a response that sends nothing for too long.
type idleReader struct {
	body   io.ReadCloser
	idle   time.Duration
	timer  *time.Timer
	cancel context.CancelFunc
}

func newIdleReader(body io.ReadCloser, idle time.Duration, cancel context.CancelFunc) *idleReader {
	return &idleReader{body: body, idle: idle, cancel: cancel, timer: time.AfterFunc(idle, cancel)}
}

// Read implements io.Reader.
func (r *idleReader) Read(p []byte) (int, error) {
	r.timer.Reset(r.idle)
	n, err := r.body.Read(p)
	if err != nil && !r.timer.Stop() && errors.Is(err, context.Canceled) {
		err = fmt.Errorf("the server sent nothing for %v", r.idle)
	}
	return n, err
}

// Close implements io.Closer.
func (r *idleReader) Close() error {
	r.timer.Stop()
	r.cancel()
	return r.body.Close()
}
