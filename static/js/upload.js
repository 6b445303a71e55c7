// Sends the upload form with a progress bar. Without this script the form works as a plain one.
const form = document.getElementById("upload-form");

function show(done, total, words) {
  const line = document.getElementById("upload-progress");
  line.hidden = false;
  line.querySelector("progress").value = total ? done / total : 0;
  line.querySelector("span").textContent = words;
}

function problem(words) {
  const box = document.getElementById("upload-problem");
  box.textContent = words;
  box.hidden = false;
  document.getElementById("upload-progress").hidden = true;
  form.querySelector("button").disabled = false;
}

/** Put each sentence of an answered page next to its field in this one, where the files stay chosen. */
function showErrors(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const list of form.querySelectorAll(".errorlist")) list.remove();
  for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
  const lists = [...page.querySelectorAll("main .errorlist")];
  const fields = lists.map((list) => document.getElementById(list.id.replace(/_error$/, "")));
  lists.forEach((list, k) => {
    fields[k]?.before(document.importNode(list, true));
    fields[k]?.setAttribute("aria-invalid", "true");
    const said = fields[k]?.getAttribute("aria-describedby") ?? "";
    if (!said.includes(list.id)) fields[k]?.setAttribute("aria-describedby", `${list.id} ${said}`.trim());
  });
  problem(lists.map((list) => list.textContent.trim()).join(" ") || "The upload was refused.");
  (fields.find((field) => field?.matches("input, select")) ?? fields.find(Boolean)?.querySelector("input"))?.focus();
}

/** Ask whether all but the files is well, before gigabytes are sent in vain. */
async function isRefused() {
  if (!("check" in form.dataset)) return false;
  const data = new FormData(form);
  for (const input of form.querySelectorAll("[type=file]")) {
    data.delete(input.name);
    data.append(`${input.name}_bytes`, [...input.files].reduce((size, file) => size + file.size, 0));
  }
  data.append("check", "1");
  const answer = await fetch(form.action, { method: "POST", body: data });
  const isAnswered = answer.status === 200 && !answer.redirected; // not to the page for signing in
  if (isAnswered) showErrors(await answer.text());
  return isAnswered;
}

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  form.querySelector("button").disabled = true;
  document.getElementById("upload-problem").hidden = true;
  if (await isRefused().catch(() => false)) return; // what cannot be asked is said by the upload itself
  const request = new XMLHttpRequest(); // fetch cannot tell how much has been sent
  const began = performance.now();
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    const seconds = (performance.now() - began) / 1000;
    const left = Math.ceil((seconds * (total - loaded)) / Math.max(loaded, 1));
    const sent = `${(loaded / 1e6).toFixed(1)} of ${(total / 1e6).toFixed(1)} MB sent`;
    show(loaded, total, loaded < total ? `${sent}, about ${left} s left` : `${sent}; the server is storing them`);
  });
  request.addEventListener("load", () => {
    if (request.status === 200 && !request.responseURL.endsWith(location.pathname)) {
      location.assign(request.responseURL);
    } else if (request.status === 200) showErrors(request.responseText);
    else if (request.status === 403) problem("You may not upload to this team, or you were signed out meanwhile.");
    else problem(`The server could not take the upload (status ${request.status}). Nothing was stored; try again.`);
  });
  request.addEventListener("error", () => problem("The connection broke. Nothing was stored; try again."));
  request.open("POST", form.action);
  show(0, 1, "starting");
  request.send(new FormData(form));
});
