package functions_test

import (
	"os/exec"
	"testing"

	"fringe"
)

// TestSourceFind finds all six sources of a made sky in an image by wsclean,
// and none in noise.
func TestSourceFind(t *testing.T) {
	made := call(t, "make-ms", object{})
	image := func(ms string) object {
		out := call(t, "wsclean", object{"ms": directory(ms), "size": 512, "scale": 5, "niter": 1000, "mgain": 0.8, "auto_threshold": 3})
		return object{"class": "File", "location": location(t, out, "image")}
	}
	sky := image(location(t, made, "ms"))
	out := call(t, "source-find", object{"image": sky})
	paths := []string{"tests/check_sources.py"}
	for _, name := range []string{"catalogue", "catalogue_fits"} {
		paths = append(paths, pathOf(t, location(t, out, name)))
	}
	said, err := exec.Command("/usr/bin/python3", append(paths, pathOf(t, location(t, made, "truth")))...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	t.Logf("%s", said)
	faint := []any{object{"name": "faint", "east": 0, "north": 0, "flux": 1e-6}}
	empty := call(t, "source-find", object{"image": image(location(t, call(t, "make-ms", object{"sources": faint}), "ms"))})
	if empty["count"] != 0.0 {
		t.Errorf("%v sources are found in noise, want none", empty["count"])
	}
	if _, err := try("source-find", object{"image": sky, "beam": []float64{1, 2, 3}}); fringe.KindOf(err) != fringe.Invalid {
		t.Errorf("a beam whose minor axis is the larger one gives %v, want invalid", err)
	}
}
