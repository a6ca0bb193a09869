"use strict";
// rnnmuse as a command: started as the plugin starts it, by the words that `rnnmuse bridges install` left in engine.txt.

const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { execFile } = require("node:child_process");

const PATIENCE = 120_000; // ms

function engineFile(env = process.env, platform = process.platform) {
  if (env.RNNMUSE_ENGINE) return env.RNNMUSE_ENGINE;
  if (platform === "win32") return path.join(env.LOCALAPPDATA ?? "", "rnnmuse", "engine.txt");
  if (platform === "darwin") return path.join(env.HOME ?? "", "Library", "Application Support", "rnnmuse", "engine.txt");
  return path.join(env.XDG_DATA_HOME || path.join(env.HOME ?? "", ".local", "share"), "rnnmuse", "engine.txt");
}

/** The words before "live": what comes after them is a command of rnnmuse. */
function words(text) {
  const all = text.split(/\r?\n/).map((line) => line.trimEnd()).filter((line) => line && !line.startsWith("#"));
  const live = all.indexOf("live");
  if (live < 1) throw new Error("rnnmuse is not installed: pip install rnnmuse, then rnnmuse bridges install plugin");
  return all.slice(0, live);
}

/** Run one command on a MIDI file; the MIDI file that it writes. An error's message is the command's own line. */
async function run(options, data) {
  let text = "";
  try {
    text = fs.readFileSync(engineFile(), "utf8");
  } catch {} // said below
  const [program, ...before] = words(text);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "rnnmuse-"));
  try {
    const input = path.join(folder, "clip.mid"), output = path.join(folder, "made.mid");
    fs.writeFileSync(input, data);
    const [name, ...rest] = options;
    await new Promise((resolve, reject) => {
      const all = [...before, name, input, ...rest, "--no-provenance", "--out", output];
      execFile(program, all, { timeout: PATIENCE, windowsHide: true, env: { ...process.env, COLUMNS: "400" } }, (error, stdout, stderr) => {
        if (!error) return resolve();
        const said = stderr.split("\n").map((line) => line.replace(/^[│\s]+|[│\s]+$/g, "")).filter((line) => line && !/^[╭╰]/.test(line));
        reject(new Error(error.killed ? "rnnmuse took more than two minutes" : (said.at(-1) ?? error.message)));
      });
    });
    return fs.readFileSync(output);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

module.exports = { engineFile, run, words };
