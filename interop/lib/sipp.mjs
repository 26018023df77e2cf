// Runs a SIPp scenario for one call. SIPp does the signalling; the media socket that it names is an RtpPeer.

import { spawn } from 'node:child_process';
import dgram from 'node:dgram';
import fs from 'node:fs';
import path from 'node:path';
import { PATIENCE_MS, until } from './tests.mjs';

const PATIENCE_S = PATIENCE_MS / 1000;

export class Sipp {
  /**
   * @param {string} scenario an XML file
   * @param {object} options `directory` to work in, `port` to listen on, `remote` to call, `rtp` (an RtpPeer),
   *   `keys` (more [key] values), `arguments`
   */
  constructor(scenario, { directory, port, remote, rtp, keys = {}, args = [], transport = 'u1' }) {
    this.directory = fs.mkdtempSync(path.join(directory, 'sipp-'));
    const all = { media: rtp?.port ?? 9, ...keys };
    const pairs = Object.entries(all).flatMap(([key, value]) => ['-key', key, String(value)]);
    this.port = port;
    this.process = spawn(
      'sipp',
      ['-sf', scenario, '-i', '127.0.0.1', '-p', String(port), '-m', '1', '-nostdin', '-timeout', '120s', '-t', transport]
        .concat(['-trace_err', '-error_file', path.join(this.directory, 'errors')])
        .concat(['-trace_msg', '-message_file', path.join(this.directory, 'messages')])
        .concat(['-trace_logs', '-log_file', path.join(this.directory, 'steps')])
        .concat(pairs, args, remote ? [remote] : []),
      { cwd: this.directory, stdio: 'ignore' },
    );
    const kill = () => this.stop();
    process.on('exit', kill);
    this.done = new Promise((ok) => this.process.on('exit', (code) => ok(code)));
    this.done.then(() => process.off('exit', kill));
  }

  /** Waits until it takes what comes to its port. */
  async listens() {
    const local = `0100007F:${this.port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000`;
    const isBound = () => ['udp', 'tcp'].some((kind) => fs.readFileSync(`/proc/net/${kind}`, 'utf8').includes(local));
    await until('SIPp listens', () => isBound() || this.process.exitCode !== null, { everyMs: 10 });
  }

  /** Waits until the other side has said where it wants its media, and gives the port. */
  async remotePort(seconds = PATIENCE_S) {
    for (let i = 0; i < seconds * 20; i++) {
      const port = this.#received().map((m) => m.match(/^m=audio (\d+)/m)?.[1]).filter(Boolean).pop();
      if (port) return parseInt(port, 10);
      await new Promise((ok) => setTimeout(ok, 50));
    }
    throw new Error(`SIPp saw no description: ${this.errors()}`);
  }

  /** Waits until its scenario has come to the step that notes this word. */
  async comesTo(word) {
    const isThere = () => this.#read('steps').split('\n').includes(word);
    await until(`SIPp comes to "${word}"`, () => {
      const isOver = this.process.exitCode !== null;
      if (isThere()) return true;
      if (isOver) throw new Error(`SIPp ended before "${word}": ${this.errors()}`);
    }, { ms: 2 * PATIENCE_MS });
  }

  /**
   * Has its scenario go on from where it waits for this word, once it is there: by a request of no method of SIP's that
   * repeats the headers of what came last, so that `[last_…]` means the same as before. The word is in it, for two that are
   * the same are one to SIPp, and its repetition.
   */
  async go(word) {
    await this.comesTo(`awaits ${word}`);
    const [head] = this.#received().pop().trimStart().split(/\r?\n\r?\n/, 1);
    const [, ...headers] = head.split(/\r?\n/).filter((line) => !/^(content-|c:|l:)/i.test(line));
    const socket = dgram.createSocket('udp4');
    const text = ['GO sip:sipp SIP/2.0', ...headers, `Subject: ${word}`, 'Content-Length: 0', '', ''].join('\r\n');
    await new Promise((ok) => socket.send(text, this.port, '127.0.0.1', ok));
    socket.close();
  }

  /** The messages that SIPp saw and sent, as text. */
  messages() {
    return this.#read('messages');
  }

  /** What it received of its call, message by message: what is left of others may come to its port, too. */
  #received() {
    const blocks = this.messages().split(/^-{5,}.*$/m);
    const callOf = (one) => one?.match(/^Call-ID:.*$/im)?.[0];
    const call = callOf(blocks.find((one) => /^INVITE /m.test(one)));
    const received = blocks.filter((one) => /message received/.test(one) && callOf(one) === call);
    return received.map((one) => one.replace(/^.*message received.*$/m, ''));
  }

  errors() {
    return this.#read('errors').slice(0, 600) || 'no errors noted';
  }

  #read(name) {
    const file = path.join(this.directory, name);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  /** Waits for the end; throws with what SIPp complained of unless every message was as expected. */
  async finished(seconds = 2 * PATIENCE_S) {
    const late = new Promise((ok) => setTimeout(() => ok('late'), seconds * 1000).unref?.());
    const code = await Promise.race([this.done, late]);
    if (code !== 0) throw new Error(`SIPp ended with ${code}: ${this.errors()}`);
  }

  /** Ends it, and gives its port free. */
  async stop() {
    if (this.process.exitCode === null) this.process.kill('SIGKILL');
    await this.done;
  }
}
