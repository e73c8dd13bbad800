"use strict";
// Enhances pages that work without it: states that change, uploads with progress, a button to copy, and live plots.
// Texts are only ever inserted as text.

(() => {
  const seconds = (count) => new Promise((resolve) => setTimeout(resolve, count * 1000));

  /** Reads JSON. The value is null after a failure, and the status 0 if the console can't be reached. */
  const read = async (url) => {
    try {
      const response = await fetch(url, { headers: { accept: "application/json" } });
      return { status: response.status, value: response.ok ? await response.json() : null };
    } catch {
      return { status: 0, value: null };
    }
  };

  const SIGNED_OUT = "This browser is not signed in any more. Open a new link, then reload the page.";
  /** States that are read at a time, and seconds between two rounds. */
  const POLLED = 4;
  const POLL_PAUSE = 1;
  const MAX_POLL_PAUSE = 30;
  let uploading = false;

  const isVisible = (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < window.innerHeight;
  };

  /** Ends the updates of a state, with a text next to it that says why. */
  const endUpdates = (element, text) => {
    element.removeAttribute("data-poll");
    const note = document.createElement("span");
    note.className = "dim";
    note.setAttribute("role", "status");
    element.after(" ", note);
    note.textContent = text;
  };

  /** Shows the states of contexts until they no longer change by themselves: those in view, a few at a time, in turn. */
  const follow = async (elements) => {
    let waiting = [...elements];
    let pause = POLL_PAUSE;
    while (waiting.length > 0) {
      await seconds(pause);
      if (document.hidden) continue;
      const round = waiting.filter(isVisible).slice(0, POLLED);
      const answers = await Promise.all(round.map((element) => read(element.dataset.poll)));
      let failed = false;
      const again = [];
      for (const [index, element] of round.entries()) {
        const { status, value } = answers[index];
        if (status === 401) {
          for (const other of waiting) endUpdates(other, SIGNED_OUT);
          return;
        }
        if (status === 404) {
          endUpdates(element, "This context does not exist any more.");
          continue;
        }
        if (value === null) {
          failed = true;
          again.push(element);
          continue;
        }
        if (element.textContent !== value.state) element.textContent = value.state;
        if (value.changing) {
          again.push(element);
          continue;
        }
        element.removeAttribute("data-poll");
        // The listed files are those before the clear.
        if (document.querySelector(".upload") && !uploading) location.replace(location.pathname);
      }
      // Those that were read are the last of the next round.
      waiting = [...waiting.filter((element) => !round.includes(element)), ...again];
      pause = failed ? Math.min(pause * 2, MAX_POLL_PAUSE) : POLL_PAUSE;
    }
  };
  follow(document.querySelectorAll("[data-poll]"));

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

  /** Whether the start of a file can be read. Folders and files without permission can't. */
  const isReadable = async (file) => {
    try {
      // A part of the file would be empty, instead of an error, if the file no longer exists.
      const reader = file.stream().getReader();
      await reader.read();
      await reader.cancel();
      return true;
    } catch {
      return false;
    }
  };
  const UNREADABLE = "The file can't be read. Check its permissions and that it still exists, then select it again.";

  /** Adds a line about a file to the list, and returns the function that ends it with a text. */
  const addLine = (list, name) => {
    const item = document.createElement("li");
    const label = document.createElement("span");
    const bar = document.createElement("progress");
    const status = document.createElement("span");
    label.textContent = name;
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Upload of ${name}`);
    status.textContent = "waiting";
    item.append(label, bar, status);
    list.append(item);
    const end = (stored, text) => {
      bar.remove();
      status.textContent = text;
      if (!stored) item.classList.add("failure");
    };
    return { bar, status, end };
  };

  /** Sends one file, and shows its progress. Returns whether it was stored, and a text about it. */
  const send = (section, { file, replace, line }) =>
    new Promise((resolve) => {
      const query = new URLSearchParams({ folder: section.dataset.folder, name: file.name, replace });
      const request = new XMLHttpRequest();
      request.open("POST", `${section.dataset.upload}?${query}`);
      request.setRequestHeader("x-csrf-token", section.dataset.csrf);
      request.setRequestHeader("content-type", "application/octet-stream");
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) line.bar.value = event.loaded / event.total;
      });
      request.addEventListener("load", () => {
        if (request.status === 200) {
          resolve([true, "uploaded"]);
          return;
        }
        let answer = {};
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          answer = { error: request.status === 401 ? SIGNED_OUT : "The upload failed. Reload the page and try again." };
        }
        resolve([false, [answer.error, answer.cause, answer.hint].filter(Boolean).join(". ")]);
      });
      request.addEventListener("error", async () => {
        const readable = await isReadable(file);
        resolve([false, readable ? "The console can't be reached. Check that it runs, then try again." : UNREADABLE]);
      });
      request.send(file);
    });

  /** The dropped files, and the names of the dropped folders. */
  const dropped = (transfer) => {
    const files = [];
    const folders = [];
    for (const item of transfer.items) {
      if (item.kind !== "file") continue;
      const entry = item.webkitGetAsEntry?.();
      const file = item.getAsFile();
      if (entry?.isDirectory) folders.push(entry.name);
      else if (file) files.push(file);
    }
    return { files, folders };
  };

  for (const section of document.querySelectorAll("[data-upload]")) {
    const form = section.querySelector("form");
    const list = section.querySelector(".transfers");
    const input = form.querySelector("input[type=file]");
    const queue = [];
    let complete = true;
    /** Uploads the files after those that are still uploaded. */
    const upload = async ({ files, folders }) => {
      if (files.length + folders.length === 0) return;
      if (!uploading) {
        list.replaceChildren();
        complete = true;
      }
      for (const name of folders) {
        addLine(list, name).end(false, "This is a folder. Upload it with 'agb put -r'.");
        complete = false;
      }
      const replace = form.elements.replace.checked ? "1" : "";
      for (const file of files) queue.push({ file, replace, line: addLine(list, file.name) });
      if (uploading) return;
      uploading = true;
      for (let next = queue.shift(); next; next = queue.shift()) {
        next.line.status.textContent = "uploading";
        const [stored, text] = (await isReadable(next.file)) ? await send(section, next) : [false, UNREADABLE];
        next.line.end(stored, text);
        complete = stored && complete;
      }
      uploading = false;
      if (complete) {
        const target = new URL(location.href);
        target.searchParams.set("done", "uploaded");
        target.hash = "";
        location.replace(target);
      }
    };
    section.querySelector(".drop-hint").hidden = false;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      upload({ files: [...input.files], folders: [] });
    });
    section.addEventListener("dragover", (event) => {
      event.preventDefault();
      section.classList.add("over");
    });
    section.addEventListener("dragleave", () => section.classList.remove("over"));
    section.addEventListener("drop", (event) => {
      event.preventDefault();
      section.classList.remove("over");
      upload(dropped(event.dataTransfer));
    });
  }

  // The browser asks whether to leave the page, which would end the upload.
  window.addEventListener("beforeunload", (event) => {
    if (uploading) event.preventDefault();
  });

  const plots = document.querySelector("[data-metrics]");
  const problem = document.querySelector("[data-metrics-problem]");
  const refresh = async () => {
    for (let round = 1; ; round += 1) {
      await seconds(5);
      if (document.hidden) continue;
      const { status, value: values } = await read(plots.dataset.metrics);
      let text = values?.problem;
      if (values === null) text = "The console can't be reached. Check that it runs.";
      if (status === 401) text = SIGNED_OUT;
      problem.hidden = text === "";
      if (problem.textContent !== text) problem.textContent = text;
      if (status === 401) break;
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
