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
	Component fringe.Component `json:"component,omitempty"` // the part of the platform that failed; none when the request is wrong
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
	Container      string            `json:"container,omitempty"` // image that the document names as a hint; not used
	Packages       map[string]string `json:"packages,omitempty"`  // of the environment, with exact versions
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
	Namespace string        `json:"namespace,omitempty"` // that it counts for
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

// Collect asks for the removal of garbage among the data.
type Collect struct {
	Owner  string  `json:"owner,omitempty"`  // whose; operators: empty is everybody's
	Older  float64 `json:"older"`            // seconds; only what was made longer ago
	Keep   *int64  `json:"keep,omitempty"`   // stop once the data takes no more bytes, the oldest going first
	Named  bool    `json:"named,omitempty"`  // also what jobs name that have ended
	DryRun bool    `json:"dryRun,omitempty"` // remove nothing
}

// Garbage is a dataset that was removed, or would be.
type Garbage struct {
	Dataset
	Why string `json:"why"`
}

// Collected is what a collection did, or would do.
type Collected struct {
	Removed []Garbage `json:"removed"`
	Bytes   int64     `json:"bytes"` // that they took
	Left    int64     `json:"left"`  // bytes that the owner's data takes after it
}

// Quota is what the data of a principal, or of a namespace together, takes of
// the site, and may take.
type Quota struct {
	Owner     string `json:"owner,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Used      int64  `json:"used"`
	Bytes     int64  `json:"bytes,omitempty"` // 0: as much as there is
	Own       bool   `json:"own,omitempty"`   // its own, not the one for everybody
}

// SetQuota changes a quota: null is that for everybody, 0 no bound.
type SetQuota struct {
	Bytes *int64 `json:"bytes"`
}

// Timing splits the time of a call, in seconds.
type Timing struct {
	Queue float64 `json:"queue"`
	Start float64 `json:"start"`
	Run   float64 `json:"run"`
}

// Job describes a job: a call with a durable record.
type Job struct {
	ID          fringe.CallID          `json:"id"`
	Function    string                 `json:"function"` // name@version
	Digest      fringe.Digest          `json:"digest"`
	Environment fringe.EnvironmentName `json:"environment,omitempty"`
	Owner       string                 `json:"owner"`
	Namespace   string                 `json:"namespace,omitempty"` // that it counts for
	Phase       string                 `json:"phase"`               // of UWS
	Priority    int                    `json:"priority,omitempty"`
	Labels      map[string]string      `json:"labels,omitempty"`
	RunID       string                 `json:"runId,omitempty"` // the owner's own name for it
	Inputs      json.RawMessage        `json:"inputs,omitempty"`
	Outputs     json.RawMessage        `json:"outputs,omitempty"`
	Reused      fringe.CallID          `json:"reused,omitempty"` // the job whose products are the outputs
	Error       *Problem               `json:"error,omitempty"`
	Submitted   time.Time              `json:"submitted"`
	Started     *time.Time             `json:"started,omitempty"`
	Ended       *time.Time             `json:"ended,omitempty"`
	Duration    float64                `json:"duration,omitempty"` // seconds that it may run; 0: the function's own limit
	Destruction *time.Time             `json:"destruction,omitempty"`
	Timing      Timing                 `json:"timing"`
	Usage       *fringe.Usage          `json:"usage,omitempty"`
	Progress    *Progress              `json:"progress,omitempty"` // the latest; of one job only
	Attempts    []Attempt              `json:"attempts,omitempty"` // of one job only
	Delivery    *Delivery              `json:"delivery,omitempty"` // of one job only
}

// Final says whether the job has ended.
func (j *Job) Final() bool { return j.Ended != nil }

// Progress is how far a job says it is.
type Progress struct {
	Fraction float64 `json:"fraction,omitempty"` // from 0 to 1; 0 when not known
	Step     string  `json:"step,omitempty"`     // what it does, in the tool's words
}

// Attempt is one try of a job.
type Attempt struct {
	Number  int64         `json:"number"`
	Started time.Time     `json:"started"`
	Ended   *time.Time    `json:"ended,omitempty"`
	Cause   string        `json:"cause,omitempty"` // why it ended
	Error   *Problem      `json:"error,omitempty"`
	Usage   *fringe.Usage `json:"usage,omitempty"`
}

// Delivery is the state of a job's callback.
type Delivery struct {
	URL    string    `json:"url"`
	State  string    `json:"state"` // waiting, delivered, failed
	Tries  int       `json:"tries"`
	Status int       `json:"status,omitempty"` // of the latest answer
	Error  string    `json:"error,omitempty"`
	At     time.Time `json:"at"`
}

// NewJob asks for a job.
type NewJob struct {
	Function    string            `json:"function"` // NAME, NAME@VERSION or NAME@ALIAS
	Inputs      map[string]any    `json:"inputs"`
	Labels      map[string]string `json:"labels,omitempty"`
	Priority    int               `json:"priority,omitempty"` // -100 to 100; higher goes first among one's own
	RunID       string            `json:"runId,omitempty"`
	Namespace   string            `json:"namespace,omitempty"`   // that it counts for; the token's when not said
	Callback    string            `json:"callback,omitempty"`    // URL that gets the result
	Hold        bool              `json:"hold,omitempty"`        // PENDING until it is run
	Fresh       bool              `json:"fresh,omitempty"`       // not to be answered from the store
	Duration    float64           `json:"duration,omitempty"`    // seconds that it may run
	Destruction *time.Time        `json:"destruction,omitempty"` // when it may go
}

// Event is something that happened to a job. Its kind says what else is set.
type Event struct {
	ID       string    `json:"-"` // where to go on after it
	Kind     string    `json:"-"` // phase, progress, log, delivery
	At       time.Time `json:"at,omitzero"`
	Phase    string    `json:"phase,omitempty"`
	Message  string    `json:"message,omitempty"` // why; empty when there is nothing to say
	Progress *Progress `json:"progress,omitempty"`
	Delivery string    `json:"delivery,omitempty"` // the new state
	Stream   string    `json:"stream,omitempty"`   // log: stdout or stderr
	Text     string    `json:"text,omitempty"`     // log
}

// Result is one output of a job.
type Result struct {
	Name      string          `json:"name"`
	Class     string          `json:"class,omitempty"` // File or Directory; empty for a value
	Value     json.RawMessage `json:"value,omitempty"`
	Location  string          `json:"location,omitempty"` // the dataset
	Basename  string          `json:"basename,omitempty"`
	Size      int64           `json:"size,omitempty"`
	MediaType string          `json:"mediaType,omitempty"`
	Checksum  string          `json:"checksum,omitempty"`
	URL       string          `json:"url,omitempty"` // of the content
}

// Provenance is all that is known of how a job made what it made.
type Provenance struct {
	Job         Job                `json:"job"`
	Site        string             `json:"site"`
	URL         string             `json:"url"`     // of the site, as it was asked
	Server      string             `json:"server"`  // version of Fringe
	Machine     string             `json:"machine"` // such as linux/amd64
	Function    Function           `json:"function"`
	Document    json.RawMessage    `json:"document"` // the CWL document of the function
	Environment fringe.Environment `json:"environment"`
	Inputs      []DataUse          `json:"inputs"`
	Outputs     []DataUse          `json:"outputs"`
	Logs        []DataUse          `json:"logs"`
}

// DataUse is a value, file or directory that a job took or made.
type DataUse struct {
	Name      string          `json:"name"`            // of the input, output or stream; in a list, a slash and the place follow
	Class     string          `json:"class,omitempty"` // File or Directory; empty for a value
	Value     json.RawMessage `json:"value,omitempty"` // of a value
	Location  string          `json:"location,omitempty"`
	Basename  string          `json:"basename,omitempty"`
	Size      int64           `json:"size,omitempty"` // bytes
	MediaType string          `json:"mediaType,omitempty"`
	Checksum  string          `json:"checksum,omitempty"` // "sha1$…"; of files
	Note      string          `json:"note,omitempty"`     // why something of it is not known
}

// Comparison tells whether two jobs made the same.
type Comparison struct {
	Equal   bool         `json:"equal"`
	Results []Difference `json:"results"`
}

// Difference tells of one output whether it is the same.
type Difference struct {
	Name  string   `json:"name"`
	Equal bool     `json:"equal"`
	Notes []string `json:"notes,omitempty"` // what differs, the first few, also what does not count
}

// Token describes a token; Secret only in the answer that creates it.
type Token struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Role      fringe.Role `json:"role"`
	Namespace string      `json:"namespace,omitempty"` // that its work and data count for
	Created   time.Time   `json:"created"`
	Expires   *time.Time  `json:"expires,omitempty"`
	Used      *time.Time  `json:"used,omitempty"`
	Secret    string      `json:"secret,omitempty"`
}

// CreateToken asks for a token.
type CreateToken struct {
	Name      string      `json:"name"`
	Role      fringe.Role `json:"role"`
	Namespace string      `json:"namespace,omitempty"`
	Days      float64     `json:"days,omitempty"` // 0: does not expire
}

// Check is one line of the doctor's report.
type Check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Cure   string `json:"cure,omitempty"`
}

// Environment is an environment, and how instances of Python start in it.
type Environment struct {
	fringe.Environment
	Starts *Starts `json:"starts,omitempty"` // nil until one was started
}

// Starts says how instances of Python start in an environment.
type Starts struct {
	Way        string            `json:"way"`           // fork, prestart or process: the last that was used
	Why        string            `json:"why,omitempty"` // why it is not fork, or is fork all the same
	Counts     map[string]uint64 `json:"counts"`        // since the site started, by way; standby is a fork that stood by
	Import     float64           `json:"import"`        // seconds that the imports took
	Zygotes    int               `json:"zygotes"`       // processes that have imported the modules
	Standing   int               `json:"standing"`      // forks that stand by
	Running    int               `json:"running"`       // forks with a call
	Resident   int64             `json:"resident"`      // bytes of the zygotes
	PerFork    int64             `json:"perFork"`       // bytes that a fork has of its own, on average
	SharedFork int64             `json:"sharedFork"`    // bytes that a fork shares with its zygote, on average
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
