// A baresip without a terminal: a configuration of its own, commands and events over TCP, and a recording of what
// it hears.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { PATIENCE_MS } from './tests.mjs';

const PATIENCE_S = PATIENCE_MS / 1000;
const STOP_MS = 10_000;
const MODULES = ['/usr/lib/baresip/modules', '/usr/lib/x86_64-linux-gnu/baresip/modules', '/usr/lib/aarch64-linux-gnu/baresip/modules'];

export class Baresip {
  /**
   * @param {object} options `directory`, `port` (SIP; the one after it is taken too), `control` (a TCP port),
   *   `account` (as baresip's `accounts` file has it), `wav` (8000 Hz mono, played as the microphone),
   *   `modules` (`g711` and more), `contacts` (as its file of them; the first is written to), `rtp` (a range of ports),
   *   `console` (a TCP port, where it prints the messages that come in)
   */
  constructor({ directory, port, control, account, wav, modules = ['g711'], contacts = '', rtp, console, address = '127.0.0.1', config = [] }) {
    this.directory = fs.mkdtempSync(path.join(directory, 'baresip-'));
    this.control = control;
    this.console = console;
    this.printed = '';
    this.address = address;
    this.events = [];
    this.replies = [];
    this.waiters = new Set();
    const folder = MODULES.find((m) => fs.existsSync(m));
    if (!folder) throw new Error('baresip has no modules here');
    const lines = [
      `module_path ${folder}`,
      `sip_listen ${address}:${port}`,
      `snd_path ${this.directory}`,
      `ctrl_tcp_listen ${address}:${control}`,
      `net_interface ${address}`,
      `audio_source aufile,${wav}`,
      'audio_player aubridge,sink',
      'audio_alert nil,nil',
      `rtp_ports ${rtp}`,
      'audio_level no',
      'call_local_timeout 60',
      'call_max_calls 4',
      'jitter_buffer_delay 2-10',
      ...['ausrc', 'auplay', 'auenc', 'audec'].map((end) => `${end}_format s16`),
      ...config,
      ...(console ? [`cons_listen ${address}:${console}`] : []),
      ...['aufile', 'aubridge', 'sndfile', ...modules].map((m) => `module ${m}.so`),
      ...['uuid', 'account'].map((m) => `module_tmp ${m}.so`),
      ...['menu', 'ctrl_tcp', 'debug_cmd', 'contact', ...(console ? ['cons'] : [])].map((m) => `module_app ${m}.so`),
    ];
    fs.writeFileSync(path.join(this.directory, 'config'), lines.join('\n') + '\n');
    fs.writeFileSync(path.join(this.directory, 'accounts'), account + '\n');
    fs.writeFileSync(path.join(this.directory, 'contacts'), contacts ? contacts + '\n' : '');
  }

  async start() {
    const log = fs.openSync(path.join(this.directory, 'log'), 'w');
    this.process = spawn('baresip', ['-4', '-f', this.directory], { cwd: this.directory, stdio: ['ignore', log, log] });
    const kill = () => this.process.kill('SIGKILL');
    process.on('exit', kill);
    this.process.on('exit', () => process.off('exit', kill));
    for (let i = 0; i < 10 * PATIENCE_S && !this.socket; i++) {
      await new Promise((ok) => setTimeout(ok, 100));
      this.socket = await new Promise((ok) => {
        const socket = net.connect(this.control, this.address, () => ok(socket));
        socket.on('error', () => ok(undefined));
      });
    }
    if (!this.socket) throw new Error(`baresip gives no control port: ${this.log().slice(-500)}`);
    this.socket.on('error', () => {});
    let held = Buffer.alloc(0);
    this.socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      for (;;) {
        const colon = held.indexOf(':');
        const length = parseInt(held.subarray(0, colon).toString(), 10);
        if (colon < 0 || held.length < colon + length + 2) break;
        this.take(JSON.parse(held.subarray(colon + 1, colon + 1 + length).toString()));
        held = held.subarray(colon + length + 2);
      }
    });
    if (this.console) await this.listenToConsole();
    return this;
  }

  /** Its port is opened after the one for control. What is printed while nobody listens is lost. */
  async listenToConsole() {
    for (let i = 0; i < 10 * PATIENCE_S && !this.hasEnded; i++) {
      const printer = net.connect(this.console, this.address);
      printer.on('data', (data) => (this.printed += data));
      this.socket.on('close', () => printer.destroy());
      const isOpen = await new Promise((ok) => printer.on('connect', () => ok(true)).on('error', () => ok(false)));
      if (isOpen) return;
      await new Promise((ok) => setTimeout(ok, 100));
    }
    throw new Error(`baresip gives no console: ${this.log().slice(-500)}`);
  }

  get hasEnded() {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  take(message) {
    (message.event ? this.events : this.replies).push(message);
    for (const check of [...this.waiters]) check();
  }

  until(find, seconds, what) {
    return new Promise((ok, fail) => {
      const check = () => {
        const found = find();
        if (found === undefined) return;
        clearTimeout(timer);
        this.waiters.delete(check);
        ok(found);
      };
      const timer = setTimeout(() => {
        this.waiters.delete(check);
        fail(new Error(`baresip: no ${what} within ${seconds} s; it said ${this.types().join(' ')}`));
      }, seconds * 1000);
      this.waiters.add(check);
      check();
    });
  }

  async command(command, params = '') {
    const before = this.replies.length;
    const text = JSON.stringify({ command, params, token: command });
    this.socket.write(`${Buffer.byteLength(text)}:${text},`);
    return this.until(() => this.replies[before], PATIENCE_S, `reply to ${command}`);
  }

  /** Waits for an event (`CALL_ESTABLISHED`, `REGISTER_OK` …), the `nth` of its kind. */
  event(type, seconds = PATIENCE_S, nth = 1) {
    return this.until(() => this.events.filter((e) => e.type === type)[nth - 1], seconds, type);
  }

  /** Waits until its log, which begins before its events can be heard, matches. */
  async says(pattern, seconds = PATIENCE_S) {
    for (let i = 0; i < seconds * 20; i++) {
      if (pattern.test(this.log()) || pattern.test(this.printed)) return;
      await new Promise((ok) => setTimeout(ok, 50));
    }
    throw new Error(`baresip does not say ${pattern} within ${seconds} s`);
  }

  types() {
    return this.events.map((e) => e.type);
  }

  log() {
    return fs.readFileSync(path.join(this.directory, 'log'), 'utf8');
  }

  /** Writes what it sees into an image whose name begins so (module `snapshot`). */
  async snapshot(file) {
    await this.command('snapshot_recv', file);
  }

  /** The recordings of what was heard, oldest first. */
  recordings() {
    return fs
      .readdirSync(this.directory)
      .filter((f) => f.endsWith('-dec.wav'))
      .map((f) => path.join(this.directory, f))
      .sort((a, b) => fs.statSync(a).mtimeMs - fs.statSync(b).mtimeMs);
  }

  async stop() {
    if (!this.process || this.hasEnded) return;
    const gone = new Promise((ok) => this.process.on('exit', ok));
    const late = setTimeout(() => this.process.kill('SIGKILL'), STOP_MS);
    // It may be gone before it replies.
    this.command('quit').catch(() => {});
    await gone;
    clearTimeout(late);
    this.socket?.destroy();
  }
}
