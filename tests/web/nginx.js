// nginx in front of a server and of an application, by the configuration of examples/, over TLS.
// Knows: what of the example is this machine's: ports, certificates, where files lie. Must never know: what is asked.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const HOSTS = ["app.example.org", "other.example.org"];
const EXAMPLE = new URL("../../examples/nginx/nginx.conf", import.meta.url).pathname;

/// What is missing for nginx; empty when nothing is.
export function missing() {
  const lacks = ["nginx", "openssl"].filter((program) => spawnSync("sh", ["-c", `command -v ${program}`]).status !== 0);
  return lacks.length === 0 ? "" : `needs ${lacks.join(" and ")}`;
}

/// An application that believes its proxy, and says whom it was told of.
export async function application() {
  const server = createServer((request, response) => {
    const { "remote-user": user = "nobody", "remote-acr": acr = "nothing" } = request.headers;
    response.setHeader("content-type", "text/html");
    response.end(`<!doctype html><title>Application</title><h1>${user} by ${acr}</h1><p id="at">${request.url}</p>`);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, stop: () => new Promise((resolve) => server.close(resolve)) };
}

/// Replaces texts, each of which must be there.
function replaced(text, changes) {
  return changes.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the example no longer has ${from}`);
    return changed.replaceAll(from, to);
  }, text);
}

async function freePort() {
  const { port, stop } = await application();
  await stop();
  return port;
}

function certificate(folder) {
  const names = ["id.example.org", ...HOSTS].map((name) => `DNS:${name}`).join(",");
  execFileSync("openssl", [
    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
    "-subj", "/CN=id.example.org", "-addext", `subjectAltName=${names}`,
    "-keyout", join(folder, "key.pem"), "-out", join(folder, "fullchain.pem"),
  ], { stdio: "ignore" });
}

/// A running nginx; `port` is where all its hosts are.
export class Nginx {
  static async start(guard, behind) {
    const nginx = new Nginx();
    nginx.folder = mkdtempSync(join(tmpdir(), "countersign-nginx-"));
    nginx.port = await freePort();
    certificate(nginx.folder);
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    const paths = temporary.map((kind) => `${kind}_temp_path ${nginx.folder}/${kind};`).join("\n");
    const text = replaced(readFileSync(EXAMPLE, "utf8"), [
      ["user www-data;", ""],
      ["worker_processes auto;", "worker_processes 1;"],
      ["/run/nginx.pid", `${nginx.folder}/pid`],
      ["listen 443 ssl", `listen 127.0.0.1:${nginx.port} ssl`],
      ["/etc/nginx/tls/", `${nginx.folder}/`],
      ["server 127.0.0.1:8080;", `server 127.0.0.1:${guard};`],
      ["server 127.0.0.1:3000;", `server 127.0.0.1:${behind};`],
      ["server_name app.example.org;", `server_name ${HOSTS.join(" ")};`],
      ["http {\n", `http {\naccess_log off;\n${paths}\n`],
    ]);
    const file = join(nginx.folder, "nginx.conf");
    writeFileSync(file, text);
    const words = ["-p", nginx.folder, "-c", file, "-e", "stderr", "-g", "daemon off;"];
    nginx.process = spawn("nginx", words, { stdio: ["ignore", "ignore", "pipe"] });
    nginx.log = "";
    nginx.process.stderr.on("data", (text) => { nginx.log += text; });
    nginx.ended = new Promise((resolve) => nginx.process.once("close", resolve));
    await Promise.race([
      nginx.#listens(),
      nginx.ended.then(() => { throw new Error(`nginx did not start: ${nginx.log}`); }),
    ]);
    return nginx;
  }

  async #listens() {
    const reached = () => new Promise((resolve) => {
      const socket = connect(this.port, "127.0.0.1", () => { socket.destroy(); resolve(true); });
      socket.once("error", () => resolve(false));
    });
    while (!await reached()) await new Promise(setImmediate);
  }

  async stop() {
    this.process.kill("SIGTERM");
    await this.ended;
    rmSync(this.folder, { recursive: true });
  }
}
