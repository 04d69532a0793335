package cwl

import (
	"crypto/sha256"
	"time"

	"fringe"
)

// Tool is a CommandLineTool document.
type Tool struct {
	ID         string // without the document's name: "main"; empty when it has none
	Label      string
	Doc        string
	Version    string // cwlVersion of the document: "v1.2"
	Inputs     []Input
	Outputs    []Output
	Extensions map[string]any // top-level fields of other namespaces, such as "s:author" and "fringe:example"
	Function   *FunctionHint  // nil when the document has no fringe:Function hint
	Container  string         // image of a DockerRequirement under hints; empty without one, and not used to run

	req                   requirements
	script                *script // nil without InlineJavascriptRequirement
	command               []string
	arguments             []argument
	stdin, stdout, stderr *template
	success, temporary    []int
	ontology              *ontology
	namespaces            map[string]string
	doc                   *node             // packed
	digest                [sha256.Size]byte // of its JSON
	file                  string            // the document's name
	base                  string            // directory of default files; empty when not known
}

// FunctionHint is the hint fringe:Function: how the tool is published and kept
// warm.
type FunctionHint struct {
	Version     string
	Environment fringe.EnvironmentName
	Shape       fringe.Shape    // task when the document does not say
	Contract    fringe.Contract // exec when the document does not say
	Handler     string
	Command     []string
	Raw         bool
	Warm        fringe.Warm
	Policy      fringe.Policy
	Varies      bool // deterministic: false; the same inputs may give other outputs
	Durable     bool // see fringe.Function
}

// Input is an input parameter.
type Input struct {
	Name       string
	Label      string
	Doc        string
	Type       Type
	Default    any
	HasDefault bool
	Unit       string // VOUnits
	UCD        string
	Format     []string // media types or ontology terms that a File may have; nil: any
	Streamable bool
	Writable   bool           // staged writable: the tool changes its private copy
	Extensions map[string]any // fields of other namespaces

	Min, Max, ExclusiveMin, ExclusiveMax *float64 // nil: no bound

	port
	bounded bool   // one of the bounds is there
	files   bool   // the type can hold a File or Directory
	absent  []byte // absentMember
}

// Output is an output parameter.
type Output struct {
	Name       string
	Label      string
	Doc        string
	Type       Type
	Unit       string // VOUnits
	UCD        string
	Format     []string // empty when the document does not say, or says it by an expression
	Streamable bool
	Extensions map[string]any // fields of other namespaces

	port
}

// Runtime is what an attempt gives the tool. Paths are as the tool sees them.
type Runtime struct {
	OutDir     string  // the work directory; outputs are looked for there
	TmpDir     string  // scratch
	InputDir   string  // below it the inputs are staged
	Cores      float64 // 0: as the tool asks
	RAM        int64   // MiB; 0: as the tool asks
	OutDirSize int64   // MiB; 0: as the tool asks
	TmpDirSize int64   // MiB; 0: as the tool asks

	// ExpressionTime is the CPU time that one expression may use; 0: two
	// seconds.
	ExpressionTime time.Duration
}

// Staged is something that must be visible to the tool before it starts. With
// a Source it is the file or directory there; else it is a file with the bytes
// of Literal, or an empty directory.
type Staged struct {
	Source    string // absolute path on this machine
	Target    string // absolute path as the tool sees it
	Directory bool
	Writable  bool // the tool may change it; Source must not change
	Literal   []byte
	Input     string // name of the input that it comes from; empty when from none
}

// Execution is one prepared attempt of a tool.
type Execution struct {
	Argv       []string
	Env        map[string]string // HOME, TMPDIR and what the tool sets itself
	Dir        string            // working directory, as the tool sees it
	Stdin      string            // path as the tool sees it; empty: none
	Stdout     string            // file name below the work directory; empty: not kept
	Stderr     string            // file name below the work directory; empty: not kept
	Stage      []Staged          // parents come before what is in them
	TimeLimit  time.Duration     // 0: none
	Network    bool
	Cores      float64        // that the tool asks for at least
	CoresMax   float64        // 0: not said
	RAM        int64          // MiB that the tool asks for at least
	RAMMax     int64          // MiB; 0: not said
	OutDirSize int64          // MiB
	TmpDirSize int64          // MiB
	Inputs     map[string]any // the input object as the tool's expressions see it

	tool *Tool
	ev   *evaluator
}
