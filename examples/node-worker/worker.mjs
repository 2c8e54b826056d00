// A worker program in JavaScript, without anything but Node: the whole worker protocol in one small file.
//
// The service starts it (`worker.command: [node, .../worker.mjs]`) with its channel as standard input. Every task here is
// async and gives way where it asks `context.signal`; one that blocks the process is ended by the service with it.

import { existsSync, writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

// -- the tasks: (context, ...arguments); keyword arguments come as one object behind them

async function untilThere(path, signal) {
  while (!existsSync(path)) await sleep(2, undefined, { signal });
}

const tasks = {
  "demo.give": async (_, value = null) => value,
  "demo.fail": async (_, text) => {
    throw new TypeError(text);
  },
  "demo.wait": async ({ signal }, here, go) => {
    writeFileSync(here, "here");
    await untilThere(go, signal);
    return "waited";
  },
  "demo.deaf": async (_, here) => {
    writeFileSync(here, "here");
    for (;;);
  },
  "demo.ask": async ({ control }, command, data) => await control(command, data ?? {}),
  "demo.tell": async ({ progress, signal }, percent, text, data, go) => {
    progress(percent, text, data);
    await untilThere(go, signal);
  },
};

// -- the channel

const number = Number.parseInt(process.env.DISPATCHER_WORKER_ID ?? "", 10);
if (!Number.isInteger(number)) {
  console.error("This is a worker program: name it in worker.command of dispatcher.yml and run `dispatcher serve`.");
  process.exit(2);
}
const channel = new Socket({ fd: 0, readable: true, writable: true });
const running = new Set(); // { uuid, abort }
const questions = new Map();
const EXCUSE = 5000; // within this many milliseconds after a cancel frame its signal comes
let settings = null;
let asked = 0;
let excused = [];
let leaving = false;

const send = (frame) => channel.write(`${JSON.stringify({ worker: number, ...frame })}\n`);

const heard = {
  setup({ worker }) {
    settings = worker;
    const slots = worker.slots ?? 10;
    send({ event: "ready", protocol: 1, pid: process.pid, slots, ahead: 0, tasks: Object.keys(tasks) });
  },
  run({ message, trusted }) {
    perform(message, trusted === true);
  },
  cancel({ uuid }) {
    excused.push(Date.now());
    for (const run of running) if (run.uuid === uuid) run.abort.abort();
  },
  reply({ id, data }) {
    questions.get(id)?.(data);
    questions.delete(id);
  },
  stop() {
    leave();
  },
};

let rest = Buffer.alloc(0);
channel.on("data", (data) => {
  let from = 0;
  const all = rest.length ? Buffer.concat([rest, data]) : data;
  for (let end; (end = all.indexOf(10, from)) >= 0; from = end + 1) {
    const line = all.toString("utf8", from, end);
    if (line.trim()) take(line);
  }
  rest = all.subarray(from);
});
channel.on("end", () => process.exit(0)); // the service is gone, or has given this worker up
channel.on("error", () => process.exit(0));

function take(line) {
  let frame;
  try {
    frame = JSON.parse(line);
  } catch {
    // Python's NaN and Infinity have no meaning here: the task fails, its worker goes on.
    frame = JSON.parse(withoutNaN(line));
    if (frame.message) frame.message.unreadable = "the message holds what strict JSON has not";
  }
  heard[frame.event]?.(frame);
}

// Texts stay as they are; outside of them, what only Python writes becomes null.
const withoutNaN = (line) => line.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (part) => (part[0] === '"' ? part : "null"));

// -- one task

async function perform(message, trusted) {
  const run = { uuid: message.uuid, abort: new AbortController() };
  running.add(run);
  lookAtSignals();
  const done = { event: "done", uuid: run.uuid, outcome: "success", time_started: Date.now() / 1000 };
  try {
    const task = find(message, trusted);
    const { args = [], kwargs } = message;
    const given = [...(Array.isArray(args) ? args : Object.keys(args ?? {})), ...(kwargs ? [kwargs] : [])];
    fill(done, await task(contextOf(run), ...given));
  } catch (error) {
    done.outcome = error.outcome ?? (run.abort.signal.aborted ? "cancelled" : "failure");
    done.error = { type: error.name ?? "Error", message: String(error.message ?? error).slice(0, 4000), trace: [] };
  }
  done.time_finish = Date.now() / 1000;
  running.delete(run);
  lookAtSignals(); // whoever hears of the end may send a signal at once
  send(leaving ? { ...done, is_stopping: true } : done);
  if (leaving && running.size === 0) leave();
}

function fill(done, result) {
  const text = JSON.stringify(result ?? null);
  if (Buffer.byteLength(text) <= 1024 * 1024) done.result = result ?? null;
  else done.note = "the result is longer than 1,048,576 bytes";
}

function find({ task: name, unreadable }, trusted) {
  if (unreadable) throw new SyntaxError(unreadable);
  if (!Object.hasOwn(tasks, name)) throw new ReferenceError(`task '${name}' is not known to this worker program`);
  const { task_policy: policy, task_prefixes: prefixes = [] } = settings;
  const isUnder = prefixes.some((prefix) => name.startsWith(prefix.replace(/\.*$/, ".")));
  const mayRun = policy === "registered" || policy === "any" || (policy === "prefix" && isUnder);
  if (!trusted && !mayRun) {
    const why = `task '${name}' may not run: worker.task_policy is '${policy}'; see worker.task_prefixes`;
    throw Object.assign(new Error(why), { name: "TaskRefused", outcome: "refused" });
  }
  return tasks[name];
}

const contextOf = ({ uuid, abort }) => ({
  uuid,
  signal: abort.signal,
  progress: (percent, text, data) => send({ event: "progress", uuid, percent, text, data }),
  control: (command, data) =>
    new Promise((answer) => {
      asked += 1;
      questions.set(asked, answer);
      send({ event: "control", id: asked, command, control_data: data });
    }),
});

// -- signals: SIGUSR1 asks to look for cancel frames, the others end an idle worker in good order and a busy one at once

process.on("SIGUSR1", () => {
  const meant = [...running];
  // The frame of this signal may stand in the socket still: it is read before this is judged.
  setTimeout(() => {
    excused = excused.filter((time) => Date.now() - time < EXCUSE);
    if (excused.shift() === undefined) for (const run of meant) run.abort.abort();
  }, 10);
});

const leave = () => {
  leaving = true;
  if (running.size > 0) return;
  lookAtSignals();
  channel.removeAllListeners("end");
  channel.write(`${JSON.stringify({ event: "shutdown", worker: number })}\n`, () => process.exit(0));
};

function lookAtSignals() {
  for (const name of ["SIGTERM", "SIGINT"]) {
    process.off(name, leave);
    if (running.size === 0) process.on(name, leave);
  }
}
lookAtSignals();
