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
        """Every example runs."""
        sources, _, _ = made(antennas=15, times=10, channels=8)
        image = call("wsclean", ms=sources, size=256, scale=8, niter=200)["image"]
        uvfits = call("exportuvfits", vis=sources, fitsfile="x.uvfits", datacolumn="data")["fitsfile"]
        found = {"demo:synthetic.ms": sources, "demo:m87-jet.fits": image, "demo:m87-eht.uvfits": uvfits}
        for name in FUNCTIONS:
            with self.subTest(name):
                example = request("GET", f"/api/v1/functions/{name}").get("example")
                if example:
                    inputs = {k: found[v["location"]] if isinstance(v, dict) else v for k, v in example.items()}
                    self.assertTrue(call(name, **inputs))


if __name__ == "__main__":
    unittest.main()
