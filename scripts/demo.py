#!/usr/bin/env python3
"""Image M87 twice from real visibilities, by functions called over HTTP.

Starts a site in a temporary directory (or DEMO_DIR), builds its environments,
publishes functions/, then calls them as any program would: JSON to
/function/NAME, datasets by name. Prints what ran with its times, where the
pictures are, and goes on serving until Ctrl-C; DEMO_EXIT=1 stops at the end,
DEMO_ALL=1 has the functions of CASA and PyBDSF too, which take minutes to install.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FRINGE = ROOT / "bin" / "fringe"
OBSERVATIONS = ROOT / "testdata" / "observations"


class Site:
    """A running site and the calls made to it."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.rows = []
        log = open(directory / "server.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([FRINGE, "serve", "--dir", directory / "site", "--listen", os.environ.get("DEMO_LISTEN", "127.0.0.1:0")],
                                        stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("Fringe "):
            sys.exit(f"the site did not start:\n{(directory / 'server.log').read_text()}")
        self.url = line.split(" at ")[1].strip()
        self.token = (directory / "site" / "operator.token").read_text().strip()

    def cli(self, *args):
        """Run a command of the fringe binary against this site."""
        subprocess.run([FRINGE, *args, "--dir", self.directory / "site"], check=True)

    def request(self, method, path, body=None):
        """One HTTP request; gives the answer and its headers."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, method=method,
                                         headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as failure:
            problem = json.loads(failure.read())
            sys.exit("\n".join([f"{path}: {problem['detail']}"] + [f"  {what}: {problem[key]}" for what, key in
                                                                   (("failed in", "component"), ("to do", "cure")) if problem.get(key)]))

    def call(self, function, show, **inputs):
        """Call a function; show names the outputs to print."""
        print(f"  {function} …", end="", flush=True)
        begin = time.time()
        body, headers = self.request("POST", "/function/" + function, inputs)
        outputs = json.loads(body)
        timing = {k: float(v) for k, v in re.findall(r"(\w+);dur=([\d.]+)", headers["Server-Timing"])}
        self.rows.append((function, timing, ", ".join(f"{k} {value(outputs[k])}" for k in show)))
        print(f" {time.time() - begin:.1f} s")
        return outputs

    def save(self, output, name):
        """Fetch a file output into the demo's directory."""
        path = self.directory / name
        body, _ = self.request("GET", "/api/v1/content/" + output["location"])
        path.write_bytes(body)
        return path

    def table(self):
        """Print what was called."""
        print(f"\n{'function':<15} {'queue':>9} {'start':>9} {'run':>10}  output")
        for function, timing, output in self.rows:
            print(f"{function:<15} {ms(timing['queue']):>9} {ms(timing['start']):>9} {ms(timing['run']):>10}  {output}")


def ms(milliseconds):
    """A time in words."""
    return f"{milliseconds / 1000:.2f} s" if milliseconds >= 1000 else f"{milliseconds:.1f} ms"


def value(output):
    """An output in words."""
    if isinstance(output, dict) and "location" in output:
        return output["location"]
    return f"{output:.4g}" if isinstance(output, float) else str(output)


# From a uniform disc, phases first, then amplitudes; CLEAN within 30 microarcsec.
RING = {"model": "disc", "model_flux": 0.6, "model_diameter": 60e-6, "size": 128, "scale": 2e-6, "mask_radius": 30e-6,
        "iterations": [300, 500, 800, 800, 1000, 1000], "gain": 0.03, "mgain": 0.9, "no_negative": True, "beam_size": 20e-6,
        "phase_interval": 10.0, "amplitude_interval": 120.0, "systematic_error": 0.05, "largest_correction": 1.6,
        "minimum_baselines": 3, "minimum_snr": 3.0}
JET = {"size": 1024, "scale": "0.12masec", "niter": 3000, "mgain": 0.8, "auto_threshold": 2, "auto_mask": 4,
       "multiscale": True, "weight": "briggs", "robust": 0, "name": "m87-jet"}


# CASA is a download of half a gigabyte, and neither picture needs it.
LEFT_OUT = set() if os.environ.get("DEMO_ALL") == "1" else {"astropy", "bdsf", "casa"}


def directories(name):
    """The directories in one of the repository's."""
    return [d for d in sorted((ROOT / name).iterdir()) if any(d.glob("function.*")) or (d / "environment.yaml").exists()]


def environment(function):
    """The environment that a function's document names."""
    text = next(function.glob("function.*")).read_text(encoding="utf-8")
    return re.search(r"""environment"?: *"?([a-z0-9-]+)""", text).group(1)


def ring(site):
    """The Event Horizon Telescope's M87: self-calibration, then the ring."""
    print("M87's ring: Event Horizon Telescope, 11 April 2017, 227 GHz")
    site.cli("data", "add", "eht:m87.uvfits", OBSERVATIONS / "SR1_M87_2017_101_lo_hops_netcal_StokesI.uvfits")
    ms = site.call("import-uvfits", ["rows"], uvfits={"class": "File", "location": "eht:m87.uvfits"}, telescope="EHT")["ms"]
    image = site.call("selfcal", ["flux", "image"], ms=ms, **RING)["image"]
    shape = site.call("image-shape", ["diameter", "picture"], image=image, shape="ring")
    preview = site.call("fits-preview", ["preview"], image=image, title="M87, Event Horizon Telescope, 11 April 2017",
                        colors="afmhot", interpolation="bicubic", field=160e-6)["preview"]
    return site.save(preview, "m87-ring.png"), f"ring diameter {shape['diameter'] * 1e6:.1f} µas at a beam of 20 µas"


def jet(site):
    """The VLBA's M87: straight imaging, then the jet."""
    print("M87's jet: VLBA, 15 June 2006, 8.1 GHz")
    site.cli("data", "add", "mojave:m87.uvfits", OBSERVATIONS / "mojave.uvfits")
    ms = site.call("import-uvfits", ["rows"], uvfits={"class": "File", "location": "mojave:m87.uvfits"})["ms"]
    image = site.call("wsclean", ["image"], ms=ms, **JET)["image"]
    shape = site.call("image-shape", ["peak", "position_angle"], image=image, shape="jet")
    preview = site.call("fits-preview", ["preview"], image=image, title="M87, VLBA, 15 June 2006", stretch="log", minimum=5e-4,
                        field=0.04, centre="peak")["preview"]
    return site.save(preview, "m87-jet.png"), f"jet at position angle {shape['position_angle']:.0f}°, core {shape['peak']:.2f} Jy/beam"


def main():
    """Run the demo."""
    # In their order among the lines of the commands, also when nobody looks at a terminal.
    sys.stdout.reconfigure(line_buffering=True)
    directory = Path(os.environ.get("DEMO_DIR") or tempfile.mkdtemp(prefix="fringe-demo-"))
    directory.mkdir(parents=True, exist_ok=True)
    site = Site(directory)
    try:
        site.cli("env", "build", *(d for d in directories("environments") if d.name not in LEFT_OUT))
        site.cli("publish", *(d for d in directories("functions") if environment(d) not in LEFT_OUT))
        print()
        pictures = [ring(site), jet(site)]
        site.table()
        print()
        for path, text in pictures:
            print(f"{path}  {text}")
        print(f"\nThe site serves at {site.url}  (try: bin/fringe --dir {directory / 'site'} functions)")
        if os.environ.get("DEMO_EXIT") != "1":
            print("Ctrl-C stops it.")
            site.process.wait()
    except KeyboardInterrupt:
        pass
    finally:
        site.process.terminate()
        site.process.wait()


if __name__ == "__main__":
    main()
