// Package cwl is the description language: CommandLineTool documents of the
// Common Workflow Language, v1.2 (v1.0 and v1.1 documents are read as well).
//
// It reads documents ([Load], [Parse]) and says everything that is wrong in
// them with file, line and cure ([Problems]); validates input objects
// ([Tool.Validate]); works out what must run ([Tool.Prepare]: the command
// line, the environment, and what must be staged where); and gathers the
// output object afterwards ([Execution.Collect]).
//
// Invariants: no process is started here, nothing is written, and nothing is
// fetched over the network. Files are read only to learn sizes, listings,
// contents that a document asks for, and outputs. A document that uses what
// is not supported is refused by name ([Unsupported]), never run in part.
// Documents, expressions, input objects and output directories are hostile
// input: sizes, nesting, alias expansion, the time and the memory of an
// expression are bounded, and a path outside the work directory is refused.
//
// A [Tool] is immutable after it is read and may be used by many goroutines.
// An [Execution] belongs to one attempt.
//
// Rooms attempt, catalogue, site, gateway and the command cwl-runner call it.
package cwl
