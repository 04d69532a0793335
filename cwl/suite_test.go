package cwl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSuiteParse(t *testing.T) {
	files, _ := filepath.Glob("/tmp/A-suite/tests/*.cwl")
	more, _ := filepath.Glob("/tmp/A-suite/tests/*/*.cwl")
	for _, f := range append(files, more...) {
		b, _ := os.ReadFile(f)
		s := time.Now()
		_, err := Load(f)
		if d := time.Since(s); d > 100*time.Millisecond {
			t.Logf("SLOW %s %v", f, d)
		}
		if err != nil {
			if _, ok := err.(*Unsupported); ok && !strings.Contains(string(b), "class: CommandLineTool") {
				continue
			}
			t.Logf("%v", err)
		}
	}
}
