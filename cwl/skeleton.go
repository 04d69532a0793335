package cwl

import "fringe"

// Limits gives the limits that the document states.
func (t *Tool) Limits() fringe.Limits { return fringe.Limits{} }

// Network says whether the tool asks for the network.
func (t *Tool) Network() bool { return false }

// JSONSchema gives the JSON Schema 2020-12 of the input object.
func (t *Tool) JSONSchema() map[string]any { return nil }

// OutputSchema gives the JSON Schema 2020-12 of the output object.
func (t *Tool) OutputSchema() map[string]any { return nil }

// FromText gives the value that a person typed for the input.
func (in *Input) FromText(s string) (any, error) { return nil, nil }

// Prepare works out what must run.
func (t *Tool) Prepare(inputs map[string]any, rt Runtime) (*Execution, error) { return nil, nil }

// Collect gathers the output object.
func (e *Execution) Collect(outdir string, exitCode int) (map[string]any, error) { return nil, nil }
