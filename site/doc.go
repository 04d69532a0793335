// Package site is this machine as a site: it turns a call into a running
// function and the function's answer into datasets.
//
// A typed call is checked against the function's interface before anything
// starts, and its datasets are found. A task then becomes a durable job: it
// waits at the gate for cores and memory, runs as one attempt, and its outputs
// become products; it goes on when its client leaves. A service call goes to a
// warm instance of the pool.
//
// Invariants: an input's bytes never change; what a call sees is its inputs,
// its environment, its function and its own scratch; a job is committed before
// it starts and settled once; every goroutine ends before Run returns.
//
// Scratch below Config.Dir: attempts/CALL, instances/ID/calls/CALL. Both are
// removed when their call or instance ends, and swept at the start.
//
// It is called by room gateway and set up by room server.
package site
