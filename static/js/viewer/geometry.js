/**
 * Where a pixel of a CEA map lies on the Sun and how the observer sees it, in closed form.
 *
 * The same formulas as processing/geometry.py: angles in degrees, lengths in metres, rows and
 * columns from 0 (fractions allowed), row 0 in the south. A geometry is the plain object that the
 * manifest gives with each frame, on the native grid. NaN means beyond the limb or off the sphere.
 */

// R = 696 Mm is RSUN_REF in every SHARP header.
export const RSUN_REF_M = 6.96e8;
export const ARCSEC_PER_RAD = (180 / Math.PI) * 3600;

const radians = (degrees) => degrees * (Math.PI / 180);
const degrees = (angle) => angle * (180 / Math.PI);
const radius = (geometry) => geometry.rsun_ref ?? RSUN_REF_M;

/** The same map on a grid of half the pixel: old pixel i (from 0) is at 2 i + 0.5. */
export function doubled(geometry) {
  return {
    ...geometry,
    crpix1: 2 * (geometry.crpix1 - 0.5) + 0.5,
    crpix2: 2 * (geometry.crpix2 - 0.5) + 0.5,
    cdelt1: geometry.cdelt1 / 2,
    cdelt2: geometry.cdelt2 / 2,
  };
}

/** Area of any pixel on the Sun in Mm2; 0.1328 for 0.03 degrees. */
export function pixelAreaMm2(geometry) {
  const side = (radians(1) * radius(geometry)) / 1e6;
  return Math.abs(geometry.cdelt1 * geometry.cdelt2) * side ** 2;
}

/** Side of a square of the pixel's area, in Mm. */
export function pixelSideMm(geometry) {
  return Math.sqrt(pixelAreaMm2(geometry));
}

/** Carrington longitude (0 to 360) and latitude in degrees. */
export function lonLat(geometry, row, col) {
  const nativeLon = radians((col + 1 - geometry.crpix1) * geometry.cdelt1);
  const sinNative = radians((row + 1 - geometry.crpix2) * geometry.cdelt2);
  const cosNative = Math.sqrt(1 - sinNative ** 2);
  const sinC = Math.sin(radians(geometry.crval2));
  const cosC = Math.cos(radians(geometry.crval2));
  const sinLat = sinNative * cosC + cosNative * Math.cos(nativeLon) * sinC;
  const east = cosNative * Math.sin(nativeLon);
  const outward = cosNative * Math.cos(nativeLon) * cosC - sinNative * sinC;
  const lon = (degrees(Math.atan2(east, outward)) + geometry.crval1) % 360;
  return { lon: lon < 0 ? lon + 360 : lon, lat: degrees(Math.asin(Math.min(1, Math.max(-1, sinLat)))) };
}

/** The row and column at a Carrington longitude and latitude in degrees; NaN on the far side of the Sun. */
export function pixelOf(geometry, lon, lat) {
  const away = radians(lon - geometry.crval1);
  const sinC = Math.sin(radians(geometry.crval2));
  const cosC = Math.cos(radians(geometry.crval2));
  const north = Math.sin(radians(lat));
  const outward = Math.cos(radians(lat)) * Math.cos(away);
  const ahead = north * sinC + outward * cosC; // towards the map's own origin
  if (ahead <= 0) return { row: NaN, col: NaN };
  const nativeLon = Math.atan2(Math.cos(radians(lat)) * Math.sin(away), ahead);
  const sinNative = north * cosC - outward * sinC;
  return {
    row: sinNative / radians(geometry.cdelt2) + geometry.crpix2 - 1,
    col: nativeLon / radians(geometry.cdelt1) + geometry.crpix1 - 1,
  };
}

/** Unit-sphere coordinates: west, north, and towards the observer. */
function towardsObserver(geometry, lon, lat) {
  const away = radians(lon - geometry.crln_obs);
  const phi = radians(lat);
  const sinB = Math.sin(radians(geometry.crlt_obs));
  const cosB = Math.cos(radians(geometry.crlt_obs));
  return {
    west: Math.cos(phi) * Math.sin(away),
    north: Math.sin(phi) * cosB - Math.cos(phi) * Math.cos(away) * sinB,
    near: Math.sin(phi) * sinB + Math.cos(phi) * Math.cos(away) * cosB,
  };
}

function observed(geometry, row, col) {
  const { lon, lat } = lonLat(geometry, row, col);
  return towardsObserver(geometry, lon, lat);
}

/** Cosine of the heliocentric angle, observer at DSUN_OBS; NaN beyond the limb. */
export function mu(geometry, row, col) {
  const { near } = observed(geometry, row, col);
  const r = radius(geometry);
  const d = geometry.dsun_obs;
  const cosine = (d * near - r) / Math.sqrt(d ** 2 + r ** 2 - 2 * d * r * near);
  return cosine > 0 ? cosine : NaN;
}

/** Tx (west) and Ty (north) in arcsec as the observer sees them; NaN beyond the limb. */
export function helioprojective(geometry, row, col) {
  if (Number.isNaN(mu(geometry, row, col))) return { tx: NaN, ty: NaN };
  const unit = observed(geometry, row, col);
  const r = radius(geometry);
  const west = r * unit.west;
  const north = r * unit.north;
  const along = geometry.dsun_obs - r * unit.near;
  const distance = Math.sqrt(west ** 2 + north ** 2 + along ** 2);
  return { tx: Math.atan2(west, along) * ARCSEC_PER_RAD, ty: Math.asin(north / distance) * ARCSEC_PER_RAD };
}
