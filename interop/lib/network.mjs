/** A network between a page and the gateway that can become narrow, and what a page knows of its own. */
import dgram from "node:dgram";

const HOST = "127.0.0.1";
/** What would wait for longer is dropped. */
const QUEUE_MS = 300;

const socket = () => new Promise(resolve => {
  const one = dgram.createSocket("udp4");
  one.bind(0, HOST, () => resolve(one));
});

/** One direction: so many kilobits a second, and a queue before it. */
class Pipe {
  kbps = Infinity;
  #freeAt = 0;

  carry(length, deliver) {
    const now = performance.now();
    const leaves = Math.max(this.#freeAt, now) + (8 * length) / this.kbps;
    if (leaves - now > QUEUE_MS) return;
    this.#freeAt = leaves;
    if (leaves - now < 1) deliver();
    else setTimeout(deliver, leaves - now);
  }
}

/** A network that the media of one page take; wide until {@link Network.narrows}. */
export class Network {
  #near;
  /** A socket towards the gateway for each address of the page. */
  #far = new Map();
  #gateway = null;
  #there = new Pipe();
  #back = new Pipe();

  async open() {
    this.#near = await socket();
    this.#near.on("message", async (packet, { address, port }) => {
      const name = `${address}:${port}`;
      if (!this.#far.has(name)) this.#far.set(name, this.#towards(address, port));
      const far = await this.#far.get(name);
      this.#there.carry(packet.length, () => this.#near && this.#gateway && far.send(packet, this.#gateway, HOST));
    });
    return this;
  }

  async #towards(address, port) {
    const far = await socket();
    far.on("message", packet => this.#back.carry(packet.length, () => this.#near?.send(packet, port, address)));
    return far;
  }

  /** Takes the media of a page from here on: to be called before it makes a connection. */
  async leads(page) {
    await page.exposeFunction("leadsTo", port => void (this.#gateway = port));
    await page.evaluate(detour, this.#near.address().port);
  }

  /** From now on no more than so many kilobits a second get through, each way. */
  narrows(kbps) {
    this.#there.kbps = this.#back.kbps = kbps;
  }

  close() {
    this.#near.close();
    this.#near = null;
    for (const far of this.#far.values()) far.then(one => one.close());
  }
}

/** Runs in a page: its connections find the gateway at this port. */
function detour(port) {
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    async setRemoteDescription({ type, sdp }) {
      const place = /^(a=candidate:\S+ 1 udp \d+ [\d.]+) (\d+)/gim;
      const [, , real] = place.exec(sdp) ?? [];
      if (real) await window.leadsTo(Number(real));
      return super.setRemoteDescription({ type, sdp: sdp.replace(place, `$1 ${port}`) });
    }
  };
}

/** What a page knows of its network: see `watchConnections` of `pictures.mjs`. */
export function networkOf(phone) {
  return phone.page.evaluate(async () => {
    const report = [...(await window.connections.at(-1).getStats()).values()];
    const transport = report.find(s => s.type === "transport" && s.selectedCandidatePairId);
    const pair = report.find(s => s.id === transport?.selectedCandidatePairId);
    const outbound = report.find(s => s.type === "outbound-rtp" && s.kind === "video");
    return { takes: pair?.availableOutgoingBitrate ?? 0, octets: outbound?.bytesSent ?? 0, at: performance.now() };
  });
}

/** The header extensions of its pictures that a page uses, by the ends of their names. */
export function extensionsOf(phone) {
  return phone.page.evaluate(() => {
    const transceiver = window.connections.at(-1).getTransceivers().find(t => t.sender.track?.kind === "video");
    const names = ({ headerExtensions }) => headerExtensions.map(e => e.uri.split("/").at(-1));
    return [...names(transceiver.sender.getParameters()), ...names(transceiver.receiver.getParameters())];
  });
}
