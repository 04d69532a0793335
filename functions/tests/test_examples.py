"""The example calls that the Python functions publish really run; those of the environment casa run in casa/test_examples.py."""

import json
import subprocess
import unittest

from harness import EHT, FUNCTIONS, PYTHON, REPOSITORY, Case, directory, file, imported, line_cube, made, path_of

ON_A_SITE = {"source-find"}  # its environment has a package from pip; analysis_test.go calls it


class ExampleTest(Case):
    """Each `example`, with the datasets of the scope demo."""

    def datasets(self):
        """The datasets that examples name."""
        image = path_of(self.call("wsclean", ms=directory(made().ms), size=256, scale=8, niter=200)["image"])
        return {"demo:m87-eht.uvfits": file(EHT), "demo:m87-eht.ms": directory(imported(EHT)), "demo:synthetic.ms": directory(made().ms), "demo:m87-jet.fits": file(image),
                "demo:line-cube.fits": line_cube(self.folder / "line-cube.fits")[0]}

    def test_examples(self):
        """Every function with a function.py has an example, and it succeeds."""
        found = self.datasets()
        for path in sorted(FUNCTIONS.glob("*/function.py")):
            if path.parent.name in ON_A_SITE or '"environment": "casa"' in path.read_text():
                continue
            with self.subTest(path.parent.name):
                described = subprocess.run([PYTHON, "-m", "fringe.derive", str(path)], env={"PYTHONPATH": str(REPOSITORY / "python")}, capture_output=True, check=True)
                example = json.loads(described.stdout)["fringe:example"]
                inputs = {key: found[value["location"]] if isinstance(value, dict) else value for key, value in example.items()}
                if path.parent.name == "image-shape":
                    inputs |= {"shape": "ring"}  # the made sky has no jet
                self.assertTrue(self.call(path.parent.name, **inputs))


if __name__ == "__main__":
    unittest.main()
