"""The generated functions are what the generator writes, and their examples run."""

import json
import os
import pathlib
import subprocess
import unittest

from running import Case, call, made, request

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
FUNCTIONS = sorted(p.parent.name for p in (REPOSITORY / "functions").glob("*/function.py") if "from casatask import" in p.read_text())


class GeneratedTest(Case):
    """All functions of environment casa."""

    def test_up_to_date(self):
        """The committed files are those that the generator writes for the environment's casatasks."""
        done = subprocess.run([os.environ["CASA_PYTHON"], REPOSITORY / "scripts" / "casa_functions.py", "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_examples(self):
        """Every function has an example, and it runs."""
        sources, _, _ = made(antennas=15, times=10, channels=8, line=0.05)
        calibrator, _, _ = made(antennas=15, times=12, channels=4, calibrator=True, gain_errors=0.1)
        image = call("wsclean", ms=sources, size=256, scale=8, niter=200)["image"]
        cube = call("tclean", vis=sources, imagename="cube", specmode="cube", imsize=64, cell="30arcsec", niter=100)
        plane = call("tclean", vis=sources, imagename="plane", imsize=64, cell="30arcsec", niter=100)
        found = {"demo:synthetic.ms": sources, "demo:m87-jet.fits": image, "demo:cube.image": cube["image"], "demo:synthetic.image": plane["image"], "demo:cube.pb": cube["pb"], "demo:calibrator.ms": calibrator,
                 "demo:m87-eht.uvfits": call("exportuvfits", vis=sources, fitsfile="x.uvfits", datacolumn="data")["fitsfile"],
                 "demo:calibrator.gcal": call("gaincal", vis=calibrator, caltable="g.cal", refant="0")["caltable"]}
        for name in FUNCTIONS:
            with self.subTest(name):
                example = request("GET", f"/api/v1/functions/{name}")["example"]
                self.assertTrue(call(name, **{k: found[v["location"]] if isinstance(v, dict) else v for k, v in example.items()}))


if __name__ == "__main__":
    unittest.main()
