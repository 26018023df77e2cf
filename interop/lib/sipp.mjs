// Runs a SIPp scenario for one call. SIPp does the signalling; the media socket that it names is an RtpPeer.

import { spawn } from 'node:child_process';
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
      const received = this.messages().split(/^-{5,}.*$/m).filter((m) => /message received/.test(m));
      const port = received.map((m) => m.match(/^m=audio (\d+)/m)?.[1]).filter(Boolean).pop();
      if (port) return parseInt(port, 10);
      await new Promise((ok) => setTimeout(ok, 50));
    }
    throw new Error(`SIPp saw no description: ${this.errors()}`);
  }

  /** The messages that SIPp saw and sent, as text. */
  messages() {
    const file = path.join(this.directory, 'messages');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  }

  errors() {
    const file = path.join(this.directory, 'errors');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').slice(0, 600) : 'no errors noted';
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
