package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"

	"fringe"
)

const maxJSON = 16 << 20 // bytes of a JSON request body

// answer is what a JSON handler gives: the status, the value, and what the
// header says beside.
type answer struct {
	status int
	value  any
	header http.Header
}

func ok(v any) answer      { return answer{status: http.StatusOK, value: v} }
func created(v any) answer { return answer{status: http.StatusCreated, value: v} }
func none() answer         { return answer{status: http.StatusNoContent} }

// serveJSON makes a handler of a function that gives the answer or an error;
// exactly one response is written on every path.
func (g *Gateway) serveJSON(role fringe.Role, f func(r *http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := g.auth.Require(r.Context(), r.Pattern, role); err != nil {
			g.writeProblem(w, r, err)
			return
		}
		a, err := f(r)
		if err != nil {
			g.writeProblem(w, r, err)
			return
		}
		maps.Copy(w.Header(), a.header)
		if a.status == http.StatusNoContent {
			w.WriteHeader(a.status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(a.status)
		json.NewEncoder(w).Encode(a.value)
	}
}

// decode reads the request's JSON body into v; unknown members are refused.
func decode(r *http.Request, v any) error {
	const op = "gateway.decode"
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxJSON))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return bodyError(op, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fringe.Errorf(op, fringe.Invalid, "the request body has something after the JSON value")
	}
	return nil
}

func bodyError(op string, err error) error {
	var big *http.MaxBytesError
	if errors.As(err, &big) {
		return &fringe.Error{Op: op, Kind: fringe.TooLarge, Err: err,
			Message: "the request body is over the limit", Cure: "add large data as a dataset (fringe data add) and name it in the call"}
	}
	if errors.Is(err, io.EOF) {
		return fringe.Errorf(op, fringe.Invalid, "the request body is empty; a JSON object is expected")
	}
	return fringe.Errorf(op, fringe.Invalid, "the request body is not the JSON that is expected: %w", err)
}
