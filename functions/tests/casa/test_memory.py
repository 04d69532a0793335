"""The memory that tclean and wsclean are given is what they need, and not much more."""

import unittest

from running import Case, call, made, request

# What is asked, and the MiB of the estimate. docs/casa.md has more points, which take longer.
TCLEAN = [
    (dict(imsize=512), 339),
    (dict(imsize=[1024, 768]), 377),
    (dict(imsize=1024, deconvolver="multiscale", scales=[0, 5, 15]), 515),
    (dict(imsize=768, deconvolver="mtmfs"), 450),
    (dict(imsize=256, specmode="cube", nchan=64), 509),
]
WSCLEAN = [(dict(size=512), 4096), (dict(size=1024, memory=512), 512)]


class MemoryTest(Case):
    """Calls of which the peak is measured."""

    def test_tclean(self):
        """No call dies at its limit, and no limit is more than twice what was needed."""
        ms, _, _ = made(antennas=27, times=10, channels=64, line=0.05)
        for asked, estimate in TCLEAN:
            with self.subTest(**asked):
                call("tclean", vis=ms, imagename="x", cell="5arcsec", niter=100, **asked)
                self.near("tclean", estimate)

    def near(self, function: str, estimate: int) -> None:
        """Check the peak of the latest call: it ended well below its limit, which is the estimate."""
        job = request("GET", f"/api/v1/jobs?function={function}&limit=1")["items"][0]
        peak = job["usage"]["peakMemory"] >> 20
        print(f"{function}: estimate {estimate} MiB, peak {peak} MiB")
        self.assertLessEqual(peak, estimate)
        self.assertLess(estimate, 2 * peak)

    def test_wsclean(self):
        """An image within the least memory, and one in less when the caller says so."""
        ms, _, _ = made(antennas=27, times=10, channels=64, line=0.05)
        for asked, limit in WSCLEAN:
            with self.subTest(**asked):
                call("wsclean", ms=ms, scale=5, niter=100, mgain=0.8, **asked)
                job = request("GET", "/api/v1/jobs?function=wsclean&limit=1")["items"][0]
                self.assertLess(job["usage"]["peakMemory"] >> 20, limit)


if __name__ == "__main__":
    unittest.main()
