// Package jobs keeps durable calls: one row a job, from its acceptance to its
// end, with its attempts, its events, the delivery of its callback, the memo
// of what it made, and the log that it writes.
//
// Invariants:
//
//   - A job that Submit has returned is on the disk.
//   - Its phase changes only as Allowed says; the schema holds that too, by a
//     CHECK and a trigger.
//   - An attempt runs under a fence that Claim gives, greater than any before,
//     and under a lease that Renew prolongs. What comes with another fence
//     changes nothing: a job is settled once.
//   - Settle writes the end, the event, the memo, the delivery that is due, and
//     the end of those who waited for the same result, in one transaction.
//   - A queue that is full refuses before acceptance, never after.
//   - Memory holds a bounded head of each queue; the rest is in the store.
//
// Stored tables: jobs; jobs_attempts, jobs_events, jobs_labels and
// jobs_deliveries, which go with their job; jobs_memos(derivation → outputs).
// Times are nanoseconds since 1970 UTC, durations nanoseconds, the rest JSON.
// Stored files: Config.Dir/ID/{stdout,stderr}, each bounded.
//
// It is used by room site, which runs jobs, and read by room gateway.
package jobs
