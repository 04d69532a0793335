package site_test

import (
	"errors"
	"strings"
	"testing"

	"fringe"
	"fringe/server/servertest"
)

const image = `baseCommand: [echo]
requirements:
  InlineJavascriptRequirement: {}
  ResourceRequirement: {ramMin: "$(Math.ceil(100 + (typeof inputs.size === 'number' ? inputs.size * inputs.size : inputs.size[0] * inputs.size[1]) * inputs.planes / 1048576))"}
inputs:
  size: {type: [int, {type: array, items: int}]}
  planes: {type: int, default: 1}
outputs: []
`

// A call whose memory the site does not have is refused before it is a job; the
// error has the estimate, the limit, the input and the most that fits.
func TestMemoryThatTheSiteHasNot(t *testing.T) {
	cfg := servertest.Config(t.TempDir())
	cfg.MemoryMiB = 200
	s := servertest.Start(t, cfg)
	s.Tool("image", image)
	for _, c := range []struct {
		inputs                 object
		message, cure, pointer string
	}{
		{object{"size": 20000}, "needs 482 MiB", "size of 10240 fits", "/size"},
		{object{"size": []int{40000, 10000}}, "needs 482 MiB", "size of [20480 5120] fits", "/size"},
		{object{"size": 10240, "planes": 2}, "needs 300 MiB", "size of 7240 fits", "/size"},
		{object{"size": 1, "planes": 1 << 28}, "needs 356 MiB", "planes of 104857600 fits", "/planes"},
	} {
		_, err := s.Try("image", c.inputs)
		var e *fringe.Error
		if !errors.As(err, &e) || e.Kind != fringe.Invalid || e.Pointer != c.pointer || !strings.Contains(e.Message, c.message) || !strings.Contains(e.Message, "at most 200 MiB") ||
			!strings.Contains(e.Cure, c.cure) {
			t.Errorf("Try(%v) = %+v, want %q, %q and %q", c.inputs, e, c.message, c.cure, c.pointer)
		}
	}
	if _, err := s.Try("image", object{"size": 10240}); err != nil {
		t.Errorf("Try() of what just fits = %v", err)
	}
}
