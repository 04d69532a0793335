// Package uws serves every function as an IVOA service: its jobs by UWS 1.1
// below /uws/NAME/async, one call at /uws/NAME/sync, and beside them the DALI
// and VOSI resources capabilities, availability and examples.
//
// The jobs are those of room jobs: what is made here is seen by every other
// surface, and the other way round. Each input of the function is a parameter,
// its text given the input's type. Job parameters are taken when the job is
// made and below /parameters, never at the job itself, as DALI says.
//
// Invariants: every document is valid against UWS.xsd; whatever a client
// sends, the answer is never a 500 unless the platform failed; a job of another
// owner, or of another function, is not found.
//
// It is set up by room server and reached through room gateway, which
// authenticates.
package uws
