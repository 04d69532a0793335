"""plotms: it draws what is there."""

import unittest

from PIL import Image
from running import Case, call, made, path


class PlotTest(Case):
    """Pictures of visibilities and of solutions."""

    def test_points(self):
        """Every sample is one point: 45 baselines, 5 times, 4 channels, 2 correlations; selections and averages take from them."""
        ms, _, _ = made(antennas=10, times=5, channels=4)
        for inputs, points in (({}, 1800), ({"spw": "0:1~2"}, 900), ({"antenna": "0&1"}, 40), ({"avgchannel": 4, "xaxis": "frequency", "yaxis": "phase", "coloraxis": "antenna1"}, 450)):
            with self.subTest(inputs):
                out = call("plotms", vis=ms, **{"xaxis": "uvdist"} | inputs)
                self.assertEqual(out["points"], points)
                with Image.open(path(out["plot"])) as picture:
                    self.assertEqual(picture.size, (1080, 720))
                    self.assertGreater(len(picture.convert("RGB").getcolors(1 << 20)), 50)

    def test_solutions(self):
        """A calibration table: 10 antennas, 2 receptors, one solution; what it has not is refused."""
        ms, _, _ = made(antennas=10, times=5, channels=4)
        table = call("gaincal", vis=ms, caltable="g.cal", refant="0")["caltable"]
        self.assertEqual(call("plotms", vis=table, xaxis="antenna1", yaxis="amp")["points"] % 20, 0)
        self.refused(422, "/xaxis", "has no uvdist", "plotms", vis=table, xaxis="uvdist")
        self.refused(422, "/datacolumn", "no column CORRECTED_DATA", "plotms", vis=ms, datacolumn="corrected")


if __name__ == "__main__":
    unittest.main()
