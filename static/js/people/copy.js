/** Buttons that copy what a field holds; where the browser lets no page copy, the text is selected to copy by hand. */

async function copy(field, button) {
  field.select();
  let said = "Copied.";
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    said = "Selected; press Ctrl+C to copy.";
  }
  button.textContent = said;
  document.querySelector("#announce").textContent = said;
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", () => copy(field, button));
}
for (const field of document.querySelectorAll("[data-copied]")) field.addEventListener("focus", () => field.select());
