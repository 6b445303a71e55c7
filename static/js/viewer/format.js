/** Numbers to words with units. A missing number is "no data", never 0. */

const SUPERSCRIPT = { "-": "\u207b", 0: "\u2070", 1: "\u00b9", 2: "\u00b2", 3: "\u00b3" };
const MINUS = "\u2212";

const superscript = (power) =>
  [...String(power)].map((c) => SUPERSCRIPT[c] ?? String.fromCharCode(0x2070 + Number(c))).join("");
const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with so many decimals and its unit. */
export function amount(value, digits, unit = "", { signed = false, without = "no data" } = {}) {
  if (!isNumber(value)) return without;
  const text = value.toFixed(digits).replace(/^-/, MINUS);
  const sign = signed && value > 0 ? "+" : "";
  return `${sign}${text}${unit && !/^["\u00b0\u2033]/.test(unit) ? " " : ""}${unit}`;
}

/** A number as 2.10 x 10^19 with its unit. */
export function scientific(value, unit, digits = 2) {
  if (!isNumber(value)) return "no data";
  const [mantissa, power] = value.toExponential(digits).split("e");
  return `${mantissa.replace(/^-/, MINUS)} \u00d7 10${superscript(Number(power))} ${unit}`;
}

/** Decimals that show about 2,000 steps between two limits: 0.2 to 1.2 -> 3, -1500 to 1500 -> 0, 0 to 0.018 -> 5. */
export function digitsFor([low, high]) {
  const step = Math.abs(high - low) / 2000;
  return step > 0 ? Math.min(6, Math.max(0, Math.round(-Math.log10(step)))) : 3;
}
