package cwl

import "fringe"

type port struct{}
type binding struct{}

// Load reads a CommandLineTool document from disk. The path may end in "#id".
func Load(path string) (*Tool, error) { return nil, nil }

// Parse reads a CommandLineTool document.
func Parse(name string, doc []byte, resolve func(ref string) ([]byte, error)) (*Tool, error) {
	return nil, nil
}

// Validate checks an input object and gives it with defaults filled.
func (t *Tool) Validate(inputs map[string]any) (map[string]any, error) { return nil, nil }

// Limits gives the limits that the document states.
func (t *Tool) Limits() fringe.Limits { return fringe.Limits{} }

// Network says whether the tool asks for the network.
func (t *Tool) Network() bool { return false }

// JSON gives the packed, resolved document.
func (t *Tool) JSON() []byte { return nil }

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
