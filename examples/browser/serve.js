// Serves the example's page, and hands everything else to Countersign, as a reverse proxy in front of both would.
// Usage: node serve.js [PORT] [COUNTERSIGN_URL]
"use strict";
const { createServer, request } = require("node:http");
const { readFileSync } = require("node:fs");
const { join } = require("node:path");

const port = Number(process.argv[2] ?? 8080);
const behind = new URL(process.argv[3] ?? "http://127.0.0.1:8787");
const FILES = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
};
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'";

const server = createServer((asked, answer) => {
  const file = asked.method === "GET" && FILES[asked.url];
  if (file) {
    const [name, media] = file;
    answer.writeHead(200, { "content-type": media, "content-security-policy": POLICY });
    answer.end(readFileSync(join(__dirname, name)));
    return;
  }
  const { method, url: path, headers } = asked;
  const onward = request({ host: behind.hostname, port: behind.port, method, path, headers }, (told) => {
    answer.writeHead(told.statusCode, told.headers);
    told.pipe(answer);
  });
  onward.on("error", () => answer.writeHead(502).end());
  asked.pipe(onward);
});
server.listen(port, "127.0.0.1", () => console.log(`serving http://127.0.0.1:${server.address().port}`));
