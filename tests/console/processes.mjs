// Runs `agb` and reads the addresses that it prints.

import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createInterface } from "node:readline";

const TIMEOUT = 30_000;
const running = new Set();

/** Starts `agb` and returns its lines on stdout that match the patterns, in their order. */
export async function start(program, args, patterns, environment = {}) {
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, AGB_NO_DOTENV: "1", ...environment },
  });
  running.add(child);
  const lines = [];
  const found = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`agb ${args[0]} printed only: ${lines.join("; ")}`)), TIMEOUT);
    const remaining = [...patterns];
    const matches = [];
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`agb ${args[0]} exited with ${code}: ${lines.join("; ")}`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      const match = remaining.length > 0 && line.match(remaining[0]);
      if (!match) return;
      remaining.shift();
      matches.push(match[1]);
      if (remaining.length === 0) {
        clearTimeout(timer);
        resolve(matches);
      }
    });
  });
  child.removeAllListeners("exit");
  return { found, lines, stop: () => stop(child) };
}

export const demo = (program) =>
  start(program, ["demo", "--console"], [/^temporary service at (\S+),/, /^console on (\S+)$/]);

export const consoleOf = (program, endpoint, key) =>
  start(program, ["console", "--endpoint", endpoint], [/^console on (\S+)$/], { AGB_API_KEY: key });

function stop(child) {
  running.delete(child);
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code);
    });
    child.kill("SIGTERM");
  });
}

/** Stops everything that still runs. */
export const stopAll = () => Promise.all([...running].map(stop));

/** Serves requests on a free port of another origin. */
export async function serve(respond) {
  const server = createServer(respond);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Creates contexts and files through the API, without the console. */
export class Api {
  constructor(endpoint, key) {
    this.endpoint = endpoint;
    this.headers = { authorization: `Bearer ${key}` };
  }

  async call(method, operation, parameters) {
    const url = `${this.endpoint}/sdk/${operation}?${new URLSearchParams(parameters)}`;
    const answer = await (await fetch(url, { method, headers: this.headers })).json();
    if (!answer.success) throw new Error(`${operation}: ${answer.code} ${answer.message}`);
    return answer.data;
  }

  async create(name) {
    return (await this.call("GET", "GetContext", { name, allowCreate: "true" })).id;
  }

  async upload(contextId, filePath, content) {
    const { url } = await this.call("POST", "GetContextFileUploadUrl", { contextId, filePath });
    const body = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const stored = await fetch(url, { method: "PUT", body });
    if (!stored.ok) throw new Error(`${filePath}: ${stored.status} ${await stored.text()}`);
  }

  async exists(contextId, filePath) {
    const answer = await this.call("POST", "GetContextFileDownloadUrl", { contextId, filePath }).catch(() => null);
    return answer !== null;
  }
}
