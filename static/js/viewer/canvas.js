/** What small pictures have in common: a canvas in the screen's own pixels, and words in the place of a picture. */

/** Give the canvas, whose size the style sheet sets, the screen's own pixels; its context in CSS pixels, empty. */
export function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** Say in the middle of the canvas why there is no picture. */
export function drawWords(canvas, words, theme) {
  const { context, width, height } = prepare(canvas);
  context.font = `${0.8125 * theme.rem}px system-ui, sans-serif`;
  context.fillStyle = theme.quiet;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const lines = [""];
  for (const word of words.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width > width - 12 && lines.at(-1)) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  const leading = 1.1 * theme.rem;
  lines.forEach((line, i) => context.fillText(line, width / 2, height / 2 + (i - (lines.length - 1) / 2) * leading));
}
