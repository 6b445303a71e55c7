/** The crosshair that the keyboard moves in place of a mouse. */

/** Put the crosshair on the pixel in the middle of the window, or take it away. */
export function toggleCross(viewer) {
  const { u, v } = viewer.stage.centre;
  viewer.cross = viewer.cross ? null : { u: Math.floor(u) + 0.5, v: Math.floor(v) + 0.5 };
  tell(viewer);
}

/** Move it by whole native pixels, dx to the west and dy to the north; the view follows. */
export function moveCross(viewer, dx, dy) {
  if (!viewer.cross) {
    toggleCross(viewer);
    return;
  }
  const [ny, nx] = viewer.frame.shape;
  const inside = (value, most) => Math.min(most - 0.5, Math.max(0.5, value));
  viewer.cross = { u: inside(viewer.cross.u + dx, nx), v: inside(viewer.cross.v + dy, ny) };
  viewer.stage.reveal(viewer.cross.u, viewer.cross.v);
  tell(viewer);
}

function tell(viewer) {
  viewer.pointAt(viewer.cross);
  viewer.stage.requestDraw();
  if (viewer.cross) viewer.announce(viewer.panels.lineWords);
}
