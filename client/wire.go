package client

import (
	"encoding/json"
	"time"

	"fringe"
)

// Problem is an RFC 9457 problem document: the answer to a request that failed.
type Problem struct {
	Type      string           `json:"type"` // urn:fringe:problem:KIND
	Title     string           `json:"title,omitempty"`
	Status    int              `json:"status,omitempty"`
	Detail    string           `json:"detail"`
	Component fringe.Component `json:"component,omitempty"` // the part that failed
	Pointer   string           `json:"pointer,omitempty"`   // JSON pointer into the input object
	Cure      string           `json:"cure,omitempty"`      // what to do
	Call      fringe.CallID    `json:"call,omitempty"`      // whose log tells more
}

// Parameter is one input or output of a function's interface.
type Parameter struct {
	Name     string          `json:"name"`
	Type     string          `json:"type"` // in CWL's short notation
	Doc      string          `json:"doc,omitempty"`
	Unit     string          `json:"unit,omitempty"` // VOUnits
	Default  json.RawMessage `json:"default,omitempty"`
	Required bool            `json:"required,omitempty"`
	Range    string          `json:"range,omitempty"` // such as "[0, 1)"
}

// Function describes one version of a function.
type Function struct {
	fringe.Function
	Summary        string            `json:"summary"`
	Doc            string            `json:"doc,omitempty"`
	Aliases        []string          `json:"aliases,omitempty"`
	Versions       []string          `json:"versions,omitempty"`
	Author         string            `json:"author,omitempty"`
	Citation       string            `json:"citation,omitempty"`
	License        string            `json:"license,omitempty"`
	CodeRepository string            `json:"codeRepository,omitempty"`
	Keywords       []string          `json:"keywords,omitempty"`
	Example        json.RawMessage   `json:"example,omitempty"`
	Inputs         []Parameter       `json:"inputs,omitempty"`
	Outputs        []Parameter       `json:"outputs,omitempty"`
	Packages       map[string]string `json:"packages,omitempty"` // of the environment, with exact versions
	Published      time.Time         `json:"published"`
	By             string            `json:"by,omitempty"`
	Created        bool              `json:"created,omitempty"` // publish: false when this very content was there already
}

// Page is one page of a listing.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // the cursor of the next page; empty at the end
}

// Dataset describes a dataset.
type Dataset struct {
	DID       string        `json:"did"`
	Directory bool          `json:"directory,omitempty"`
	Size      int64         `json:"size"`
	Checksum  string        `json:"checksum,omitempty"`
	MediaType string        `json:"mediaType,omitempty"`
	Basename  string        `json:"basename"`
	Path      string        `json:"path,omitempty"` // told to operators only
	Owned     bool          `json:"owned"`
	Call      fringe.CallID `json:"call,omitempty"`
	Owner     string        `json:"owner,omitempty"`
	Created   time.Time     `json:"created"`
}

// AddDataset asks for a dataset to be made from a path of the site's machine or
// from a URL.
type AddDataset struct {
	DID      string `json:"did"`
	Path     string `json:"path,omitempty"`
	URL      string `json:"url,omitempty"`
	Basename string `json:"basename,omitempty"`
}

// Timing splits the time of a call, in seconds.
type Timing struct {
	Queue float64 `json:"queue"`
	Start float64 `json:"start"`
	Run   float64 `json:"run"`
}

// Call describes a call: for a task its durable record.
type Call struct {
	ID        fringe.CallID   `json:"id"`
	Function  string          `json:"function"` // name@version
	Digest    fringe.Digest   `json:"digest"`
	Owner     string          `json:"owner"`
	Phase     string          `json:"phase"` // of UWS
	Inputs    json.RawMessage `json:"inputs,omitempty"`
	Outputs   json.RawMessage `json:"outputs,omitempty"`
	Error     *Problem        `json:"error,omitempty"`
	Submitted time.Time       `json:"submitted"`
	Started   *time.Time      `json:"started,omitempty"`
	Ended     *time.Time      `json:"ended,omitempty"`
	Timing    Timing          `json:"timing"`
	Usage     *fringe.Usage   `json:"usage,omitempty"`
}

// Token describes a token; Secret only in the answer that creates it.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Role    fringe.Role `json:"role"`
	Created time.Time   `json:"created"`
	Expires *time.Time  `json:"expires,omitempty"`
	Used    *time.Time  `json:"used,omitempty"`
	Secret  string      `json:"secret,omitempty"`
}

// CreateToken asks for a token.
type CreateToken struct {
	Name string      `json:"name"`
	Role fringe.Role `json:"role"`
	Days float64     `json:"days,omitempty"` // 0: does not expire
}

// Check is one line of the doctor's report.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Cure   string `json:"cure,omitempty"`
}

// BuildEvent is one line of the answer to an environment build: text of the
// log, or at the end the environment or the problem.
type BuildEvent struct {
	Log         string              `json:"log,omitempty"`
	Environment *fringe.Environment `json:"environment,omitempty"`
	Problem     *Problem            `json:"problem,omitempty"`
}

// Info says which site answers.
type Info struct {
	Site      string           `json:"site"`
	Version   string           `json:"version"`
	Principal fringe.Principal `json:"principal"`
}
