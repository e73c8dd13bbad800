"use strict";
// Enhances pages that work without it: states that change, uploads with progress, a button to copy, and live plots.
// Texts are only ever inserted as text.

(() => {
  const seconds = (count) => new Promise((resolve) => setTimeout(resolve, count * 1000));

  /** Reads JSON. Returns null if the console or its service can't be reached. */
  const read = async (url) => {
    try {
      const response = await fetch(url, { headers: { accept: "application/json" } });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  };

  /** Shows the state of a context until it no longer changes by itself. */
  const follow = async (element) => {
    for (;;) {
      await seconds(1);
      const answer = await read(element.dataset.poll);
      if (answer === null) continue;
      if (element.textContent !== answer.state) element.textContent = answer.state;
      if (!answer.changing) break;
    }
    element.removeAttribute("data-poll");
    // The listed files are those before the clear.
    if (document.querySelector(".upload")) location.replace(location.pathname);
  };
  document.querySelectorAll("[data-poll]").forEach(follow);

  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const status = document.querySelector(".copied");
    button.hidden = false;
    button.addEventListener("click", async () => {
      source.select();
      try {
        await navigator.clipboard.writeText(source.value);
        status.textContent = "Copied.";
      } catch {
        status.textContent = "Press Ctrl+C to copy the selected URL.";
      }
    });
  }

  /** Sends one file, and shows its progress. Returns whether it was stored. */
  const send = (section, list, file, replace) =>
    new Promise((resolve) => {
      const item = document.createElement("li");
      const name = document.createElement("span");
      const bar = document.createElement("progress");
      const status = document.createElement("span");
      name.textContent = file.name;
      bar.max = 1;
      bar.value = 0;
      bar.setAttribute("aria-label", `Upload of ${file.name}`);
      status.textContent = "uploading";
      item.append(name, bar, status);
      list.append(item);
      const end = (stored, text) => {
        bar.remove();
        status.textContent = text;
        if (!stored) item.classList.add("failure");
        resolve(stored);
      };
      const query = new URLSearchParams({ folder: section.dataset.folder, name: file.name, replace });
      const request = new XMLHttpRequest();
      request.open("POST", `${section.dataset.upload}?${query}`);
      request.setRequestHeader("x-csrf-token", section.dataset.csrf);
      request.setRequestHeader("content-type", "application/octet-stream");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) bar.value = event.loaded / event.total;
      });
      request.addEventListener("load", () => {
        if (request.status === 200) {
          end(true, "uploaded");
          return;
        }
        let answer = {};
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          answer = { error: "The upload failed", hint: "Reload the page and try again." };
        }
        end(false, [answer.error, answer.cause, answer.hint].filter(Boolean).join(". "));
      });
      request.addEventListener("error", () => {
        end(false, "The console can't be reached. Check that it runs, then try again.");
      });
      request.send(file);
    });

  for (const section of document.querySelectorAll("[data-upload]")) {
    const form = section.querySelector("form");
    const list = section.querySelector(".transfers");
    const input = form.querySelector("input[type=file]");
    let busy = false;
    const upload = async (files) => {
      if (busy || files.length === 0) return;
      busy = true;
      const replace = form.elements.replace.checked ? "1" : "";
      list.replaceChildren();
      let stored = true;
      for (const file of files) stored = (await send(section, list, file, replace)) && stored;
      busy = false;
      if (stored) {
        const target = new URL(location.href);
        target.searchParams.set("done", "uploaded");
        target.hash = "";
        location.replace(target);
      }
    };
    section.querySelector(".drop-hint").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      upload([...input.files]);
    });
    section.addEventListener("dragover", (event) => {
      event.preventDefault();
      section.classList.add("over");
    });
    section.addEventListener("dragleave", () => section.classList.remove("over"));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      section.classList.remove("over");
      upload([...event.dataTransfer.files]);
    });
  }

  const plots = document.querySelector("[data-metrics]");
  const problem = document.querySelector("[data-metrics-problem]");
  const refresh = async () => {
    for (let round = 1; ; round += 1) {
      await seconds(5);
      if (document.hidden) continue;
      const values = await read(plots.dataset.metrics);
      const text = values === null ? "The console can't be reached. Check that it runs." : values.problem;
      problem.hidden = text === "";
      if (problem.textContent !== text) problem.textContent = text;
      if (values === null) continue;
      for (const element of plots.querySelectorAll("[data-value]")) {
        element.textContent = values[element.dataset.value];
      }
      for (const image of plots.querySelectorAll("[data-plot]")) {
        image.src = `/metrics/plot/${encodeURIComponent(image.dataset.plot)}?round=${round}`;
      }
    }
  };
  if (plots) refresh();
})();
