// Fetches a file: directly, or through a proxy. What comes from an https:// address comes through a tunnel that the proxy cannot look into.
"use strict";
const http = require("node:http");
const https = require("node:https");
const net = require("node:net");
const tls = require("node:tls");
const { proxyTo, authorization, hostOf } = require("./proxies");

const PATIENCE = 60; // seconds
const MOST_REDIRECTS = 5;

module.exports = async (address) => {
  const signal = AbortSignal.timeout(PATIENCE * 1000);
  try {
    const chunks = [];
    for await (const chunk of await follow(new URL(address), signal)) chunks.push(chunk);
    return Buffer.concat(chunks);
  } catch (error) {
    // What fails for several addresses of one host has a code and no message.
    throw signal.aborted ? new Error(`it takes longer than ${PATIENCE} s`) : error.message ? error : new Error(error.code);
  }
};

// The answer at the end of the redirects.
async function follow(url, signal) {
  for (let redirects = 0; redirects <= MOST_REDIRECTS; redirects++) {
    const answer = await ask(url, signal);
    if (answer.statusCode === 200) return answer;
    answer.destroy();
    const location = answer.headers.location;
    if (![301, 302, 303, 307, 308].includes(answer.statusCode) || !location) throw new Error(`${url.host} answered ${answer.statusCode}`);
    const next = new URL(location, url);
    if (next.protocol !== "https:" && next.protocol !== url.protocol) throw new Error(`${url.host} leads from https:// to ${next.protocol}//`);
    url = next;
  }
  throw new Error(`more than ${MOST_REDIRECTS} redirects`);
}

async function ask(url, signal) {
  const proxy = proxyTo(url);
  const path = `${url.pathname}${url.search}`;
  const headers = { host: url.host, "user-agent": "entryguard-action" };
  if (!proxy) return send(url, { path, headers, signal });
  if (url.protocol === "http:") {
    return send(proxy, { path: `${url.origin}${path}`, headers: { ...headers, ...authorization(proxy) }, signal });
  }
  const socket = await tunnel(proxy, url, signal);
  return send(url, { path, headers, signal, agent: undefined, createConnection: () => tls.connect({ ...place(url), socket }) });
}

// A connection to the server of a URL, made by the proxy.
function tunnel(proxy, url, signal) {
  return new Promise((resolve, reject) => {
    const to = `${url.hostname}:${url.port || 443}`;
    const request = begin(proxy, { method: "CONNECT", path: to, headers: { host: to, ...authorization(proxy) }, signal });
    request.on("error", reject);
    request.on("connect", (answer, socket) => {
      if (answer.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${answer.statusCode}`));
    });
    request.end();
  });
}

function send(url, options) {
  return new Promise((resolve, reject) => {
    begin(url, options).on("response", resolve).on("error", reject).end();
  });
}

// An agent of its own: with NODE_USE_ENV_PROXY the one of all requests would lead through a proxy once more.
function begin(url, options) {
  return (url.protocol === "https:" ? https : http).request({ agent: false, ...place(url), ...options });
}

// Where a URL's server is, and whose certificate it has to show. The name and the password of a proxy's URL are no part of it.
function place(url) {
  const host = hostOf(url);
  return { host, port: url.port || (url.protocol === "https:" ? 443 : 80), servername: net.isIP(host) ? "" : host };
}
