// Package contract speaks with running code: it hands a call to an instance
// and gives its answer.
//
// Three contracts are here. Worker speaks with the Python worker (python -m
// fringe.worker), and with programs of the contract worker
// (native/fringe_worker.h), by frames over a unix socket; HTTP speaks HTTP/1.1 with a
// program that listens on a unix socket or a port. Both start the instance
// through a fringe.Driver, watch it, and implement fringe.Invoker and what
// room pool needs (ID, Done, Stop). The exec contract has no conversation:
// room attempt runs it.
//
// Invariants: what an instance sends is hostile input, and can end the
// instance but never the server. A call whose context ends leaves no instance
// in an unknown state. A call's write and read happen in the caller's
// goroutine; only a large request body has a goroutine of its own.
//
// The package stores nothing. Room site starts instances with it; room pool
// keeps them.
package contract
