/** Kamailio as the proxy of a carrier: a configuration with its words filled in, and phones that register there. */
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { Baresip } from "./baresip.mjs";
import { freePort } from "./net.mjs";
import { start } from "./processes.mjs";
import { afterAll, until } from "./tests.mjs";
import { writeTone } from "./tones.mjs";

const RTP_PORTS = 20;
/** What everybody proves themselves by. */
export const PASSWORD = "secret-of-the-carrier";

/** A certificate for this name, and the root that signed it. */
function certificates(directory, name) {
  const at = file => path.join(directory, file);
  const openssl = args => execFileSync("openssl", args, { stdio: "ignore" });
  const subject = text => ["-nodes", "-newkey", "rsa:2048", "-subj", `/CN=${text}`];
  openssl(["req", "-x509", ...subject("A root of tests"), "-days", "2", "-keyout", at("root.key"), "-out", at("root.pem")]);
  openssl(["req", ...subject(name), "-keyout", at("own.key"), "-out", at("own.csr")]);
  fs.writeFileSync(at("own.ext"), `subjectAltName=DNS:${name}\n`);
  const signed = ["-CA", at("root.pem"), "-CAkey", at("root.key"), "-CAcreateserial", "-extfile", at("own.ext")];
  openssl(["x509", "-req", "-in", at("own.csr"), ...signed, "-days", "2", "-out", at("own.pem")]);
  return { key: at("own.key"), certificate: at("own.pem"), ca: at("root.pem") };
}

/** @param {string} template the configuration @param {object} [words] what else stands in braces in it */
export async function startKamailio(template, words = {}) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "kamailio-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));
  const [port, tls] = [await freePort(), await freePort()];
  const unfilled = fs.readFileSync(template, "utf8");
  const { ca, ...files } = unfilled.includes("{certificate}") ? certificates(directory, "carrier.test") : {};
  const all = { port, tls, password: PASSWORD, ...files, ...words };
  const text = unfilled.replace(/\{([a-z]+)\}/g, (as, word) => String(all[word] ?? as));
  const file = path.join(directory, "kamailio.cfg");
  fs.writeFileSync(file, text);
  const kamailio = new Kamailio({ directory, file, port, tls, ca });
  await kamailio.start();
  return kamailio;
}

class Kamailio {
  #program;
  #before = "";

  constructor(parts) {
    Object.assign(this, parts);
  }

  async start() {
    const args = ["-f", this.file, "-DD", "-E", "-m", "64", "-M", "8", "-Y", this.directory, "-P", path.join(this.directory, "pid")];
    this.#program = await start("kamailio", args);
    await until("Kamailio listens", () => this.#listens());
  }

  #listens() {
    return new Promise(resolve => {
      const socket = net.connect(this.port, "127.0.0.1", () => resolve(true));
      socket.on("connect", () => socket.destroy()).on("error", () => resolve(false));
    });
  }

  /** Ends it as an operator would, and starts it anew: it knows nobody then. */
  async restart() {
    await this.stop();
    await this.start();
  }

  /** Where its log is now. */
  mark() {
    return this.log().length;
  }

  log() {
    return this.#before + this.#program.output;
  }

  since(mark) {
    return this.log().slice(mark);
  }

  async stop() {
    await this.#program.stop("SIGTERM");
    this.#before += this.#program.output;
    this.#program.output = "";
  }
}

/**
 * Gives a maker of phones that register at the proxy.
 * @param {number} port of the proxy
 */
export function phonesOf(port) {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "phone-"));
  afterAll(() => fs.rmSync(directory, { recursive: true, force: true }));

  /** @param t the test, at whose end the phone goes @param {{user: string, hz: number, options?: string}} phone */
  return async (t, { user, hz, options = "" }) => {
    const wav = path.join(directory, `${hz}.wav`);
    if (!fs.existsSync(wav)) writeTone(wav, hz, { seconds: 60, rate: 8_000 });
    const [rtp, own, control] = [await freePort(RTP_PORTS + 1), await freePort(), await freePort()];
    const account =
      `<sip:${user}@carrier.test>;outbound="sip:127.0.0.1:${port};transport=udp";auth_user=${user};auth_pass=${PASSWORD};` +
      `regint=60;audio_codecs=PCMU/8000/1${options}`;
    const phone = new Baresip({ directory, port: own, control, account, wav, rtp: `${rtp}-${rtp + RTP_PORTS}` });
    t.after(() => phone.stop());
    t.onFailure(() => `${user}: ${phone.types().join(" ")}\n${phone.log().slice(-1500)}`);
    await phone.start();
    await phone.says(/200 OK .*binding/);
    return phone;
  };
}
