// Quiets a parameter that the other choices make of no account; its value is kept and sent all the same.

function showUse(form) {
  for (const input of form.querySelectorAll("[data-used-when]")) {
    const [name, choice] = input.dataset.usedWhen.split("=");
    const isUsed = form.elements[name].value === choice;
    input.closest(".field").classList.toggle("is-unused", !isUsed);
    input.labels[0].querySelector(".unused").hidden = isUsed;
  }
}

for (const form of document.querySelectorAll("[data-run-form]")) {
  for (const input of form.querySelectorAll("[data-used-when]")) {
    const words = document.createElement("span");
    words.className = "unused";
    words.textContent = "not used";
    input.labels[0].append(" ", words);
  }
  form.addEventListener("change", () => showUse(form));
  form.addEventListener("reset", () => requestAnimationFrame(() => showUse(form))); // its values come back afterwards
  showUse(form);
}
