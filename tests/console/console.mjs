// Drives the console in headless Chromium: every feature, hostile names and contents, accessibility, screenshots.
// `cargo xtask console` installs what it needs and runs it.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { DESKTOP, PHONE, checkAccessibility, checkWidth, launch, open } from "./browser.mjs";
import { contentBeacons, contents, names } from "./hostile.mjs";
import { Api, consoleOf, demo, serve, start, stopAll } from "./processes.mjs";

const { AGB_PROGRAM: agb, AGB_CHROMIUM: chromium, AGB_FOLDER: folder, AGB_SCREENSHOTS: screenshots } = process.env;
const KEY = "demo-key";
const browser = await launch(chromium);

const beacons = new Set();
const beacon = await serve((request, response) => {
  beacons.add(request.url.slice(1).split(/[?/]/)[0]);
  response.end();
});

let current = "";
const step = async (name, run) => {
  current = name;
  const started = performance.now();
  await run();
  console.log(`console: ${name} (${((performance.now() - started) / 1000).toFixed(1)} s)`);
};

/** Polls until a value is found. */
const until = async (check, what) => {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`timeout: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

async function run() {
  const { found } = await demo(agb);
  const [endpoint, link] = found;
  const origin = new URL(link).origin;
  const api = new Api(endpoint, KEY);
  const { context, page, problems } = await open(browser);
  const foreign = [];
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(origin) && !url.startsWith("data:") && !url.startsWith("blob:")) foreign.push(url);
  });
  const research = await api.create("research-agent");
  const file = (path, view = "") =>
    `${origin}/contexts/${research}/file?path=${encodeURIComponent(path)}${view && `&view=${view}`}`;

  await step("a link signs in once and leaves no token", async () => {
    await page.goto(link);
    await page.waitForURL(`${origin}/`);
    await page.getByRole("heading", { name: "Contexts" }).waitFor();
    const [cookie] = await context.cookies(origin);
    assert.ok(cookie.httpOnly && cookie.sameSite === "Strict");
    const other = await open(browser);
    await other.page.goto(link);
    await other.page.getByText("This link does not work any more").waitFor();
    await other.context.close();
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.equal(stored, '[{},{},""]');
    assert.ok(!(await page.content()).includes(KEY));
  });

  await step("contexts are searched, created, renamed and deleted", async () => {
    await page.getByLabel("Name or id").fill("BOT");
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByText("1 found, 6 searched").waitFor();
    await page.getByRole("link", { name: "Show all" }).click();
    await page.getByLabel("New context").fill("scratch");
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByText("Context created.").waitFor();
    await page.getByRole("link", { name: "Manage scratch" }).click();
    await page.getByRole("textbox", { name: "Name" }).fill("scratch-2");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByText("Context renamed.").waitFor();
    await page.getByRole("link", { name: "Delete…" }).click();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("link", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete context" }).click();
    await page.getByText("Context deleted.").waitFor();
    assert.equal(await page.getByText("scratch-2").count(), 0);
  });

  await step("folders are browsed by page, by number and by filter", async () => {
    await page.getByRole("link", { name: "research-agent" }).click();
    await page.getByRole("link", { name: "logs/" }).click();
    await page.getByText("1 to 100 of 240 entries").waitFor();
    await page.getByRole("link", { name: "Next" }).click();
    await page.getByText("101 to 200 of 240 entries").waitFor();
    await page.getByLabel("Page", { exact: true }).fill("3");
    await page.getByRole("button", { name: "Go" }).click();
    await page.getByText("201 to 240 of 240 entries").waitFor();
    await page.getByLabel("Filter by name").fill("-23");
    await page.getByRole("button", { name: "Filter" }).click();
    await page.getByText("10 found, 240 of 240 searched").waitFor();
    await page.getByRole("navigation", { name: "Path" }).getByRole("link", { name: "research-agent" }).click();
    await page.getByRole("link", { name: "report.md" }).first().waitFor();
  });

  await step("each type of file has a preview", async () => {
    await page.goto(file("/report.md"));
    const frame = page.frameLocator("iframe");
    await frame.getByRole("heading", { name: "Weekly report" }).waitFor();
    assert.equal(await frame.getByRole("table").count(), 1);
    await page.goto(file("/settings.json"));
    await page.getByText('"temperature": 0.2').waitFor();
    await page.goto(file("/data/results.csv"));
    await page.getByRole("columnheader", { name: "solved" }).waitFor();
    await page.goto(file("/chart.svg"));
    await until(() => page.locator("img").evaluate((image) => image.complete && image.naturalWidth === 480), "the image");
    await page.goto(file("/model/weights.bin"));
    await page.getByText("00000ff0").waitFor();
    await page.getByRole("link", { name: "Next 4 KiB" }).click();
    await page.getByText("00001000").waitFor();
    await page.goto(file("/notes.txt"));
    await page.getByText("Ask for a larger quota.").waitFor();
    await page.getByRole("link", { name: "Hex" }).click();
    await page.getByText("00000000  43 6f 6d").waitFor();
  });

  await step("files are uploaded by the form and by drag and drop, with progress", async () => {
    const local = join(folder, "local.bin");
    writeFileSync(local, Buffer.alloc(5_000_000, 7));
    await page.goto(`${origin}/contexts/${research}?folder=/in`);
    await page.getByLabel("Files", { exact: true }).setInputFiles(local);
    await page.getByRole("button", { name: "Upload" }).click();
    await page.getByText("Upload complete.").waitFor();
    await page.getByText("4.8 MiB").waitFor();
    const drop = (name, text) =>
      page.evaluate(([name, text]) => {
        const data = new DataTransfer();
        data.items.add(new File([text], name));
        const event = (type) => new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector(".upload").dispatchEvent(event("dragover"));
        document.querySelector(".upload").dispatchEvent(event("drop"));
      }, [name, text]);
    await page.evaluate(() => {
      const observer = new MutationObserver(() => {
        if (document.querySelector("progress[aria-label='Upload of dropped.txt']")) sessionStorage.progress = "shown";
      });
      observer.observe(document.querySelector(".transfers"), { childList: true });
    });
    await drop("dropped.txt", "dropped");
    await page.getByRole("link", { name: "dropped.txt" }).first().waitFor();
    assert.ok(await api.exists(research, "/in/dropped.txt"));
    assert.equal(await page.evaluate(() => sessionStorage.progress), "shown");
    problems.length = 0;
    await drop("dropped.txt", "again");
    await page.getByText("A file with this name exists already").waitFor();
    // The status 409 is logged by the browser.
    assert.ok(problems.every((problem) => problem.includes("409")), problems.join("\n"));
    problems.length = 0;
    // Without the notice of the last upload.
    await page.goto(`${origin}/contexts/${research}?folder=/in`);
    await page.getByLabel("Replace existing files").check();
    await drop("dropped.txt", "replaced");
    await page.getByText("Upload complete.").waitFor();
    await page.goto(file("/in/dropped.txt"));
    await page.getByText("replaced").waitFor();
  });

  await step("further files wait, and folders and unreadable files are reported", async () => {
    const window = await open(browser, { storageState: await context.storageState() });
    const tab = window.page;
    await tab.goto(`${origin}/contexts/${research}?folder=/queue`);
    const asks = await tab.evaluate(() => {
      const drop = (...names) => {
        const data = new DataTransfer();
        for (const name of names) data.items.add(new File([name], name));
        const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector(".upload").dispatchEvent(event);
      };
      // A script can't create a folder.
      const entryOf = DataTransferItem.prototype.webkitGetAsEntry;
      DataTransferItem.prototype.webkitGetAsEntry = function () {
        const name = this.getAsFile()?.name;
        return name === "folder" ? { isDirectory: true, name } : entryOf.call(this);
      };
      const asksBeforeLeaving = () => !window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
      const before = asksBeforeLeaving();
      drop("folder", "first.txt");
      drop("second.txt");
      return [before, asksBeforeLeaving()];
    });
    assert.deepEqual(asks, [false, true]);
    await tab.getByText("This is a folder. Upload it with 'agb put -r'.").waitFor();
    for (const name of ["first.txt", "second.txt"]) {
      await tab.locator(".transfers li", { hasText: name }).getByText("uploaded").waitFor();
      assert.ok(await api.exists(research, `/queue/${name}`));
    }
    const lost = join(folder, "lost.txt");
    writeFileSync(lost, "lost");
    await tab.getByLabel("Files", { exact: true }).setInputFiles(lost);
    rmSync(lost);
    await tab.getByRole("button", { name: "Upload" }).click();
    await tab.getByText("The file can't be read.").waitFor();
    await window.context.close();
  });

  await step("states are read a few at a time, less often after failures, and not after the end", async () => {
    const window = await open(browser, { storageState: await context.storageState() });
    const tab = window.page;
    let answer = { status: 502 };
    let reads = 0;
    await tab.clock.install();
    await tab.route(`${origin}/`, async (route) => {
      const response = await route.fetch();
      const text = await response.text();
      await route.fulfill({ response, body: text.replaceAll('<span class="state">', '<span class="state" data-poll="/contexts/x/state">') });
    });
    await tab.route("**/state", (route) => {
      reads += 1;
      return route.fulfill({ contentType: "application/json", body: "{}", ...answer });
    });
    const pass = async (seconds) => {
      for (let second = 0; second < seconds; second += 1) await tab.clock.runFor(1000);
    };
    await tab.goto(origin);
    const rows = await tab.locator("[data-poll]").count();
    assert.ok(rows >= 6, `${rows} rows`);
    await until(async () => (await pass(1), reads > 0), "the first states");
    assert.ok(reads <= 4, `${reads} at a time`);
    await pass(40);
    // After 1, 2, 4, 8, 16 and 30 seconds.
    assert.ok(reads <= 24, `${reads} in 41 seconds`);
    answer = { status: 404 };
    const ended = tab.getByText("This context does not exist any more.");
    await until(async () => (await pass(5), (await ended.count()) === rows), "the end of all states");
    const before = reads;
    await pass(60);
    assert.equal(reads, before);
    answer = { status: 401 };
    await tab.goto(origin);
    const signedOut = tab.getByText("This browser is not signed in any more.");
    await until(async () => (await pass(1), (await signedOut.count()) === rows), "the end of the session");
    await tab.route("**/metrics/values", (route) => route.fulfill({ status: 401, body: "" }));
    await tab.goto(`${origin}/metrics`);
    await until(async () => (await pass(1), await signedOut.isVisible()), "the end of the session in the metrics");
    await window.context.close();
  });

  await step("files are downloaded, renamed, shared and deleted", async () => {
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Download" }).click()]);
    assert.equal(download.suggestedFilename(), "dropped.txt");
    assert.equal(readFileSync(await download.path(), "utf8"), "replaced");
    await page.getByLabel("Name, or path from the root").fill("renamed é.txt");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByText("File renamed.").waitFor();
    assert.ok(!(await api.exists(research, "/in/dropped.txt")));
    await page.getByRole("button", { name: "Share…" }).click();
    await page.getByText(/until \d{4}-\d\d-\d\d/).waitFor();
    const shared = await page.getByLabel("URL").inputValue();
    assert.equal(await (await fetch(shared)).text(), "replaced");
    assert.ok(!page.url().includes("signature"));
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByText("Copied.").waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), shared);
    await page.getByRole("link", { name: "Back to the file" }).click();
    await page.getByRole("link", { name: "Delete…" }).click();
    await page.getByRole("button", { name: "Delete file" }).click();
    await page.getByText("File deleted.").waitFor();
    assert.ok(!(await api.exists(research, "/in/renamed é.txt")));
  });

  await step("a clear shows its state while it runs", async () => {
    const id = await api.create("to-clear");
    await api.upload(id, "/a.txt", "x");
    await page.goto(`${origin}/contexts/${id}/manage`);
    await page.getByRole("link", { name: "Clear…" }).click();
    await page.getByRole("button", { name: "Delete all files" }).click();
    await page.getByText("Clearing the context.").waitFor();
    await page.locator(".state", { hasText: "clearing" }).waitFor();
    // Without a reload by the test.
    await page.locator(".state", { hasText: "available" }).waitFor();
    await page.getByText("This folder has no files").waitFor();
    await api.call("POST", "DeleteContext", { id });
  });

  await step("metrics are plotted and refreshed", async () => {
    await page.goto(`${origin}/metrics`);
    const value = page.locator("[data-value=contexts]");
    await until(async () => (await value.textContent()).startsWith("Last 6,"), "the number of contexts");
    await until(() => page.locator("[data-plot=bytes]").evaluate((image) => image.src.includes("round=") && image.naturalWidth > 0), "a refreshed plot");
  });

  await step("everything works with the keyboard and without script", async () => {
    await page.goto(origin);
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
    await page.keyboard.press("Enter");
    assert.equal(await page.evaluate(() => document.activeElement.id), "main");
    const plain = await browser.newContext({ javaScriptEnabled: false, storageState: await context.storageState() });
    const simple = await plain.newPage();
    await simple.goto(`${origin}/contexts/${research}?folder=/plain`);
    await simple.getByLabel("Files", { exact: true }).setInputFiles([
      { name: "one.txt", mimeType: "text/plain", buffer: Buffer.from("one") },
      { name: "two.txt", mimeType: "text/plain", buffer: Buffer.from("two") },
    ]);
    await simple.getByRole("button", { name: "Upload" }).click();
    await simple.getByText("Upload complete.").waitFor();
    assert.ok(await api.exists(research, "/plain/two.txt"));
    for (const name of ["one.txt", "two.txt"]) {
      await simple.goto(file(`/plain/${name}`));
      await simple.getByRole("link", { name: "Delete…" }).click();
      await simple.getByRole("button", { name: "Delete file" }).click();
    }
    await plain.close();
  });

  const pages = {
    contexts: origin,
    "no match": `${origin}/?q=none`,
    files: `${origin}/contexts/${research}`,
    pages: `${origin}/contexts/${research}?folder=/logs&page=2`,
    manage: `${origin}/contexts/${research}/manage`,
    confirm: `${origin}/contexts/${research}/confirm-delete`,
    markdown: file("/report.md"),
    "markdown frame": `${origin}/contexts/${research}/markdown?path=/report.md`,
    json: file("/settings.json"),
    table: file("/data/results.csv"),
    image: file("/chart.svg"),
    hex: file("/model/weights.bin"),
    metrics: `${origin}/metrics`,
    failure: `${origin}/contexts/none`,
  };
  for (const [mode, options] of Object.entries({
    light: { colorScheme: "light" },
    dark: { colorScheme: "dark" },
    phone: { colorScheme: "light", viewport: PHONE, hasTouch: true, isMobile: true },
  })) {
    await step(`axe has no serious findings: ${mode}`, async () => {
      const window = await open(browser, { storageState: await context.storageState(), bypassCSP: true, ...options });
      for (const [name, url] of Object.entries(pages)) {
        await window.page.goto(url);
        await checkAccessibility(window.page, `${name} (${mode})`);
        await checkWidth(window.page, `${name} (${mode})`);
      }
      await window.context.close();
    });
  }

  if (screenshots) {
    await step("screenshots", async () => {
      mkdirSync(screenshots, { recursive: true });
      const take = async (name, url, options = {}) => {
        const window = await open(browser, { storageState: await context.storageState(), ...options });
        await window.page.goto(url);
        await window.page.waitForLoadState("networkidle");
        await window.page.screenshot({ path: join(screenshots, `console-${name}.png`) });
        await window.context.close();
      };
      await take("contexts", origin);
      await take("files", `${origin}/contexts/${research}`);
      await take("markdown", file("/report.md"));
      await take("metrics", `${origin}/metrics`, { colorScheme: "dark" });
      await take("phone", file("/data/results.csv"), { viewport: PHONE });
    });
  }

  await step("hostile contents run on a plain page", async () => {
    for (const [name, content] of Object.entries(contents(beacon.url))) {
      const type = name.endsWith(".svg") ? "image/svg+xml" : "text/html; charset=utf-8";
      // What a program does that inserts a text without escaping it.
      const body = name.endsWith(".json") ? JSON.parse(content)[Object.keys(JSON.parse(content))[0]] : content;
      const plain = await serve((_, response) => response.writeHead(200, { "content-type": type }).end(body));
      const window = await open(browser);
      await window.page.goto(plain.url);
      await window.context.close();
      plain.close();
    }
    await until(() => contentBeacons.every((name) => beacons.has(name)), `beacons: only ${[...beacons]}`);
    const plain = await serve((_, response) =>
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(names(beacon.url).join("<hr>")));
    const window = await open(browser);
    await window.page.goto(plain.url);
    await until(() => beacons.has("name"), "the beacon of a name");
    await window.context.close();
    beacons.clear();
    foreign.length = 0;
    problems.length = 0;
  });

  await step("hostile contents and names do nothing in the console", async () => {
    const [first, ...others] = names(beacon.url);
    const id = await api.create(first);
    const ids = [id];
    for (const name of others) ids.push(await api.create(name));
    const paths = Object.keys(contents(beacon.url)).map((name) => `/${name}`);
    for (const [name, content] of Object.entries(contents(beacon.url))) await api.upload(id, `/${name}`, content);
    for (const name of names(beacon.url)) {
      const path = `/${name.replaceAll("/", "\u2215").replaceAll("\\", "")}/x.html`;
      await api.upload(id, path, "x");
      paths.push(path);
    }
    paths.push(`/${"ü<".repeat(340)}`);
    await api.upload(id, paths.at(-1), "x");
    const urls = [origin, `${origin}/?q=${encodeURIComponent(first)}`];
    for (const context of ids) {
      for (const part of ["", "/manage", "/confirm-delete"]) urls.push(`${origin}/contexts/${context}${part}`);
    }
    for (const path of paths) {
      const query = `path=${encodeURIComponent(path)}`;
      const parent = path.slice(0, path.lastIndexOf("/"));
      if (parent) urls.push(`${origin}/contexts/${id}?folder=${encodeURIComponent(parent)}`);
      // The parts of previews are pages of their own here.
      for (const part of ["file", "confirm-delete-file", "markdown", "image", "download"]) urls.push(`${origin}/contexts/${id}/${part}?${query}`);
      for (const view of ["text", "hex"]) urls.push(`${origin}/contexts/${id}/file?${query}&view=${view}`);
    }
    // Parameters of the console itself.
    const attack = encodeURIComponent(first);
    for (const url of [`/?q=${attack}&state=${attack}&done=${attack}`, `/contexts/${attack}`, `/login?token=${attack}`, `/contexts/${id}?filter=${attack}`, `/contexts/${id}?folder=/${attack}`]) {
      urls.push(origin + url);
    }
    let saved = 0;
    const visit = async (tab) => {
      for (let url = urls.pop(); url; url = urls.pop()) {
        try {
          // Includes frames and images, and so the attacks that worked above.
          await tab.goto(url, { waitUntil: "load" });
        } catch (error) {
          if (!/Download is starting|ERR_ABORTED/.test(error.message)) throw error;
          saved += 1;
        }
      }
    };
    const tabs = await Promise.all([1, 2, 3].map(() => context.newPage()));
    await Promise.all([page, ...tabs].map(visit));
    await Promise.all(tabs.map((tab) => tab.close()));
    // Downloads, and the images that are opened as pages.
    assert.ok(saved >= paths.length, `${saved} saved`);
    // The recording still works, and requests that were started before have arrived.
    const plain = await serve((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(`<img src="${beacon.url}/end">`));
    const last = await open(browser);
    await last.page.goto(plain.url);
    await until(() => beacons.delete("end"), "the last beacon");
    await last.context.close();
    plain.close();
    assert.deepEqual([...beacons], []);
    assert.deepEqual(foreign, []);
    // Only the responses that refuse invalid requests.
    assert.deepEqual(problems.filter((problem) => !/status of (400|403|404|415)/.test(problem)), []);
  });

  await step("names of 10,000 characters and with control characters are shown", async () => {
    const long = "<b>x</b>".repeat(1250);
    const control = "a\u0000\u0007\u001b[31m\n\u202eb";
    const data = { id: "SdkCtx-1", state: "<i>odd</i>" };
    const fake = await serve((request, response) => {
      const answers = {
        ListContexts: { data: [{ ...data, name: long }, { ...data, id: "SdkCtx-2", name: control }], totalCount: 2 },
        GetContext: { data: { ...data, name: long } },
        DescribeContextFiles: { data: [{ fileName: long, filePath: `/${long}`, fileType: "file", size: 1 }, { fileName: control, filePath: `/${control}`, fileType: "file" }], count: 2 },
      };
      const operation = new URL(request.url, "http://x").pathname.split("/").pop();
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ success: true, code: "ok", ...answers[operation] }));
    });
    const other = await consoleOf(agb, fake.url, KEY);
    const window = await open(browser, { viewport: PHONE });
    await window.page.goto(other.found[0]);
    await window.page.getByText("a\\u{0}\\u{7}\\u{1b}[31m\\n\\u{202e}b").waitFor();
    assert.equal(await window.page.locator("tbody b, tbody i").count(), 0);
    await checkWidth(window.page, "contexts with long names");
    await window.page.getByRole("link", { name: long }).click();
    await window.page.getByText("a\\u{0}\\u{7}\\u{1b}[31m\\n\\u{202e}b").waitFor();
    await checkWidth(window.page, "files with long names");
    assert.deepEqual(window.problems, []);
    await window.context.close();
    await other.stop();
    fake.close();
  });

  await step("a stopped service is explained, and the page recovers", async () => {
    const data = join(folder, "data");
    const service = async (listen) =>
      start(agb, ["serve", "--listen", listen, "--data-dir", data, "--api-key", KEY, "--console"], [/^listening on (\S+)$/, /^console on (\S+)$/]);
    const first = await service("127.0.0.1:0");
    const [url, embedded] = first.found;
    const other = await consoleOf(agb, url, KEY);
    const window = await open(browser);
    await window.page.goto(embedded);
    await window.page.getByText("There are no contexts yet").waitFor();
    await window.page.getByRole("link", { name: "Metrics" }).waitFor();
    await window.page.goto(other.found[0]);
    await window.page.getByText("There are no contexts yet").waitFor();
    assert.equal(await first.stop(), 0);
    await window.page.getByLabel("New context").fill("new");
    await window.page.getByRole("button", { name: "Create" }).click();
    await window.page.getByText("The service can't be reached").waitFor();
    assert.equal(await window.page.getByRole("link", { name: "Try again" }).count(), 0);
    await window.page.getByRole("link", { name: "Back" }).click();
    await window.page.getByText("The service can't be reached").waitFor();
    const again = await service(new URL(url).host);
    await window.page.getByRole("link", { name: "Try again" }).click();
    await window.page.getByText("There are no contexts yet").waitFor();
    await window.context.close();
    assert.equal(await other.stop(), 0);
    await again.stop();
  });
  assert.deepEqual(DESKTOP, page.viewportSize());
}

let failed = false;
try {
  await run();
} catch (error) {
  failed = true;
  console.error(`console: failed: ${current}\n${error.stack ?? error}`);
}
await browser.close();
await stopAll();
beacon.close();
process.exit(failed ? 1 : 0);
