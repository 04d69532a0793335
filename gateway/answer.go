package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"fringe"
	"fringe/catalogue"
	"fringe/site"
)

// writeAnswer writes the answer in the form that the caller accepts. An error
// is returned only when nothing was written.
func (g *Gateway) writeAnswer(w http.ResponseWriter, r *http.Request, v *catalogue.Version, a *site.Answer) error {
	w.Header().Set("X-Fringe-Function", v.Ref())
	if a.Raw != nil {
		g.writeRaw(w, r, a)
		return nil
	}
	w.Header().Set("Server-Timing", serverTiming(a.Timing))
	if did, ok := wantsFile(r, v, a); ok {
		return g.sendFile(w, r, did)
	}
	body := a.JSON
	if body == nil {
		var err error
		if body, err = json.Marshal(a.Outputs); err != nil {
			return &fringe.Error{Op: "gateway.writeAnswer", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
				Message: "the output object cannot be written as JSON"}
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
	return nil
}

func serverTiming(t site.Timing) string {
	ms := func(d interface{ Seconds() float64 }) float64 { return d.Seconds() * 1000 }
	return fmt.Sprintf("queue;dur=%.3f, start;dur=%.3f, run;dur=%.3f", ms(t.Queue), ms(t.Start), ms(t.Run))
}

// wantsFile gives the dataset of the only output when it is one file and the
// caller accepts something other than JSON before JSON.
func wantsFile(r *http.Request, v *catalogue.Version, a *site.Answer) (fringe.DID, bool) {
	accept := r.Header.Get("Accept")
	if a.Outputs == nil || len(v.Tool.Outputs) != 1 || accept == "" || strings.Contains(accept, "json") || strings.HasPrefix(accept, "*/*") {
		return fringe.DID{}, false
	}
	o, _ := a.Outputs[v.Tool.Outputs[0].Name].(map[string]any)
	location, _ := o["location"].(string)
	did, err := fringe.ParseDID(location)
	return did, err == nil && o["class"] == "File"
}

// hopByHop are the headers of a raw answer that are not passed on.
var hopByHop = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// writeRaw streams what a raw function answered.
func (g *Gateway) writeRaw(w http.ResponseWriter, r *http.Request, a *site.Answer) {
	defer a.Raw.Body.Close()
	h := w.Header()
	for k, vs := range a.Raw.Header {
		h[k] = vs
	}
	for _, k := range hopByHop {
		h.Del(k)
	}
	if a.Raw.Failed {
		h.Set("X-Fringe-Component", string(fringe.UserCode))
	}
	w.WriteHeader(a.Raw.Status)
	if err := stream(w, a.Raw.Body); err != nil && !errors.Is(err, context.Canceled) {
		g.log.Warn("answer cut short", "call", h.Get(callHeader), "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // the only way to tell the client that the body is not whole
	}
}

// stream copies the body, and sends what is there whenever more is waited for
// when the length is not known.
func stream(w http.ResponseWriter, body io.Reader) error {
	buf := make([]byte, 64<<10)
	known := w.Header().Get("Content-Length") != ""
	rc := http.NewResponseController(w)
	for {
		n, err := body.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return werr
			}
			if !known && n < len(buf) && err == nil {
				rc.Flush()
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// counted counts the bytes that are read.
type counted struct {
	r io.ReadCloser
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counted) Close() error { return c.r.Close() }

// countedWriter counts the bytes that are written.
type countedWriter struct {
	http.ResponseWriter
	n int64
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.n += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController find the writer below.
func (c *countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
