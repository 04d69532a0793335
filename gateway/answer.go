package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

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
	if a.Job != "" {
		w.Header().Set(callHeader, string(a.Job)) // with an idempotency key another's than the request's
		w.Header().Set("Cache-Status", cacheStatus(a))
	}
	if did, ok := wantsFile(r, v, a); ok {
		return g.SendDataset(w, r, did)
	}
	body := a.JSON
	if body == nil {
		var err error
		if body, err = json.Marshal(a.Outputs); err != nil {
			return &fringe.Error{Op: "gateway.writeAnswer", Kind: fringe.Failed, Component: fringe.Collect, Err: err,
				Message: "the output object cannot be written as JSON"}
		}
	}
	h := w.Header()
	h["Content-Type"] = jsonTypes
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.Write(body)
	return nil
}

// cacheStatus says whether the products were in the store, and which job made
// them, in the words of RFC 9211.
func cacheStatus(a *site.Answer) string {
	if a.Reused != "" {
		return "fringe; hit; detail=" + string(a.Reused)
	}
	return "fringe; fwd=miss; stored; detail=" + string(a.Job)
}

var jsonTypes = []string{jsonType}

// serverTiming gives the value of the header Server-Timing, in milliseconds.
func serverTiming(t site.Timing) string {
	b := make([]byte, 0, 64)
	for _, p := range [...]struct {
		name string
		d    time.Duration
	}{{"queue;dur=", t.Queue}, {", start;dur=", t.Start}, {", run;dur=", t.Run}} {
		b = strconv.AppendFloat(append(b, p.name...), p.d.Seconds()*1000, 'f', 3, 64)
	}
	return string(b)
}

// wantsFile gives the dataset of the only output when it is one file and the
// caller does not accept JSON, or prefers the file's type to it.
func wantsFile(r *http.Request, v *catalogue.Version, a *site.Answer) (fringe.DID, bool) {
	if a.Outputs == nil || len(v.Tool.Outputs) != 1 {
		return fringe.DID{}, false
	}
	o, _ := a.Outputs[v.Tool.Outputs[0].Name].(map[string]any)
	location, _ := o["location"].(string)
	did, err := fringe.ParseDID(location)
	if err != nil || o["class"] != "File" {
		return fringe.DID{}, false
	}
	accept := strings.Join(r.Header.Values("Accept"), ",")
	media, _ := o["mediaType"].(string)
	object, objectBy := quality(accept, "application/json")
	file, fileBy := quality(accept, media)
	return did, object == 0 || file > object || file == object && fileBy > objectBy
}

// quality gives the weight that an Accept header gives a media type, by its
// most specific range that matches (RFC 9110, 12.5.1): 2 for the type itself,
// 1 for its main type, 0 for any. Without a header every type has the weight 1.
func quality(accept, media string) (weight float64, specific int) {
	if strings.TrimSpace(accept) == "" {
		return 1, 0
	}
	specific = -1
	main, _, _ := strings.Cut(media, "/")
	for part := range strings.SplitSeq(accept, ",") {
		t, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		rank := map[string]int{media: 3, main + "/*": 2, "*/*": 1}[t] - 1
		if rank <= specific {
			continue
		}
		specific, weight = rank, 1
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			weight = q
		}
	}
	return weight, specific
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

var pages = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// stream copies the body, and sends what is there whenever more is waited for
// when the length is not known.
func stream(w http.ResponseWriter, body io.Reader) error {
	page := pages.Get().(*[]byte)
	defer pages.Put(page)
	buf := *page
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
