/** Ports and sockets. */
import dgram from "node:dgram";
import http from "node:http";
import net from "node:net";
import os from "node:os";

const HOST = "127.0.0.1";
/** Below the media ports of gateways. */
const [LOWEST, HIGHEST] = [10_000, 20_000];
const given = new Set();

function tcpIsFree(port) {
  return new Promise(resolve => {
    const server = net.createServer().on("error", () => resolve(false));
    server.listen(port, HOST, () => server.close(() => resolve(true)));
  });
}

function udpIsFree(port) {
  return new Promise(resolve => {
    const socket = dgram.createSocket("udp4").on("error", () => resolve(false));
    socket.bind(port, HOST, () => socket.close(() => resolve(true)));
  });
}

/**
 * The first of so many ports that nobody has, for TCP and UDP; some SIP phones take the one after theirs too. They lie where
 * systems give no port by themselves, so that nobody is given one before the program that it is for has taken it.
 */
export async function freePort(count = 2) {
  for (;;) {
    const first = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST - count));
    const ports = Array.from({ length: count }, (_, i) => first + i);
    if (ports.some(port => given.has(port))) continue;
    const free = await Promise.all(ports.flatMap(port => [udpIsFree(port), tcpIsFree(port)]));
    if (!free.every(Boolean)) continue;
    for (const port of ports) given.add(port);
    return first;
  }
}

/** A TCP relay that can be cut, as a network can. */
export async function cuttableRelay(toPort) {
  const sockets = new Set();
  let isCut = false;
  const server = net.createServer(near => {
    if (isCut) return near.destroy();
    const far = net.connect(toPort(), HOST);
    for (const [from, to] of [[near, far], [far, near]]) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => {}).on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise(resolve => server.listen(0, HOST, resolve));
  return {
    port: server.address().port,
    /** Breaks every connection, and takes no other until `mend`. */
    cut() {
      isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      isCut = false;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}

/** A web server of somebody else, with one page. */
export async function foreignPage(html) {
  const server = http.createServer((_, response) => response.writeHead(200, { "content-type": "text/html" }).end(html));
  await new Promise(resolve => server.listen(0, HOST, resolve));
  const origin = `http://${HOST}:${server.address().port}`;
  return { origin, close: () => server.close() };
}

/** An IPv4 address of this machine that is not the loopback's. */
export function ownAddress() {
  const all = Object.values(os.networkInterfaces()).flat();
  const own = all.find(one => one.family === "IPv4" && !one.internal);
  if (!own) throw new Error("this machine has no IPv4 address but the loopback's");
  return own.address;
}
