package jobs

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"sync"
	"time"

	"fringe"
	"fringe/store"
)

// Config says where jobs are kept and how many may wait.
type Config struct {
	Store    *store.Store
	Dir      string       // of the logs
	Queue    int          // jobs that may be QUEUED; 0: any number
	PerOwner int          // jobs of one principal that may be QUEUED; 0: any number
	Log      *slog.Logger // nil: slog.Default

	// Ended, when there is one, hears of each job that has come to its end, once
	// that is committed. It returns at once.
	Ended func(fringe.FunctionName, Phase)

	Now func() time.Time // nil: time.Now
}

// Jobs is the ledger.
type Jobs struct {
	store *store.Store
	dir   string
	log   *slog.Logger
	now   func() time.Time
	ended func(fringe.FunctionName, Phase)
	queue *queue

	arrivals *store.Batch[*arrival]

	mu         sync.Mutex // guards all below
	watchers   map[fringe.CallID]map[chan struct{}]bool
	reconciled string // the derivation up to which Reconcile has looked
}

// New gives the ledger over an open, migrated store.
func New(cfg Config) (*Jobs, error) {
	const op = "jobs.New"
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Ended == nil {
		cfg.Ended = func(fringe.FunctionName, Phase) {}
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fringe.E(op, err)
	}
	j := &Jobs{store: cfg.Store, dir: cfg.Dir, log: cfg.Log, now: cfg.Now, ended: cfg.Ended, queue: newQueue(cfg.Queue, cfg.PerOwner),
		arrivals: store.NewBatch(cfg.Store, arrive), watchers: map[fringe.CallID]map[chan struct{}]bool{}}
	if err := j.countQueued(); err != nil {
		return nil, fringe.E(op, err)
	}
	return j, nil
}

// Work is what running a job needs, as the site made it of the call.
type Work struct {
	Version     string
	Digest      fringe.Digest
	Environment fringe.EnvironmentName
	Inputs      json.RawMessage // the input object as it was given; {} when empty
	Staged      json.RawMessage // the same with paths of this machine; nil: it needs none
	Limits      fringe.Limits
	Policy      fringe.Policy
	Derivation  string // names what the call makes; empty: it answers no other call
}

// NewJob is what a job is made of.
type NewJob struct {
	ID        fringe.CallID
	Function  fringe.FunctionName
	Owner     string
	Namespace string
	Work

	Labels      map[string]string
	Priority    int           // from -100 to 100; higher goes first among its owner's jobs
	RunID       string        // the owner's own name for it
	Trace       string        // the caller's trace context; empty: none
	Hold        bool          // PENDING until Run; its inputs may still change
	Key         string        // of idempotency, unique among the owner's jobs
	Files       string        // names what came with the request, which Key is of beside the rest; it is not kept
	Callback    string        // URL that gets the result
	Duration    time.Duration // longest run time that was asked for; 0: the function's own
	Destruction time.Time     // when job and products may go; zero: never

	// Answer makes the job COMPLETED at once: its products are in the store.
	Answer *Memo

	// Reuse says whether what was made under the derivation is still there, so
	// that it answers the job; what is not there is forgotten. Without Reuse
	// nothing that was made is looked for.
	Reuse func(context.Context, Memo) (bool, error)
}

// Job is a job as it stands.
type Job struct {
	NewJob
	Seq                       int64 // its place in the order of acceptance
	Phase                     Phase
	Outputs                   json.RawMessage // once COMPLETED
	Err                       *fringe.Error   // once in ERROR or ABORTED
	Reused                    fringe.CallID   // the job whose products are the outputs; empty: its own
	Fence                     int64           // of the latest attempt; 0: there was none
	Spent, Failed             int             // failures of the platform and of the function so far
	Lease                     time.Time       // of the attempt that runs
	Submitted, Started, Ended time.Time       // zero: not yet
	QueuedAt                  time.Time       // when it came into the queue
	Queue, Start, Run         time.Duration
	Usage                     fringe.Usage
	Changes                   int64 // number of its latest event
}

// Memo is what a job made, kept under its derivation for the same call.
type Memo struct {
	Job     fringe.CallID
	Outputs json.RawMessage
	Made    time.Time
}
