// Package site is this machine as a site: it turns a call into a running
// function and the function's answer into datasets.
//
// A typed call is checked against the function's interface before anything
// starts, and its datasets are found. A task then becomes a durable job, which
// the engine starts when a pure decision says that its turn has come; it runs
// as attempts, its outputs become products, and it goes on when its client or
// the server leaves. A service call goes to a warm instance of the pool.
//
// Invariants: an input's bytes never change; what a call sees is its inputs,
// its environment, its function and its own scratch; a job is committed before
// it starts and settled once; every goroutine ends before Run returns, while
// the instances of tasks go on.
//
// Scratch below Config.Dir: attempts/CALL/FENCE, instances/ID/calls/CALL. Each
// is removed when its attempt or instance ends, and what is left of others at
// the start.
//
// It is called by room gateway and set up by room server.
package site
