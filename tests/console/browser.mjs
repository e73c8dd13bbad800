// Chromium, what it requests, and the checks of accessibility.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(process.env.AGB_NODE_MODULES + "/");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const DESKTOP = { width: 1200, height: 760 };
export const PHONE = { width: 390, height: 844 };

export const launch = (program) =>
  chromium.launch({
    executablePath: program,
    // The sandbox is not available to root, as in most containers. All pages are our own.
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
  });

/** A window that records dialogs, errors of pages and violations of the policy. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, acceptDownloads: true, ...options });
  const problems = [];
  context.on("dialog", (dialog) => {
    problems.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  context.on("weberror", (error) => problems.push(`an error: ${error.error()}`));
  context.on("console", (message) => {
    if (message.type() === "error") problems.push(`${message.text()} (${message.location().url})`);
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  return { context, page, problems };
}

/** Fails for serious and critical findings. Frames are checked as pages of their own. */
export async function checkAccessibility(page, name) {
  await page.evaluate(axe);
  const findings = await page.evaluate(async () => {
    const results = await axe.run(document, { iframes: false, resultTypes: ["violations"] });
    return results.violations.map(({ id, impact, nodes }) => ({ id, impact, html: nodes.map((node) => `${node.html} ${node.failureSummary}`) }));
  });
  const serious = findings.filter(({ impact }) => impact === "serious" || impact === "critical");
  if (serious.length > 0) throw new Error(`${name}: ${JSON.stringify(serious, null, 1)}`);
  return findings.length;
}

/** Fails if the page is wider than the window. */
export async function checkWidth(page, name) {
  const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (excess > 0) throw new Error(`${name}: the page is ${excess} pixels too wide`);
}
