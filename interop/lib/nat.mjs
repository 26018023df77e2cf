/** A NAT between a SIP client and the edge of its carrier: it carries UDP and TCP on, and may forget whom it carries for. */
import dgram from "node:dgram";
import net from "node:net";
import { freePort } from "./net.mjs";

const HOST = "127.0.0.1";

/** @param {number} far the port of the edge */
export async function startNat(far) {
  const nat = new Nat(await freePort(), far);
  await nat.open();
  return nat;
}

/** STUN begins with two bits of nothing, SIP with a letter. */
const isStun = datagram => datagram[0] < 4;

class Nat {
  #near = dgram.createSocket("udp4");
  #outside;
  #client;
  #server;
  #connections = [];
  /** Answers of STUN that the client was given. */
  answers = 0;

  /** @param {number} port where the client comes to @param {number} far */
  constructor(port, far) {
    Object.assign(this, { port, far });
  }

  async open() {
    this.#near.on("message", (datagram, { port }) => {
      this.#client = port;
      this.#outside.send(datagram, this.far, HOST);
    });
    this.#server = net.createServer(near => this.#carry(near));
    await new Promise(resolve => this.#near.bind(this.port, HOST, resolve));
    await new Promise(resolve => this.#server.listen(this.port, HOST, resolve));
    await this.#bindOutside();
  }

  async #bindOutside() {
    const outside = dgram.createSocket("udp4");
    outside.on("message", datagram => {
      if (isStun(datagram)) this.answers += 1;
      if (this.#client) this.#near.send(datagram, this.#client, HOST);
    });
    await new Promise(resolve => outside.bind(0, HOST, resolve));
    this.#outside = outside;
  }

  #carry(near) {
    const far = net.connect(this.far, HOST);
    const sides = [near, far];
    this.#connections.push(sides);
    for (const [from, to] of [sides, [far, near]]) {
      from.pipe(to);
      from.on("error", () => to.destroy());
    }
  }

  /** The connections that it carried so far go nowhere any more, and nobody is told. */
  forgetConnections() {
    for (const sides of this.#connections.splice(0)) {
      for (const side of sides) side.unpipe().resume();
    }
  }

  /** UDP goes on by another port. */
  async forgetAddresses() {
    const before = this.#outside;
    await this.#bindOutside();
    before.close();
  }

  close() {
    this.#near.close();
    this.#outside.close();
    this.#server.close();
  }
}
