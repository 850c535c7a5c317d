// Finds the program for this platform, starts it, and passes on its exit code and the runner's signals. Nothing else happens here.
"use strict";
const { spawn } = require("node:child_process");
const { createHash, randomUUID } = require("node:crypto");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

const download = require("./download");
const release = require("./release.json");
const platform = `${process.platform}-${process.arch}`;
const suffix = process.platform === "win32" ? ".exe" : "";

async function find() {
  if (process.env.ENTRYGUARD_ACTION_BIN) return process.env.ENTRYGUARD_ACTION_BIN;
  const cache = process.env.RUNNER_TOOL_CACHE || path.join(os.tmpdir(), "entryguard");
  const folder = path.join(cache, "entryguard-action", release.version, process.arch);
  const program = path.join(folder, `entryguard-action${suffix}`);
  const pinned = release.sha256[platform];
  if (!pinned) {
    throw new Error(
      `There is no program for ${platform} in this version (${release.version}). ` +
        "Build one with `cargo build --release -p entryguard-action`, and name it in ENTRYGUARD_ACTION_BIN.",
    );
  }
  // What lies in the cache is checked as well: other steps can write there.
  if (fs.existsSync(program) && sha256(fs.readFileSync(program)) === pinned) return program;
  const url = `${release.url}/v${release.version}/entryguard-action-${platform}${suffix}`;
  const bytes = await download(url).catch((error) => {
    throw new Error(`${url} cannot be fetched (${error.message}). Name a program in ENTRYGUARD_ACTION_BIN instead.`);
  });
  if (sha256(bytes) !== pinned) {
    throw new Error(`The program that was downloaded for ${platform} is not the one of this version; it was not run.`);
  }
  fs.mkdirSync(folder, { recursive: true });
  const fresh = `${program}.${randomUUID()}`;
  fs.writeFileSync(fresh, bytes, { mode: 0o755 });
  fs.renameSync(fresh, program);
  return program;
}

function sha256(bytes) {
  return createHash("sha256").update(bytes).digest("hex");
}

module.exports = async (phase) => {
  let program;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      // On Windows the program gets them itself, from the console; what Node.js calls a signal there would end it at once.
      if (program) process.platform === "win32" || program.kill(signal);
      else if (phase === "main") fail(phase, "The job was cancelled before the program was there, so nothing was opened.");
    });
  }
  try {
    program = spawn(await find(), [phase], { stdio: "inherit" });
    program.on("error", (error) => fail(phase, `The program could not be started: ${error.message}`));
    program.on("exit", (code, signal) => {
      if (phase === "post" && code !== 0) fail(phase, `The program ended with ${code ?? signal}. What is open ends by itself.`);
      process.exit(code ?? 1);
    });
  } catch (error) {
    fail(phase, error.message);
  }
};

// Post never fails the job: the server closes by itself what is left.
function fail(phase, message) {
  console.log(`::${phase === "post" ? "warning" : "error"} title=EntryGuard::${message.replace(/%/g, "%25").replace(/\r?\n/g, "%0A")}`);
  process.exit(phase === "post" ? 0 : 1);
}
