// A server of its own, a browser, and a person who holds an authenticator.
// Knows: how they are started and ended. Must never know: what a page looks like.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const PASSWORD = "correct horse battery staple";
export const BINARY = process.env.COUNTERSIGN_BIN ?? "";
const CHROMIUM = process.env.CHROMIUM ?? "chromium";

/// What is missing for these tests; empty when nothing is.
export function missing() {
  if (BINARY === "") return "COUNTERSIGN_BIN does not name the binary";
  const programs = [CHROMIUM, "zbarimg"];
  const lacks = programs.filter((program) => spawnSync("sh", ["-c", 'command -v "$0"', program]).status !== 0);
  return lacks.length === 0 ? "" : `needs ${lacks.join(" and ")}`;
}

/// Starts a browser. As root Chromium has no sandbox of its own; what it visits here are our own servers.
export async function browser(...more) {
  const { chromium } = await import("playwright-core");
  const executablePath = execFileSync("sh", ["-c", 'command -v "$0"', CHROMIUM], { encoding: "utf8" }).trim();
  return chromium.launch({ executablePath, args: ["--no-sandbox", ...more] });
}

/// A running server with a data folder of its own.
export class Server {
  static async start(...more) {
    const server = new Server();
    server.folder = mkdtempSync(join(tmpdir(), "countersign-web-"));
    server.data = join(server.folder, "data");
    const options = ["serve", "--data", server.data, "--listen", "127.0.0.1:0", "--tls", "off", ...more];
    const environment = { ...process.env, COUNTERSIGN_LOG: "trace" };
    server.process = spawn(BINARY, options, { stdio: ["ignore", "pipe", "pipe"], env: environment });
    server.log = "";
    server.process.stderr.on("data", (text) => { server.log += text; });
    server.ended = new Promise((resolve) => server.process.once("close", resolve));
    const lines = createInterface({ input: server.process.stdout });
    const first = await Promise.race([
      new Promise((resolve) => lines.once("line", resolve)),
      server.ended.then(() => { throw new Error(`the server did not start: ${server.log}`); }),
    ]);
    // Browsers take Secure cookies over plain HTTP from the host of this name.
    server.url = first.split(" ")[1].replace("127.0.0.1", "localhost");
    return server;
  }

  /// Runs an operator's command and reads its JSON.
  operate(...words) {
    const text = execFileSync(BINARY, [...words, "--json", "--data", this.data], { encoding: "utf8" });
    return JSON.parse(text);
  }

  /// Somebody with the password, an authenticator and backup codes.
  person(name) {
    const words = ["user", "add", name, "--password-file", "-", "--totp", "--json", "--data", this.data];
    return JSON.parse(execFileSync(BINARY, words, { encoding: "utf8", input: `${PASSWORD}\n` }));
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    rmSync(this.folder, { recursive: true });
  }
}

/// The example application, in front of a server.
export class Application {
  static async start(server) {
    const application = new Application();
    const file = new URL("../../examples/browser/serve.js", import.meta.url).pathname;
    const behind = server.url.replace("localhost", "127.0.0.1");
    application.process = spawn("node", [file, "0", behind], { stdio: ["ignore", "pipe", "inherit"] });
    application.ended = new Promise((resolve) => application.process.once("close", resolve));
    const lines = createInterface({ input: application.process.stdout });
    const first = await Promise.race([
      new Promise((resolve) => lines.once("line", resolve)),
      application.ended.then(() => { throw new Error("the example application did not start"); }),
    ]);
    application.url = first.split(" ")[1];
    return application;
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
  }
}

/// The code of a Base32 secret, so many steps from now (RFC 6238 with its defaults).
export function totp(secret, steps = 0) {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...secret].map((letter) => alphabet.indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const mac = createHmac("sha1", key).update(counter).digest();
  const binary = mac.readUInt32BE(mac[19] & 15) & 0x7fffffff;
  return String(binary % 1_000_000).padStart(6, "0");
}
