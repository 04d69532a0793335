// Package client is the Go client of a site's HTTP API, and the one place
// where the API's wire types are written down; room gateway encodes the same
// types. An error that a site reports comes back as the *fringe.Error that it
// was there.
//
// It is used by cmd/fringe and the benchmarks.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"fringe"
)

// Client speaks with one site.
type Client struct {
	base  string
	token string
	http  *http.Client
}

// Config says which site, and as whom.
type Config struct {
	URL   string // such as http://127.0.0.1:8088
	Token string
}

// New gives a client. It does not connect.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fringe.Errorf("client.New", fringe.Invalid, "%q is not the URL of a site; write http://HOST:PORT", cfg.URL)
	}
	t := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute, Proxy: nil}
	return &Client{base: strings.TrimSuffix(cfg.URL, "/"), token: cfg.Token, http: &http.Client{Transport: t}}, nil
}

// Request is one HTTP request to the site.
type Request struct {
	Method string
	Path   string // with a leading slash, escaped
	Query  url.Values
	Header http.Header
	Body   io.Reader
}

// Do sends r and gives an answer whose status is below 400; the caller closes
// its body. A problem document becomes an error.
func (c *Client) Do(ctx context.Context, r Request) (*http.Response, error) {
	const op = "client.Do"
	u := c.base + r.Path
	if len(r.Query) > 0 {
		u += "?" + r.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, u, r.Body)
	if err != nil {
		return nil, fringe.Errorf(op, fringe.Invalid, "%w", err)
	}
	for k, v := range r.Header {
		req.Header[k] = v
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	if res.StatusCode < 400 {
		return res, nil
	}
	defer res.Body.Close()
	return nil, c.problemError(res)
}

func (c *Client) unreachable(err error) error {
	e := &fringe.Error{Op: "client.Do", Kind: fringe.Unavailable, Err: err,
		Message: "the site at " + c.base + " cannot be reached"}
	var ne *net.OpError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Cure = "start one with: fringe serve; or name another with --url or FRINGE_URL"
	case errors.As(err, &ne):
		e.Cure = "check the URL (--url or FRINGE_URL) and the network"
	}
	return e
}

func (c *Client) problemError(res *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	var p Problem
	mt, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if mt == "application/problem+json" && json.Unmarshal(body, &p) == nil && p.Detail != "" {
		e := p.Err()
		if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
			e.RetryAfter = time.Duration(s) * time.Second
		}
		return e
	}
	if res.Header.Get("X-Call-Id") == "" {
		return &fringe.Error{Op: "client.Do", Kind: fringe.Unavailable,
			Message: fmt.Sprintf("what answers at %s is not a Fringe site: it says %s", c.base, res.Status),
			Cure:    "name the site's URL with --url or FRINGE_URL"}
	}
	return &fringe.Error{Op: "client.Do", Kind: fringe.Failed, Component: fringe.UserCode, Call: fringe.CallID(res.Header.Get("X-Call-Id")),
		Message: fmt.Sprintf("the answer is %s: %s", res.Status, strings.TrimSpace(string(body)))}
}

// Err gives the error that the problem document describes.
func (p *Problem) Err() *fringe.Error {
	return &fringe.Error{Kind: fringe.Kind(strings.TrimPrefix(p.Type, "urn:fringe:problem:")), Component: p.Component,
		Message: p.Detail, Pointer: p.Pointer, Cure: p.Cure, Call: p.Call}
}

// Get decodes the JSON answer to GET path.
func Get[T any](ctx context.Context, c *Client, path string, query url.Values) (T, error) {
	return roundTrip[T](ctx, c, Request{Method: "GET", Path: path, Query: query})
}

// Send sends body as JSON with the method and decodes the JSON answer.
func Send[T any](ctx context.Context, c *Client, method, path string, body any) (T, error) {
	var zero T
	b, err := json.Marshal(body)
	if err != nil {
		return zero, fringe.Errorf("client.Send", fringe.Invalid, "%w", err)
	}
	return roundTrip[T](ctx, c, Request{Method: method, Path: path, Body: bytes.NewReader(b),
		Header: http.Header{"Content-Type": {"application/json"}}})
}

// Upload sends r with the content type and decodes the JSON answer.
func Upload[T any](ctx context.Context, c *Client, r Request) (T, error) {
	return roundTrip[T](ctx, c, r)
}

func roundTrip[T any](ctx context.Context, c *Client, r Request) (T, error) {
	var v T
	res, err := c.Do(ctx, r)
	if err != nil {
		return v, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusNoContent {
		return v, nil
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil && err != io.EOF {
		return v, &fringe.Error{Op: "client.roundTrip", Kind: fringe.Unavailable, Component: fringe.Gateway, Err: err,
			Message: "the answer of " + c.base + r.Path + " is cut short or is not JSON"}
	}
	return v, nil
}

// Delete sends DELETE path.
func (c *Client) Delete(ctx context.Context, path string) error {
	res, err := c.Do(ctx, Request{Method: "DELETE", Path: path})
	if err != nil {
		return err
	}
	return res.Body.Close()
}

// EscapePath escapes each part of a dataset name or reference for use in a
// path; slashes between parts stay.
func EscapePath(s string) string {
	parts := strings.Split(s, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
