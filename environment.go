package fringe

// Environment is a built environment: what code needs in order to run, at an
// immutable place on this machine.
type Environment struct {
	Name        EnvironmentName   `json:"name"`
	Description string            `json:"description,omitempty"` // for people; no digest covers it
	Digest      Digest            `json:"digest"`                // covers the exact resolved versions
	Contract    Contract          `json:"contract"`
	Root        string            `json:"-"`                 // "" is the host's own root
	Layers      []string          `json:"-"`                 // directories laid over Root, the uppermost first
	Venv        string            `json:"-"`                 // the Python virtual environment; empty when there is none
	Modules     string            `json:"-"`                 // a directory of Python files for its functions to import; empty when there is none
	Python      string            `json:"python,omitempty"`  // the interpreter, absolute; empty when the environment has none
	Preload     []string          `json:"preload,omitempty"` // modules that are imported before the first call
	Start       StartMode         `json:"start,omitempty"`   // how instances of Python start; empty is StartFork
	Variables   map[string]string `json:"variables,omitempty"`
	Limits      Limits            `json:"limits"`   // defaults for its functions
	Packages    map[string]string `json:"packages"` // "apt:wsclean" → exact version
	LogPath     string            `json:"-"`        // of the build
}

// StartMode is a way in which instances of Python start.
type StartMode string

// The ways.
const (
	StartFork     StartMode = "fork"     // as forks of a process that has imported the environment's modules
	StartPrestart StartMode = "prestart" // ahead, as processes that have imported them, each for one call
	StartProcess  StartMode = "process"  // when they are needed, as processes that import them
)
