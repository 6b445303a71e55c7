"""What a simulated patch looks like: pores, granulation and field on the doubled grid, seen through HMI's optics."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import fft, ndimage

# 1 arcsec is about 725 km at the Sun, a doubled CEA pixel (0.015 degrees) 182.2 km.
KM_PER_ARCSEC = 725.0
KM_PER_PIXEL = 182.2
# Full width at half maximum of the Gaussian that stands for HMI's point spread, arcsec.
# With it the granulation of a real frame (HARP 2875) has a flat spectrum before the blur.
PSF_FWHM_ARCSEC = 1.1
PSF_SIGMA = PSF_FWHM_ARCSEC * KM_PER_ARCSEC / KM_PER_PIXEL / np.sqrt(8 * np.log(2))
# A pixel is part of a pore below this contrast.
THRESHOLD = 0.5
# Width of a pore's edge in doubled pixels: tanh goes from -0.76 to 0.76 within two of them.
EDGE_WIDTH = 2.0
# Nothing that is no pore is ever darker than this, so that a pore's outline at THRESHOLD is its own.
DARKEST_BACKDROP = 0.62
# Standard deviation of the granulation before the blur, tuned to 0.0267 after it (measured in HARP 2875).
GRANULATION_RMS = 0.0575
# Mean distance between granules, doubled pixels: 1.3 Mm.
GRANULE_SPACING = 7.2
# Noise of Br and of Bt, Bp in gauss, and its correlation length in native pixels (HARP 2875).
NOISE_RADIAL_G, NOISE_RADIAL_LENGTH = 20.0, 0.7
NOISE_TRANSVERSE_G, NOISE_TRANSVERSE_LENGTH = 53.0, 0.57
PENUMBRA_REACH = 3.0


@dataclass(frozen=True)
class Bundle:
    """
    One bundle of magnetic flux at one moment, seen as a pore.

    ``row``, ``col`` (from 0) and ``area_px`` (within THRESHOLD) are on the doubled grid.
    ``core`` is the contrast of its middle; above about 0.4 the area is smaller than asked.
    ``waves`` are (amplitude, phase) of the Fourier modes 2, 3, ... of its outline.
    ``field_g`` is signed; ``strength`` (0 to 1) scales the field while it emerges or
    fades. ``penumbra`` is how far around it a penumbra goes: 0 none, 1 all around.
    """

    row: float
    col: float
    area_px: float
    core: float
    waves: tuple[tuple[float, float], ...]
    field_g: float
    strength: float = 1.0
    penumbra: float = 0.0

    @property
    def radius(self) -> float:
        """Mean radius of the outline in doubled pixels."""
        return float(np.sqrt(self.area_px / np.pi / (1 + sum(size**2 for size, _ in self.waves) / 2)))

    @property
    def reach(self) -> float:
        """Distance from the middle beyond which it darkens nothing, in doubled pixels."""
        return self.radius * (PENUMBRA_REACH + 0.5 if self.penumbra else 1.5) + 8 * EDGE_WIDTH


@dataclass
class Life:
    """One bundle of flux through all slots; ``born`` to ``dead`` it exists, at arrays of shape (n_frames,)."""

    row: np.ndarray
    col: np.ndarray
    area: np.ndarray
    core: np.ndarray
    strength: np.ndarray
    wave_sizes: np.ndarray
    wave_phases: np.ndarray = field(repr=False)  # (n_frames, n_waves)
    polarity: int = 1
    penumbra: float = 0.0

    def at(self, index: int) -> Bundle | None:
        """The bundle in one slot; None before it emerges and after it has gone."""
        strength = float(self.strength[index])
        if strength < 0.05:
            return None
        field_g = self.polarity * (1900 + 450 * np.tanh(self.area[index] / 250))
        return Bundle(
            row=float(self.row[index]),
            col=float(self.col[index]),
            area_px=float(self.area[index]),
            core=float(self.core[index]),
            waves=tuple(zip(self.wave_sizes.tolist(), self.wave_phases[index].tolist(), strict=True)),
            field_g=float(field_g),
            strength=strength,
            penumbra=self.penumbra,
        )

    @property
    def reach(self) -> np.ndarray:
        """Radius within which it is dark; NaN while it does not exist."""
        radius = np.sqrt(self.area / np.pi) * (PENUMBRA_REACH if self.penumbra else 1.25)
        return np.where(self.strength >= 0.05, radius, np.nan)


def union_scale(distance: np.ndarray, r1: np.ndarray, r2: np.ndarray) -> np.ndarray:
    """Factor on both radii with which two discs cover together the area that they have apart."""
    low, high = np.ones_like(distance), np.full_like(distance, 1.5)
    for _ in range(30):
        middle = (low + high) / 2
        a, b = middle * r1, middle * r2
        d = np.clip(distance, np.abs(a - b) + 1e-9, a + b)
        angle_a = np.arccos(np.clip((d**2 + a**2 - b**2) / (2 * d * a), -1, 1))
        angle_b = np.arccos(np.clip((d**2 + b**2 - a**2) / (2 * d * b), -1, 1))
        lens = a**2 * (angle_a - np.sin(2 * angle_a) / 2) + b**2 * (angle_b - np.sin(2 * angle_b) / 2)
        enough = np.pi * (a**2 + b**2) - lens >= np.pi * (r1**2 + r2**2)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return (low + high) / 2


def _window(bundle: Bundle, shape: tuple[int, int]) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The part of the map within its reach; there distance from, and angle around, the middle."""
    bounds = [
        slice(max(int(at - bundle.reach), 0), min(int(at + bundle.reach) + 2, size))
        for at, size in zip((bundle.row, bundle.col), shape, strict=True)
    ]
    rows, cols = np.mgrid[bounds[0], bounds[1]]
    distance = np.hypot(rows - bundle.row, cols - bundle.col)
    angle = np.arctan2(rows - bundle.row, cols - bundle.col)
    return (bounds[0], bounds[1]), distance, angle


def _outline(bundle: Bundle, angle: np.ndarray) -> np.ndarray:
    """Radius of the outline in each direction."""
    waves = enumerate(bundle.waves, start=2)
    return bundle.radius * (
        1.0 + np.sum([size * np.cos(mode * angle + phase) for mode, (size, phase) in waves], axis=0)
    )


def pore_contrast(bundles: Sequence[Bundle], shape: tuple[int, int]) -> np.ndarray:
    """
    The pores alone, sharp and without noise: what is true of the scene.

    Parameters
    ----------
    bundles : sequence of `Bundle`
    shape : (int, int)
        (ny, nx) of the doubled grid.

    Returns
    -------
    contrast : `~numpy.ndarray` of float32, shape ``shape``
        1 outside pores; below THRESHOLD within their outlines. Where two overlap the
        darker counts, so they are one region as soon as their outlines touch.
    """
    scene = np.ones(shape, np.float32)
    for bundle in bundles:
        where, distance, angle = _window(bundle, shape)
        # Where on the edge's slope the contrast is THRESHOLD; a core too bright for it has no outline.
        level = np.arctanh(2 * max(THRESHOLD - bundle.core, 0.0) / (1 - bundle.core) - 1) if bundle.core < 0.45 else 0.0
        edge = np.tanh((distance - _outline(bundle, angle)) / EDGE_WIDTH + level)
        np.minimum(scene[where], bundle.core + (1 - bundle.core) * (1 + edge) / 2, out=scene[where])
    return scene


def label_scene(scene: np.ndarray, min_area_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the 4-connected regions below THRESHOLD, and area by label (0 for label 0 and small ones)."""
    labels, n_labels = ndimage.label(scene < THRESHOLD)
    areas = np.bincount(labels.ravel(), minlength=n_labels + 1)
    areas[0] = 0
    return labels, np.where(areas >= min_area_px, areas, 0)


def blur_and_bin(image: np.ndarray) -> np.ndarray:
    """What HMI makes of a map on the doubled grid: point spread, then pixels of twice the side."""
    blurred = ndimage.gaussian_filter(image, PSF_SIGMA, mode="nearest")
    ny, nx = blurred.shape
    return blurred.reshape(ny // 2, 2, nx // 2, 2).mean(axis=(1, 3))


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], length: float | tuple[float, float]) -> np.ndarray:
    """Gaussian noise of unit variance, correlated over about ``length`` pixels."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), length, mode="wrap")
    return noise / noise.std()


def granulation(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """
    Relative brightness of granules before the blur: zero mean, GRANULATION_RMS.

    A bright cell at each point of a shaken hexagonal grid, which leaves dark lanes
    between them, plus what is larger than a granule.
    """
    ny, nx = (fft.next_fast_len(size, real=True) for size in shape)
    step_row, step_col = GRANULE_SPACING * np.sqrt(0.75), GRANULE_SPACING
    rows, cols = np.mgrid[0 : int(ny / step_row), 0 : int(nx / step_col)]
    shake = rng.normal(0, 0.24 * GRANULE_SPACING, (2, *rows.shape))
    at_row = np.rint(rows * step_row + shake[0]).astype(int) % ny
    at_col = np.rint((cols + rows % 2 / 2) * step_col + shake[1]).astype(int) % nx
    source = rng.normal(0, 0.07, (ny, nx)).astype(np.float32)
    np.add.at(source, (at_row, at_col), rng.uniform(0.65, 1.35, rows.shape).astype(np.float32))
    k = np.hypot(fft.fftfreq(ny)[:, None], fft.rfftfreq(nx)[None, :]).astype(np.float32)
    response = (1 + 0.4 * np.exp(-((k / 0.06) ** 2))) * np.exp(-((k / 0.19) ** 3))
    cells = fft.irfft2(fft.rfft2(source) * response, (ny, nx))[: shape[0], : shape[1]]
    return (GRANULATION_RMS * (cells - cells.mean()) / cells.std()).astype(np.float32)


class Backdrop:
    """
    What lasts from frame to frame and is no pore: network, plage, dark streaks.

    Every pattern turns slowly from one random field into another, so that any frame can
    be drawn without the ones before it.
    """

    def __init__(self, seed: int, shape: tuple[int, int]) -> None:
        """Draw the patterns for a map of native ``shape``."""
        rng = np.random.default_rng([seed, 2])
        double = (2 * shape[0], 2 * shape[1])
        self.shape = shape
        self._cells = [_smooth_noise(rng, shape, 6.0) + 0.35 * _smooth_noise(rng, shape, 1.8) for _ in range(2)]
        self._clumps = [_smooth_noise(rng, shape, 1.2) for _ in range(2)]
        self._signs = _smooth_noise(rng, shape, 14.0)
        self._streaks = [_smooth_noise(rng, double, (1.8, 4.5)) for _ in range(2)]
        self._patches = [_smooth_noise(rng, double, 2.6) for _ in range(2)]

    @staticmethod
    def _turned(pair: Sequence[np.ndarray], angle: float) -> np.ndarray:
        return np.cos(angle) * pair[0] + np.sin(angle) * pair[1]

    def network_g(self, pores_g: np.ndarray, index: int) -> np.ndarray:
        """Field between the pores on the native grid: plage near them, weak network elsewhere."""
        lanes = np.exp(-((self._turned(self._cells, 0.012 * index) / 0.3) ** 2))
        clumps = np.clip(self._turned(self._clumps, 0.05 * index) + 0.5, 0, None)
        size = float(np.hypot(*self.shape))
        near = [ndimage.gaussian_filter(np.clip(sign * pores_g, 0, None), 0.022 * size) for sign in (1, -1)]
        plage = np.tanh(near[0] / 30) - np.tanh(near[1] / 30)
        quiet = 0.3 * np.sign(self._signs) * np.clip(np.abs(self._signs) - 1.3, 0, None)
        return ndimage.gaussian_filter(lanes * clumps * (720 * plage + 450 * quiet), 0.6)

    def mottle(self, index: int) -> np.ndarray:
        """Dots and faint bridges in dark cores on the doubled grid: 0 to 0.1, too faint to lift one out of a pore."""
        return np.clip(0.06 * self._turned(self._patches, 0.05 * index), 0, 0.1)

    def contrast(self, pores_g: np.ndarray, bundles: Sequence[Bundle], index: int) -> np.ndarray:
        """Dark streaks of rising flux and penumbrae on the doubled grid; never below DARKEST_BACKDROP."""
        size = float(np.hypot(*self.shape))
        region = np.tanh(ndimage.gaussian_filter(np.abs(pores_g), 0.03 * size) / 110)
        region = np.repeat(np.repeat(region, 2, axis=0), 2, axis=1)
        streaks = np.clip(self._turned(self._streaks, 0.06 * index) - 1.25, 0, 1.2)
        patches = np.clip(self._turned(self._patches, 0.05 * index) - 0.7, 0, 1.5)
        dark = region * (0.42 * streaks + 0.06 * patches)
        for bundle in bundles:
            where, distance, angle = _window(bundle, dark.shape)
            outline = _outline(bundle, angle)
            halo = 0.36 * bundle.strength * np.exp(-np.clip(distance - outline, 0, None) / 4.0)
            dark[where] = np.maximum(dark[where], halo * (0.35 + 0.8 * patches[where]))
            if bundle.penumbra:
                dark[where] = np.maximum(dark[where], _penumbra(bundle, distance, angle, outline, index))
        return np.maximum(1 - dark, DARKEST_BACKDROP).astype(np.float32)


def _penumbra(bundle: Bundle, distance: np.ndarray, angle: np.ndarray, outline: np.ndarray, index: int) -> np.ndarray:
    """Darkening by filaments that run outwards, on the side turned to positive columns."""
    ragged = sum(np.cos(mode * angle + 1.7 * mode**2 + 0.015 * mode * index) for mode in (5, 8, 13, 21, 29)) / 5
    outer = bundle.radius * (PENUMBRA_REACH + 0.55 * ragged)
    there = 1 / (1 + np.exp(np.clip((distance - outer) / 0.9, -30, 30)))
    side = 1 / (1 + np.exp(-np.clip((bundle.penumbra * np.pi - np.abs(angle + 0.2)) / 0.15, -30, 30)))
    fall = np.clip((distance - outline) / (outer - outline + 1e-6), 0, 1)
    return bundle.strength * there * side * np.clip(0.33 - 0.12 * fall + 0.16 * ragged, 0, None)


def pore_field_g(bundles: Sequence[Bundle], shape: tuple[int, int]) -> np.ndarray:
    """
    Vertical field of the pores in gauss on the doubled grid, positive outwards.

    A little wider than the dark core; bundles of one sign that overlap do not add up.
    """
    field = {1: np.zeros(shape, np.float32), -1: np.zeros(shape, np.float32)}
    for bundle in bundles:
        where, distance, angle = _window(bundle, shape)
        radius = bundle.radius
        wider = (distance - 1.1 * _outline(bundle, angle)) / (1.6 * EDGE_WIDTH + 0.25 * radius)
        profile = bundle.strength * abs(bundle.field_g) * (1 - np.tanh(wider)) / 2
        if bundle.penumbra:  # its field is flatter there, but still has a vertical part
            fringe = (distance - 0.6 * PENUMBRA_REACH * radius) / (0.35 * radius)
            profile = np.maximum(profile, 0.3 * bundle.strength * abs(bundle.field_g) * (1 - np.tanh(fringe)) / 2)
        part = field[1 if bundle.field_g > 0 else -1][where]
        np.maximum(part, profile, out=part)
    return field[1] - field[-1]


def transverse_field_g(radial_g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    (Bt, Bp) of the potential field over ``radial_g``: away from positive, towards negative pores.

    Bt points south (to smaller rows), Bp west (to larger columns). Where the field is too
    weak to be measured it is taken out, as the noise has no preferred direction there.
    """
    ny, nx = (fft.next_fast_len(size + size // 4, real=True) for size in radial_g.shape)
    k_row, k_col = fft.fftfreq(ny)[:, None], fft.rfftfreq(nx)[None, :]
    k = np.hypot(k_row, k_col)
    k[0, 0] = 1.0
    spectrum = fft.rfft2(radial_g, (ny, nx)) / k
    north, west = (
        fft.irfft2(-1j * along * spectrum, (ny, nx))[: radial_g.shape[0], : radial_g.shape[1]]
        for along in (k_row, k_col)
    )
    strong = ndimage.gaussian_filter(np.hypot(np.hypot(north, west), radial_g), 1.0)
    kept = 1 / (1 + np.exp(-np.clip((strong - 110) / 12, -30, 30)))
    return -north * kept, west * kept


def bitmap_of(radial_g: np.ndarray) -> np.ndarray:
    """1 weak and 2 strong field, plus 32 inside the active region; uint8."""
    strength = ndimage.gaussian_filter(np.abs(radial_g), 0.8)
    inside = ndimage.gaussian_filter(np.abs(radial_g), 7.0) > 55
    return (np.where(strength > 100, 2, 1) + np.where(inside, 32, 0)).astype(np.uint8)


def draw_sun(
    bundles: Sequence[Bundle], backdrop: Backdrop, rng: np.random.Generator, index: int
) -> dict[str, np.ndarray]:
    """
    The maps of one frame on the native grid.

    Parameters
    ----------
    bundles : sequence of `Bundle`
        The pores at this moment.
    backdrop : `Backdrop`
    rng : `~numpy.random.Generator`
        Of this frame alone: granulation does not outlive 12 minutes.
    index : int
        Number of the frame, which the slow patterns depend on.

    Returns
    -------
    maps : dict
        ``continuum`` as contrast (1 is the quiet Sun, no limb darkening), ``Br``,
        ``Bt``, ``Bp`` in gauss, ``bitmap``; no pixel is missing.
    """
    ny, nx = backdrop.shape
    double = (2 * ny, 2 * nx)
    pores_g = blur_and_bin(pore_field_g(bundles, double))
    scene = np.minimum(pore_contrast(bundles, double), backdrop.contrast(pores_g, bundles, index))
    scene += backdrop.mottle(index) * np.clip((0.42 - scene) / 0.1, 0, 1)
    # Convection is held down by strong field: next to none in a core, half of it in a penumbra.
    scene += granulation(rng, double) * np.clip((scene - 0.35) / 0.6, 0.05, 1)
    radial = pores_g + backdrop.network_g(pores_g, index) * (1 - np.clip(np.abs(pores_g) / 600, 0, 1))
    southward, westward = transverse_field_g(radial)
    noise = [
        level * _smooth_noise(rng, backdrop.shape, length)
        for level, length in (
            (NOISE_RADIAL_G, NOISE_RADIAL_LENGTH),
            (NOISE_TRANSVERSE_G, NOISE_TRANSVERSE_LENGTH),
            (NOISE_TRANSVERSE_G, NOISE_TRANSVERSE_LENGTH),
        )
    ]
    radial = radial + noise[0]
    return {
        "continuum": blur_and_bin(scene),
        "Br": radial,
        "Bt": southward + noise[1],
        "Bp": westward + noise[2],
        "bitmap": bitmap_of(radial),
    }
