// A release over TLS, for the tests of the action's download: `node release.js PROGRAM` prints its port. It is also a proxy that is reached
// over TLS, and whose tunnels lead to itself.
"use strict";
const fs = require("node:fs");
const https = require("node:https");
const net = require("node:net");
const path = require("node:path");

const [key, cert] = ["release.key", "release.pem"].map((file) => fs.readFileSync(path.join(__dirname, file)));
const server = https.createServer({ key, cert }, (request, answer) => {
  const redirect = { "/moved/": "https://assets.example.invalid/file", "/plain/": "http://assets.example.invalid/file", "/round/": request.url };
  const location = Object.entries(redirect).find(([begin]) => request.url.startsWith(begin))?.[1];
  if (location) answer.writeHead(302, { location }).end();
  else answer.end(process.argv[2]);
});
server.on("connect", (_, client) => {
  const upstream = net.connect(server.address().port, "127.0.0.1", () => client.write("HTTP/1.1 200 OK\r\n\r\n"));
  client.pipe(upstream).pipe(client);
  client.on("error", () => upstream.destroy());
  upstream.on("error", () => client.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
