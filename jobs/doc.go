// Package jobs keeps durable calls: one row a job, from its acceptance to its
// end, and the log that it writes.
//
// Invariants: a job that Submit has returned is on the disk; its phase changes
// only as Allowed says, which the schema's CHECK and the WHERE of each change
// hold too; Settle takes effect once, under the fence of the attempt that runs,
// and a stale fence changes nothing.
//
// Stored table: jobs(id, function, version, digest, owner, phase, inputs,
// outputs, error, fence, submitted, started, ended, queue, start, run, usage, seq).
// Times are nanoseconds since 1970 UTC, durations nanoseconds, the rest JSON.
// Stored files: Config.Dir/ID/{stdout,stderr}, each bounded.
//
// It is used by room site, which runs jobs, and read by room gateway.
package jobs
