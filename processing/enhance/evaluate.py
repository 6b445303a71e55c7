"""
The figures of the model card: `python -m processing.enhance.evaluate SIMULATION.npy [CONTINUUM.fits ...]`.

Root-mean-square errors on scenes of the part of the simulation that no training saw, for our
network, Richardson-Lucy and the spline; and the granulation contrast of real quiet Sun.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from scipy import ndimage

from processing.enhance import deblur
from processing.enhance.train import HELD_BACK_ROWS, SEED, draw_scenes
from processing.fits import read_patch_frame
from processing.reduce import flatten
from processing.upscale import upscale_nearest

N_SCENES = 24
BORDER = 12  # old pixels left out on each side: there each method invents surroundings
METHODS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "cubic-spline": lambda frame: deblur(frame, method="cubic-spline"),
    "richardson-lucy, 10": lambda frame: deblur(frame, method="richardson-lucy", iterations=10),
    "richardson-lucy, 30": lambda frame: deblur(frame, method="richardson-lucy", iterations=30),
    "network": lambda frame: deblur(frame, method="network"),
}
# Where the sharp scene, smoothed over a second of arc, is as dark or bright as these say.
REGIONS = {"all": (-1.0, 9.0), "umbra": (-1.0, 0.45), "penumbra": (0.45, 0.9), "quiet": (0.9, 1.1), "plage": (1.1, 9.0)}


def held_back_errors(simulation: np.ndarray, *, n_scenes: int = N_SCENES) -> dict[str, dict[str, float]]:
    """Method -> region -> rms error against the scene, in units of the quiet Sun; NaN where there is no pixel."""
    hmi, sharp = draw_scenes(simulation[HELD_BACK_ROWS], n_scenes, SEED + 1)
    inside = slice(2 * BORDER, -2 * BORDER)
    smooth = np.stack([ndimage.uniform_filter(scene, 4)[inside, inside] for scene in sharp])
    masks = {name: (smooth >= low) & (smooth < high) for name, (low, high) in REGIONS.items()}
    errors = {}
    for method, sharpen in METHODS.items():
        answers = np.stack([sharpen(frame) for frame in hmi])
        squares = (answers - sharp)[:, inside, inside] ** 2
        errors[method] = {
            name: float(np.sqrt(squares[mask].mean())) if mask.any() else float("nan") for name, mask in masks.items()
        }
    return errors


def granulation_contrast(paths: Iterable[Path]) -> tuple[float, float, float]:
    """
    Rms contrast of quiet Sun at mu > 0.98 before and after our network, and its mean mu.

    ``paths`` are the segments of one record; pixels within six of |Br| > 150 G or of
    anything dark do not count.
    """
    frame = read_patch_frame(paths)
    flat = flatten(frame.need("continuum"), frame.geometry)
    active = (flat.contrast < 0.85) | ~(flat.mu > 0.98) | (np.abs(frame.need("Br")) > 150)
    quiet = ~ndimage.binary_dilation(active, iterations=6)
    sharp = deblur(flat.contrast, method="network")
    return float(flat.contrast[quiet].std()), float(sharp[upscale_nearest(quiet)].std()), float(flat.mu[quiet].mean())


def main(arguments: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m processing.enhance.evaluate", description=__doc__)
    parser.add_argument("simulation", type=Path, help="the simulation that the network was trained on, .npy")
    parser.add_argument("segments", type=Path, nargs="*", help="continuum and Br of one record near disk centre")
    options = parser.parse_args(arguments)
    errors = held_back_errors(np.load(options.simulation, allow_pickle=False))
    print(f"{'rms error':22}" + "".join(f"{region:>10}" for region in REGIONS))
    for method, by_region in errors.items():
        print(f"{method:22}" + "".join(f"{value:10.4f}" for value in by_region.values()))
    if options.segments:
        before, after, mu = granulation_contrast(options.segments)
        print(
            f"granulation contrast at mu {mu:.3f}: {before:.4f} before, {after:.4f} after, {after / before:.2f} times"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
