// Package fork starts instances of the python contract as forks of a process
// that has imported the modules of their environment once: a zygote, in a
// process.Nest.
//
// # Ways to start
//
// What environment.yaml declares as start decides, then what the machine and
// the imports allow:
//
//   - fork: the zygote imports the preload list; each call is a fork of it.
//   - prestart: the zygote imports nothing; its forks import for themselves
//     and stand by. For modules that cannot be forked safely: threads that are
//     alive after the imports, files that are open for writing, locks, shared
//     memory. An environment without a declaration whose zygote finds such goes
//     this way, and says so; one that declares fork vouches for them.
//   - process: the inner driver starts a new process for each instance. Where
//     the machine lets no zygote start everything goes this way, and says so.
//
// Each kind of task call (a function's version with its arguments, environment
// and limits) that was asked for lately has forks that stand by, with the
// function loaded, so that a call normally meets one that is ready. Workers of
// services have none: the pool keeps them.
//
// # Invariants
//
//   - A fork takes one Start and is never used again.
//   - A zygote runs no code of functions, and has one environment digest, one
//     set of environment variables that modules may read, and one kind of
//     network.
//   - A zygote that ends is replaced; the calls that it had end as Killed.
//
// Room server makes it; room site asks it for drivers.
package fork
