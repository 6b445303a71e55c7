"""
Scenes to learn from: granulation from a simulation, with pores, spots and plage put into it.

Each scene is drawn on a grid eight times finer than HMI's pixel, then seen twice: by HMI,
and by a telescope of twice its aperture at half its pixel (`processing.enhance.optics`).
"""

from dataclasses import dataclass

import numpy as np
from scipy import fft, ndimage

from processing.enhance import optics

FINE_PER_HMI = 8  # fine pixels along one HMI pixel
FINE_PER_SHARP = FINE_PER_HMI // 2
FINE_ARCSEC = optics.HMI_PIXEL_ARCSEC / FINE_PER_HMI
FINE_MM = FINE_ARCSEC * optics.MM_PER_ARCSEC
SIMULATION_MM = 0.048  # pixel of the quiet-Sun simulation
MARGIN = 8  # HMI pixels lost on each side to the wrap-around of the Fourier transform


@dataclass(frozen=True)
class ScenePair:
    """One scene as HMI sees it (n, n) and as the sharper telescope does (2 n, 2 n); quiet Sun at 1.0, float32."""

    hmi: np.ndarray
    sharp: np.ndarray


def make_pair(simulation: np.ndarray, rng: np.random.Generator, *, size: int) -> ScenePair:
    """
    Draw a scene at random and look at it through both telescopes.

    Parameters
    ----------
    simulation : `~numpy.ndarray`, shape (ny, nx)
        Continuum intensity of the quiet Sun, 48 km a pixel, any scale; mirrored where a scene is larger.
    rng : `~numpy.random.Generator`
        Decides everything.
    size : int
        HMI pixels a side of the pair.
    """
    fine = (size + 2 * MARGIN) * FINE_PER_HMI
    hmi, sharp = look(add_activity(granulation(simulation, fine, rng), rng))
    # photon noise of a 720 s average, about 0.1 % of the quiet Sun (Couvidat et al. 2016, Sol. Phys. 291, 1887)
    noise = np.exp(rng.uniform(np.log(0.0004), np.log(0.002)))
    hmi = hmi + noise * np.sqrt(np.clip(hmi, 0.02, None)) * rng.standard_normal(hmi.shape)
    return ScenePair(hmi.astype(np.float32), sharp.astype(np.float32))


def look(scene: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The scene on fine pixels (n, n) as HMI and the sharper telescope see it, without the margin."""
    along_rows, along_cols = optics.frequencies((scene.shape[0], scene.shape[1]), FINE_ARCSEC)
    frequency = np.hypot(along_rows, along_cols)
    spectrum = fft.rfft2(scene)
    views = []
    for transfer, bin_side in ((optics.hmi_transfer, FINE_PER_HMI), (optics.sharp_transfer, FINE_PER_SHARP)):
        blurred = fft.irfft2(spectrum * transfer(frequency), s=scene.shape)
        cut = MARGIN * FINE_PER_HMI // bin_side
        views.append(_binned(blurred, bin_side)[cut:-cut, cut:-cut])
    return views[0], views[1]


def granulation(simulation: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A (side, side) cut of the simulation, turned, mirrored, rescaled, foreshortened and of another contrast."""
    angle = rng.uniform(0, 2 * np.pi)
    scale = np.exp(rng.uniform(np.log(0.8), np.log(1.35)))
    squeeze = rng.uniform(1.0, 1.35)  # granules away from disk centre
    contrast = rng.uniform(0.5, 1.35)  # 720 s averages are smoother than a snapshot
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    step = FINE_MM / SIMULATION_MM / scale
    matrix = turn @ np.diag([step, step * squeeze * rng.choice([-1, 1])])
    middle = np.array([rng.uniform(0, n - 1) for n in simulation.shape])
    offset = middle - matrix @ np.full(2, (side - 1) / 2)
    cut = ndimage.affine_transform(
        simulation.astype(np.float32), matrix, offset, output_shape=(side, side), order=3, mode="mirror"
    )
    return 1 + contrast * (cut / simulation.mean() - 1)


def add_activity(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pores, spots with penumbrae, bright points and a slow change of level, in random numbers."""
    kind = rng.random()
    if kind < 0.15:
        n_pores, n_spots = 0, 0
    elif kind < 0.55:
        n_pores, n_spots = int(rng.integers(2, 12)), 0
    else:
        n_pores, n_spots = int(rng.integers(0, 6)), int(rng.integers(1, 3))
    if rng.random() < 0.6:
        scene = _bright_points(scene, rng)
    for _ in range(n_spots):
        scene = _spot(scene, rng)
    for _ in range(n_pores):
        scene = _pore(scene, rng)
    level = 1 + rng.uniform(-0.03, 0.03) + rng.uniform(0, 0.02) * _smooth_noise(scene.shape, 200, rng)
    return np.clip(scene * level, 0.01, 2.2)


def _smooth_noise(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """Gaussian noise of unit variance, smooth over ``sigma`` fine pixels."""
    coarse = max(1, int(sigma / 4))
    small = rng.standard_normal([n // coarse + 8 for n in shape])
    small = ndimage.gaussian_filter(small, sigma / coarse, mode="wrap")
    small /= small.std()
    grid = [np.arange(n) / coarse + 3 for n in shape]
    if coarse == 1:
        return small[4 : 4 + shape[0], 4 : 4 + shape[1]]
    return ndimage.map_coordinates(small, np.meshgrid(*grid, indexing="ij"), order=1)


def _depth(scene: np.ndarray, radius: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far inside a wobbly ellipse each pixel lies (1 at its centre, 0 on its border), angle and elliptic radius."""
    side = scene.shape[0]
    row, col = rng.uniform(0.05 * side, 0.95 * side, 2)
    turn, squeeze = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    y, x = np.mgrid[:side, :side].astype(np.float32)
    y, x = y - np.float32(row), x - np.float32(col)
    u = x * np.cos(turn) + y * np.sin(turn)
    v = (y * np.cos(turn) - x * np.sin(turn)) / squeeze
    distance = np.hypot(u, v) / radius
    wobble = rng.uniform(0.05, 0.3) * _smooth_noise(scene.shape, max(4.0, 0.35 * radius), rng)
    return 1 - distance + wobble, np.arctan2(v, u), distance


def _step(depth: np.ndarray, radius: float, width_mm: float) -> np.ndarray:
    """0 outside to 1 inside over ``width_mm``."""
    return 1 / (1 + np.exp(-np.clip(depth * radius * FINE_MM / width_mm * 4, -30, 30)))


def _umbra(scene: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Suppressed convection: a dark floor with remains of granulation, umbral dots and slow variation."""
    floor = level * (1 + 0.15 * _smooth_noise(scene.shape, 25, rng))
    remains = rng.uniform(0.05, 0.3) * level * (scene - 1) / max(float(scene.std()), 1e-3)
    dots = np.zeros_like(scene)
    n_dots = int(rng.integers(0, 80))
    dots[tuple(rng.integers(0, scene.shape[0], (2, n_dots)))] = rng.uniform(0.2, 1.0, n_dots)
    size = rng.uniform(1.2, 3.0)
    dots = ndimage.gaussian_filter(dots, size, mode="wrap") * (2 * np.pi * size**2) * rng.uniform(0.1, 0.4)
    return np.clip(floor + remains + dots, 0.03, None)


def _pore(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    radius_mm = np.exp(rng.uniform(np.log(0.35), np.log(4.0)))
    radius = radius_mm / FINE_MM
    depth, _, _ = _depth(scene, radius, rng)
    lanes = rng.uniform(0, 0.25) * (1 - scene) / max(float(scene.std()), 1e-3) / radius_mm  # borders follow the lanes
    level = rng.uniform(0.12, 0.45) if radius_mm > 1 else rng.uniform(0.2, 0.65)
    inside = _step(depth + 0.3 * lanes, radius, rng.uniform(0.1, 0.5))
    return scene + inside * (_umbra(scene, level, rng) - scene)


def _spot(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Umbra in a penumbra of radial filaments, at times crossed by a light bridge, at times half without penumbra."""
    radius = rng.uniform(3.5, 14.0) / FINE_MM
    depth, angle, distance = _depth(scene, radius, rng)
    filament = _filaments(scene.shape, angle, distance, radius, rng)
    penumbra = rng.uniform(0.65, 0.88) + rng.uniform(0.06, 0.16) * filament + 0.15 * (scene - 1)
    outer = depth + rng.uniform(0.01, 0.06) * filament
    if rng.random() < 0.4:  # a sector where the penumbra has not formed: granulation meets the umbra
        outer = outer - 0.8 * np.clip(np.cos(angle - rng.uniform(0, 2 * np.pi)) - 0.3, 0, None)
    share = rng.uniform(0.35, 0.75)  # umbral radius over penumbral radius
    inner = depth - (1 - share) + rng.uniform(0.01, 0.05) * filament
    umbra = _umbra(scene, rng.uniform(0.05, 0.35), rng)
    umbra = umbra + 0.15 * np.exp(-np.clip(inner, 0, None) * radius * FINE_MM / 1.5)  # brighter towards its border
    if rng.random() < 0.4:
        bridge = np.abs(_smooth_noise(scene.shape, 0.8 * radius, rng))
        width = rng.uniform(0.02, 0.1)
        umbra = umbra + np.exp(-((bridge / width) ** 2)) * (rng.uniform(0.5, 1.0) * scene - umbra)
    spot = penumbra + _step(inner, radius, rng.uniform(0.2, 0.6)) * (umbra - penumbra)
    return scene + _step(outer, radius, rng.uniform(0.1, 0.4)) * (spot - scene)


def _filaments(
    shape: tuple[int, ...], angle: np.ndarray, distance: np.ndarray, radius: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise of unit variance, long along the radius (some 4 Mm) and narrow across it (some 0.3 Mm)."""
    around, along = max(16, int(2 * np.pi * radius * 0.7)), 64
    width, length = rng.uniform(0.12, 0.3) / FINE_MM, rng.uniform(1.0, 4.0) / FINE_MM
    texture = rng.standard_normal((along, around))
    per_row = 3 * radius / along
    texture = ndimage.gaussian_filter(texture, (length / per_row / 2, width / 2), mode="wrap")
    texture /= max(float(texture.std()), 1e-6)
    bend = rng.uniform(0.0, 0.4) * _smooth_noise(shape, 0.3 * radius, rng)
    rows = np.clip(distance / 3 * along, 0, along - 1)
    cols = ((angle + 0.3 * bend) / (2 * np.pi) % 1) * around
    return ndimage.map_coordinates(texture, [rows, cols], order=1, mode="wrap")


def _bright_points(scene: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Plage: small bright points in the dark lanes, gathered in patches."""
    patches = _smooth_noise(scene.shape, rng.uniform(10, 60), rng) > rng.uniform(0.5, 2.0)
    lanes = scene < np.quantile(scene, 0.35)
    where = np.argwhere(patches & lanes)
    if len(where) == 0:
        return scene
    n_points = min(len(where), int(len(where) * np.exp(rng.uniform(np.log(0.001), np.log(0.02)))) + 1)
    chosen = where[rng.choice(len(where), n_points, replace=False)]
    points = np.zeros_like(scene)
    points[tuple(chosen.T)] = rng.uniform(0.3, 1.0, n_points)
    size = rng.uniform(1.2, 2.5)
    return scene + ndimage.gaussian_filter(points, size, mode="wrap") * (2 * np.pi * size**2) * rng.uniform(0.3, 0.9)


def _binned(image: np.ndarray, side: int) -> np.ndarray:
    """Mean of each square of ``side`` pixels: what a detector's pixel collects."""
    return image.reshape(image.shape[0] // side, side, image.shape[1] // side, side).mean(axis=(1, 3))
