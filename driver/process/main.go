package process

import (
	"os"
)

// Main must be called first thing in main and in TestMain, before anything
// reads the arguments. In a process that the driver started it takes the role
// of init and never returns; in any other it returns at once.
func Main() {
	if len(os.Args) > 0 && os.Args[0] == initName {
		becomeInit()
	}
}
