// The proxies of the environment, by the rules of the program itself (core/outgoing/src/proxies.rs). Node.js has other rules, and only
// where NODE_USE_ENV_PROXY is set.
"use strict";
const net = require("node:net");
const { unescape } = require("node:querystring");

// Where no proxy ever leads: this machine, and what tells a machine in a cloud who it is.
const ALWAYS_DIRECT =
  "localhost,127.0.0.0/8,::1,169.254.0.0/16,fe80::/10,fd00:ec2::254,fd00:ec2::23,fd20:ce::254,100.100.100.200,168.63.129.16,metadata.google.internal";

// The proxy to go through to an address, both as URLs; undefined where there is none. A proxy that cannot be used is an error.
function proxyTo(url, env = process.env) {
  const [https, http] = ["HTTPS_PROXY", "HTTP_PROXY"].map((name) => proxy(name, set(name, env)));
  const through = url.protocol === "https:" ? https : http;
  return through && !isDirect(hostOf(url), `${ALWAYS_DIRECT},${set("NO_PROXY", env)}`) ? through : undefined;
}

// The header that shows a proxy the name and the password that stand in its URL.
function authorization({ username, password }) {
  if (!username && !password) return {};
  const shown = Buffer.from(`${unescape(username)}:${unescape(password)}`).toString("base64");
  return { "proxy-authorization": `Basic ${shown}` };
}

// A URL's host, without the brackets of an IPv6 address.
function hostOf(url) {
  return url.hostname.replace(/^\[|\]$/g, "");
}

function set(name, env) {
  return env[name]?.trim() || env[name.toLowerCase()]?.trim() || "";
}

// Where it has no scheme, http is meant.
function proxy(name, text) {
  if (!text) return undefined;
  const address = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return url;
  throw new Error(`${name} has to be like http://proxy.example.com:3128, with a name and a password before the host where the proxy wants them`);
}

// `named` has names (with all below them), addresses, networks and `*`, with commas or spaces between.
function isDirect(host, named) {
  const reaches = net.isIP(host) ? hasAddress : hasName;
  return named.split(/[\s,]+/).some((entry) => entry === "*" || (entry !== "" && reaches(withoutPort(entry), host)));
}

// Some write a port, which makes no difference, or brackets.
function withoutPort(entry) {
  const bracketed = /^\[(.*)\]/.exec(entry);
  if (bracketed) return bracketed[1];
  return net.isIP(entry.split("/")[0]) ? entry : entry.replace(/(.):\d{1,5}$/, "$1");
}

function hasAddress(entry, address) {
  const [network, length] = entry.split("/");
  const family = net.isIP(network);
  const most = family === 4 ? 32 : 128;
  const bits = length === undefined ? most : Number(length);
  if (family !== net.isIP(address) || network.includes("%")) return false;
  if (length === "" || !Number.isInteger(bits) || bits < 0 || bits > most) return false;
  const block = new net.BlockList();
  block.addSubnet(network, bits, `ipv${family}`);
  return block.check(address, `ipv${family}`);
}

function hasName(entry, host) {
  const name = entry.toLowerCase().replace(/^\*?\./, "");
  return host === name || host.endsWith(`.${name}`);
}

module.exports = { proxyTo, authorization, hostOf };
