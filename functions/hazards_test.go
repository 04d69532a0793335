package functions_test

import (
	"bufio"
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"fringe"
)

// The hazards that these tests show gone were seen with the real tools run
// bare: concurrent imagers of one measurement set gave wrong images with exit
// code 0, a writer blocked readers for ever, flaggers changed their input.

func imaging(ms string) object {
	return object{"ms": directory(ms), "size": 256, "scale": 10, "niter": 300, "mgain": 0.8, "threads": 1}
}

func TestEightImagersOfOneMeasurementSet(t *testing.T) {
	ms := observation(t, object{"times": 30, "channels": 8})
	before := sums(t, pathOf(t, ms))
	images := make([]image, 8)
	var wg sync.WaitGroup
	for i := range images {
		wg.Go(func() {
			out, err := try("wsclean", imaging(ms))
			if err != nil {
				t.Errorf("imager %d: %v", i, err)
				return
			}
			images[i] = readFITS(t, pathOf(t, location(t, out, "image")))
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	for i, im := range images {
		if !slices.Equal(im.data, images[0].data) {
			t.Errorf("image %d differs from image 0; one thread gives the same pixels always", i)
		}
	}
	if p := images[0].peak(); math.Abs(p-1) > 0.02 {
		t.Errorf("the peak is %.4f Jy/beam, want that of source A, 1.00 ± 0.02", p)
	}
	if after := sums(t, pathOf(t, ms)); after != before {
		t.Error("the measurement set's bytes changed")
	}
}

func TestAHeldWriteLockDoesNotBlock(t *testing.T) {
	ms := observation(t, object{"times": 5, "channels": 4, "antennas": 10})
	holder := exec.Command("/usr/bin/python3", "-c", `
import sys, casacore.tables as ct
t = ct.table(sys.argv[1], readonly=False, ack=False, lockoptions="permanent")
print("held", flush=True)
sys.stdin.read()`, pathOf(t, ms))
	in, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatalf("no Python with casacore (make setup installs it): %v", err)
	}
	defer func() { in.Close(); holder.Wait() }()
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}
	within(t, 60*time.Second, "wsclean beside a process that holds the lock", func() {
		if _, err := try("wsclean", imaging(ms)); err != nil {
			t.Error(err)
		}
	})
}

func TestFlaggingMakesANewProductAndImagingFollowsIt(t *testing.T) {
	ms := observation(t, object{"times": 60, "channels": 32, "interference": 20})
	before := sums(t, pathOf(t, ms))
	flagged := location(t, call(t, "aoflagger", object{"ms": directory(ms), "strategy": "generic-default"}), "flagged_ms")
	if sums(t, pathOf(t, ms)) != before {
		t.Error("aoflagger changed its input")
	}
	if flagged == ms {
		t.Fatal("the flagged measurement set has the name of the input")
	}
	rms := map[string]float64{}
	for what, did := range map[string]string{"input": ms, "flagged": flagged} {
		rms[what] = readFITS(t, pathOf(t, location(t, call(t, "wsclean", imaging(did)), "image"))).rms()
	}
	if rms["flagged"]*10 > rms["input"] {
		t.Errorf("rms %.2e after flagging against %.2e before, want at least ten times less", rms["flagged"], rms["input"])
	}
}

func TestOneThreadRepeatsToTheBit(t *testing.T) {
	ms := observation(t, object{"times": 20, "channels": 4})
	first := readFITS(t, pathOf(t, location(t, call(t, "wsclean", imaging(ms)), "image")))
	second := readFITS(t, pathOf(t, location(t, call(t, "wsclean", imaging(ms)), "image")))
	if !slices.Equal(first.data, second.data) {
		t.Error("two equal calls with one thread differ")
	}
}

func TestAnEmptySelectionFailsInsteadOfImagingNothing(t *testing.T) {
	ms := observation(t, object{"times": 5, "channels": 4, "antennas": 10})
	in := imaging(ms)
	in["fields"] = []int{7}
	_, err := try("wsclean", in)
	if fringe.KindOf(err) != fringe.Failed {
		t.Fatalf("imaging a field that is not there = %v, want failed", err)
	}
	t.Logf("the user reads: %v", err)
}

func TestThreadsAndMemoryAreTheLimits(t *testing.T) {
	ms := observation(t, object{"times": 5, "channels": 4, "antennas": 10})
	call(t, "wsclean", imaging(ms))
	log := logOf(t, "wsclean")
	for _, not := range []string{"usage not limited", "use all cpu cores"} {
		if strings.Contains(strings.ToLower(log), not) {
			t.Errorf("wsclean's log says %q", not)
		}
	}
}

// WSClean run with its defaults stops at a measurement set with several
// spectral windows; the function takes one as it comes.
func TestSeveralSpectralWindowsNeedNoOption(t *testing.T) {
	observations, err := filepath.Abs("../testdata/observations/mojave.uvfits")
	if err != nil {
		t.Fatal(err)
	}
	ms := location(t, call(t, "import-uvfits", object{"uvfits": object{"class": "File", "location": "file://" + observations}}), "ms")
	im := readFITS(t, pathOf(t, location(t, call(t, "wsclean", object{"ms": directory(ms), "size": 256, "scale": "0.12masec"}), "image")))
	if p := im.peak(); p < 0.5 || p > 3 {
		t.Errorf("the peak is %.2f Jy/beam, want that of M87's core, about 1.4 by briggs and near it by uniform weights", p)
	}
}
