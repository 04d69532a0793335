package jobs

import "slices"

// Phase is where a job is in its life; the words are UWS's.
type Phase string

// The phases.
const (
	Pending   Phase = "PENDING"   // known, not yet to be run; its owner moves it on
	Queued    Phase = "QUEUED"    // accepted; it waits for its turn; the site moves it on
	Executing Phase = "EXECUTING" // an attempt runs; its end moves it on
	Completed Phase = "COMPLETED" // final: the outputs are there
	Error     Phase = "ERROR"     // final: the error says why
	Aborted   Phase = "ABORTED"   // final: its owner or an operator stopped it
	Held      Phase = "HELD"      // its owner must release it
	Suspended Phase = "SUSPENDED" // the site took it off for a while; the site moves it on
	Archived  Phase = "ARCHIVED"  // final: the products are gone, the record stays for as long as the site keeps it
)

// Phases gives all of them.
func Phases() []Phase {
	return []Phase{Pending, Queued, Executing, Completed, Error, Aborted, Held, Suspended, Archived}
}

// allowed is the state machine; docs/jobs.md draws it, and the schema holds it.
func allowed() map[Phase][]Phase {
	return map[Phase][]Phase{
		Pending:   {Queued, Held, Aborted, Error},
		Queued:    {Executing, Completed, Held, Aborted, Error},
		Executing: {Completed, Error, Aborted, Suspended, Queued},
		Suspended: {Executing, Queued, Aborted, Error},
		Held:      {Queued, Pending, Aborted},
		Completed: {Archived},
		Error:     {Archived},
		Aborted:   {Archived},
	}
}

// Allowed says whether a job may go from one phase to the other.
func Allowed(from, to Phase) bool { return slices.Contains(allowed()[from], to) }

// Final says whether a job in the phase has ended.
func (p Phase) Final() bool {
	return p == Completed || p == Error || p == Aborted || p == Archived
}

// Waits says whether a job in the phase waits for its owner.
func (p Phase) Waits() bool { return p == Pending || p == Held }

// Valid says whether p is one of the phases.
func (p Phase) Valid() bool { return slices.Contains(Phases(), p) }
