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

form?.addEventListener("submit", (event) => {
  event.preventDefault();
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
    } else if (request.status === 200) {
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      problem(page.querySelector(".errorlist")?.textContent ?? "The upload was refused.");
    } else if (request.status === 403) problem("You may not upload to this team, or you were signed out meanwhile.");
    else problem(`The server could not take the upload (status ${request.status}). Nothing was stored; try again.`);
  });
  request.addEventListener("error", () => problem("The connection broke. Nothing was stored; try again."));
  request.open("POST", form.action);
  form.querySelector("button").disabled = true;
  document.getElementById("upload-problem").hidden = true;
  show(0, 1, "starting");
  request.send(new FormData(form));
});
