// Package fringe is the language of the project: the nouns, the shared
// interfaces and the error type. It imports only the standard library, starts
// no goroutine and does no I/O.
//
// # Glossary
//
// One word for one thing; every room keeps to these.
//
//   - alias: a name that moves between versions of a function (latest, stable).
//   - arrival: a job on its way into the store.
//   - attempt: one try of a task: stage, start, wait, collect.
//   - call: one request to a function.
//   - contract: the protocol between Fringe and running code (exec, python, http, worker).
//   - dataset: named data, scope:name; a file or a directory.
//   - delivery: a job's result on its way to the callback.
//   - derivation: a digest of all that the outputs of a call depend on.
//   - driver: what starts instances (process, fork).
//   - environment: what code needs in order to run, and the contract spoken with it.
//   - fence: the number of an attempt of a job; what comes under an older one changes nothing.
//   - function: a named process in the catalogue with typed inputs and outputs.
//   - instance: running code that can take calls.
//   - job: a durable call with an id, a phase, a log and results.
//   - lease: the time until which an attempt counts as alive; its heartbeat renews it.
//   - limits: what an instance may use: CPU, memory, processes, file size, time.
//   - memo: the outputs that a derivation had.
//   - mount: a path of the host made visible inside an instance.
//   - namespace: the project of a principal, with a share of the site and a quota; or one of the kernel's.
//   - policy: how often a task is tried, and how long each part of it may take.
//   - pool: the warm instances of the site.
//   - principal: who asks.
//   - product: a dataset that a call made.
//   - reach: where an address leads: the public network, a private one, or nowhere for anybody.
//   - result: what a function answered; a failed function has a result too.
//   - role: what a principal may do (reader, caller, publisher, operator).
//   - scope: the first part of a dataset's name.
//   - service: a function whose warm instances take many short calls.
//   - site: one Fringe with its data and its engines.
//   - spare: a process that stands by to become an instance.
//   - task: a function that runs one process tree per call.
//   - usage: what an instance used.
//   - version: one immutable, content-addressed state of a function.
//   - view: the private sight that an attempt has of one input.
//   - zygote: a process that has imported an environment's modules; Python's instances are forks of it.
package fringe
