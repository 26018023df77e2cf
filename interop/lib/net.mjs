/** Ports and sockets. */
import dgram from "node:dgram";
import http from "node:http";
import net from "node:net";
import os from "node:os";

const HOST = "127.0.0.1";
const given = new Set();

function tcpPort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on("error", reject);
    server.listen(0, HOST, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

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

/** A port that nobody has, for TCP and UDP, with the one after it, which some SIP phones take too. */
export async function freePort() {
  for (;;) {
    const port = await tcpPort();
    if (given.has(port) || given.has(port + 1) || port > 65_000) continue;
    if (!(await udpIsFree(port)) || !(await udpIsFree(port + 1)) || !(await tcpIsFree(port + 1))) continue;
    given.add(port).add(port + 1);
    return port;
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
