/** Programs that a test starts: their output is kept, and they end with the test. */
import { spawn } from "node:child_process";
import { PATIENCE_MS } from "./tests.mjs";

const START_MS = 60_000;
const STOP_MS = 3_000;
const KILL_MS = 10_000;
/** How long its output may stay open after its end: what it has started may hold it for ever. */
const LAST_WORDS_MS = 500;
const running = new Set();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/**
 * Starts a program, and waits for a line of its output if told which.
 * @param {string} command @param {string[]} args
 * @param {{ready?: RegExp, cwd?: string, env?: object, input?: boolean}} [options]
 */
export async function start(command, args, { ready, cwd, env, input = false } = {}) {
  const stdio = [input ? "pipe" : "ignore", "pipe", "pipe"];
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
  const program = new Program(command, child);
  if (ready) await program.says(ready, START_MS);
  return program;
}

class Program {
  output = "";
  /** The exit code, or the signal; `null` while it runs. */
  ended = null;
  #child;
  #waiting = new Set();

  constructor(command, child) {
    this.command = command;
    this.#child = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", text => {
        this.output += text;
        this.#look();
      });
    }
    child.on("error", error => this.#over(error.message));
    child.on("exit", (code, signal) => setTimeout(() => this.#over(signal ?? code), LAST_WORDS_MS));
    child.on("close", (code, signal) => this.#over(signal ?? code));
    // Whether it has ended is asked elsewhere.
    child.stdin?.on("error", () => {});
  }

  get pid() {
    return this.#child.pid;
  }

  write(text) {
    this.#child.stdin.write(text);
  }

  /** Waits until the output, from `from` on, matches. */
  says(pattern, ms = PATIENCE_MS, from = 0) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => wait.fail(`did not say ${pattern} within ${ms / 1000} s`), ms);
      const settle = (how, value) => {
        clearTimeout(timer);
        this.#waiting.delete(wait);
        how(value);
      };
      const wait = {
        look: () => {
          const match = this.output.slice(from).match(pattern);
          if (match) settle(resolve, match);
        },
        fail: why => settle(reject, new Error(`${this.command} ${why}\n${this.tail()}`)),
      };
      this.#waiting.add(wait);
      wait.look();
      if (this.ended !== null) wait.fail(`ended with ${this.ended}`);
    });
  }

  tail(lines = 30) {
    return this.output.trimEnd().split("\n").slice(-lines).join("\n");
  }

  signal(name) {
    this.#child.kill(name);
  }

  /** Waits for its end. */
  async end(ms = STOP_MS) {
    if (this.ended === null) await this.says(/(?!)/, ms).catch(() => {});
    return this.ended;
  }

  /** Asks it to end, and makes it end: its ports and files are free then. */
  async stop(signal = "SIGTERM") {
    if (this.ended === null) this.signal(signal);
    if ((await this.end()) !== null) return;
    this.signal("SIGKILL");
    await this.end(KILL_MS);
  }

  #look() {
    for (const wait of [...this.#waiting]) wait.look();
  }

  #over(how) {
    if (this.ended !== null) return;
    this.ended = how;
    running.delete(this.#child);
    for (const wait of [...this.#waiting]) wait.fail(`ended with ${how}`);
  }
}
