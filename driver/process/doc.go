// Package process starts instances as processes of this Linux machine, each
// in namespaces of its own: a read-only root, a private /tmp, only the mounts
// that its Spec names, no network unless asked, no capability, and limits kept
// by cgroups (version 2, or the controllers of version 1) or, where there are
// none that it may use, by resource limits and a watcher.
//
// # How an instance is made
//
// The driver starts its own binary again in new namespaces. There it takes the
// role of init (see Main): it waits for its orders on a socket, builds the
// mount tree, gives up every privilege, starts the program, reaps what is left
// to it and reports the end. When init ends the kernel kills everything that
// is left in its PID namespace, and init ends when the program ends, when it is
// killed, or when the socket to the server closes. So nothing outlives the
// server, however it dies, but what is to be durable.
//
// While Run runs, inits stand by in their namespaces for the next instances
// (see spare.go).
//
// # Durable instances
//
// The init of a durable instance goes on alone from the moment its program
// starts: it keeps the time limit, ends the tree when the memory limit is met,
// moves bounded streams to their files, and records the end below Spec.Scratch,
// in files that the instance does not see. Attach finds init by its number and
// its start time, waits for it, and reads the record. The cgroup stays until
// then, for it tells what init cannot: that it was itself killed for memory.
// See attach.go for the records and their order.
//
// # Invariants
//
//   - Nothing of the host's file system can be written but writable mounts and
//     the scratch directory of the Spec.
//   - Of the host's own root an instance sees the directories of the system
//     (/usr, /etc, /opt, /var and the like) without their secrets, and nothing
//     else: data reaches it by mounts only.
//   - An instance's mounts live in its own mount namespace; the driver mounts
//     nothing in the server's, but what AddMount is asked for.
//   - Names of cgroups are fringe/<site>-<instance>; <site> comes from the path
//     of StateDir. Sweep removes them, and processes of init's role that carry
//     the same <site>.
//
// Room attempt starts tasks with it, room contract services, and driver/fork its
// zygotes; server calls Run and, for `fringe doctor`, Enforced; cmd/fringe calls
// Main and PrivateMounts.
//
// It needs Linux 5.12 or later.
package process
