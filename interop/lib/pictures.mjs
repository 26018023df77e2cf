/** What pages and telephones show, and what is seen of it: by colours, for each camera of a test has its own. */
import fs from "node:fs";
import path from "node:path";
import { PATIENCE_MS, check, until } from "./tests.mjs";

/** How long a phone may take to write what it sees; before it sees anything it writes nothing. */
const SNAPSHOT_MS = 3_000;

/** A desk phone of `desksOf` with pictures: red, green and blue bars for a camera, and snapshots of what it sees. */
export const VIDEO_PHONE = {
  modules: ["g711", "vp8", "fakevideo", "snapshot"],
  config: [
    "video_source fakevideo,nil",
    "video_display fakevideo,nil",
    "video_size 352x288",
    "video_bitrate 400000",
    "video_fps 15.00",
    "video_fullscreen no",
    "videnc_format yuv420p",
    "rtp_video_tos 0",
  ],
};

/** The mean colours of the left, the middle and the right third of what an `<img>` or `<video>` shows; null: nothing. */
const THIRDS = `shown => {
  const [width, height] = [shown.videoWidth ?? shown.naturalWidth, shown.videoHeight ?? shown.naturalHeight];
  if (shown.hidden || !width || !height) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width: 90, height: 60 });
  const context = canvas.getContext("2d");
  context.drawImage(shown, 0, 0, 90, 60);
  return [5, 35, 65].map(x => {
    const { data } = context.getImageData(x, 10, 20, 40);
    const sum = [0, 0, 0];
    data.forEach((value, at) => at % 4 < 3 && (sum[at % 4] += value));
    return sum.map(all => Math.round((4 * all) / data.length));
  });
}`;

/** What the other side's pictures on a page are made of. */
export function coloursOn(phone) {
  return phone.page.evaluate(`(${THIRDS})(document.getElementById("remote-video"))`);
}

/** The colours of an image file, as a blank page decodes it: the softphone's own policy lets it load none. */
export async function coloursOf(page, file) {
  const url = `data:image/png;base64,${fs.readFileSync(file).toString("base64")}`;
  return page.evaluate(`(async () => {
    const image = new Image();
    image.src = ${JSON.stringify(url)};
    await image.decode();
    return (${THIRDS})(image);
  })()`);
}

/** Writes a JPEG file of such bars, as a browser paints them, for phones whose camera is a file. */
export async function writeBars(browser, file) {
  const page = await browser.page("about:blank");
  const url = await page.evaluate(() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 352, height: 288 });
    const context = canvas.getContext("2d");
    ["#f00", "#0f0", "#00f"].forEach((colour, at) => {
      context.fillStyle = colour;
      context.fillRect((at * 352) / 3, 0, 118, 288);
    });
    return canvas.toDataURL("image/jpeg");
  });
  await page.context().close();
  fs.writeFileSync(file, Buffer.from(url.split(",")[1], "base64"));
  return file;
}

/** The bars of baresip: red, green, blue. */
export function areBars(thirds) {
  return Boolean(thirds) && thirds.every((third, at) => third.every((value, colour) => (colour === at ? value > 120 : value < 110)));
}

/** The bars of the scripted IM client: blue, green, red. */
export function areBarsOfClient(thirds) {
  return areBars(thirds && [...thirds].reverse());
}

/** The camera of Chromium: a moving figure on green. */
export function isCamera(thirds) {
  return Boolean(thirds) && thirds.every(([red, green, blue]) => green > 60 && green > red + 20 && green > blue + 20);
}

/** Waits until the page shows what `is` knows. */
export async function sees(phone, is, what, { ms = PATIENCE_MS } = {}) {
  let last = null;
  await until(what, async () => is((last = await coloursOn(phone))), { ms, everyMs: 200 }).catch(() => {
    throw new Error(`the page does not see ${what}, but ${JSON.stringify(last)}`);
  });
}

/** Waits until pictures of the other side move: Firefox without a screen counts no frames that are shown. */
export async function moves(phone) {
  const picture = () => phone.page.evaluate(() => {
    const video = document.getElementById("remote-video");
    if (video.hidden || !video.videoWidth) return "";
    const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.some((value, i) => i % 4 !== 3 && value > 64) ? canvas.toDataURL() : "";
  });
  const seen = new Set();
  await until("pictures that move", async () => seen.add(await picture()).size > 3);
}

/** A file that is still being written lacks that with which a PNG (baresip) or a JPEG (Linphone) ends. */
function isWhole(file) {
  const end = fs.readFileSync(file).subarray(-8).toString("latin1");
  return end.startsWith("IEND") || end.endsWith("\xff\xd9");
}

/** Waits until a snapshot of what the video phone sees shows what `is` knows. */
export async function phoneSees(desk, page, is, what, { ms = PATIENCE_MS } = {}) {
  let last = null;
  const blank = await page.page.context().newPage();
  const shot = async () => {
    const file = path.join(desk.directory, `seen-${Date.now()}`);
    await desk.snapshot(file);
    const named = () => fs.readdirSync(desk.directory).find(f => f.startsWith(path.basename(file)));
    const written = () => named() && isWhole(path.join(desk.directory, named()));
    if (!(await until("a snapshot", written, { ms: SNAPSHOT_MS }).catch(() => false))) return false;
    last = await coloursOf(blank, path.join(desk.directory, named()));
    return is(last);
  };
  await until(what, shot, { ms, everyMs: 300 }).catch(() => {
    throw new Error(`the phone does not see ${what}, but ${JSON.stringify(last)}`);
  });
  await blank.close();
}

/** Runs in a page before the softphone: keeps its connections. */
export function watchConnections() {
  const Native = window.RTCPeerConnection;
  window.connections = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...options) {
      super(...options);
      window.connections.push(this);
    }
  };
}

/** The figures of the pictures of a page's last connection. */
export function figuresOf(phone) {
  return phone.page.evaluate(async () => {
    const report = [...(await window.connections.at(-1).getStats()).values()];
    const inbound = report.find(s => s.type === "inbound-rtp" && s.kind === "video") ?? {};
    const outbound = report.find(s => s.type === "outbound-rtp" && s.kind === "video") ?? {};
    const codec = report.find(s => s.id === (outbound.codecId ?? inbound.codecId));
    return {
      decoded: inbound.framesDecoded ?? 0,
      sent: outbound.framesEncoded ?? 0,
      keyFramesSent: outbound.keyFramesEncoded ?? 0,
      wished: (outbound.pliCount ?? 0) + (outbound.firCount ?? 0),
      codec: codec?.mimeType?.split("/")[1],
    };
  });
}

/** Waits until the page decodes pictures, and goes on doing so. */
export async function decodes(phone, frames = 20) {
  const { decoded } = await figuresOf(phone);
  await until("pictures are decoded", async () => (await figuresOf(phone)).decoded >= decoded + frames);
}

/** Checks what the record says of pictures. */
export function filmed(record, codec) {
  check(record.video === codec, `the record says of pictures: ${record.video}, not ${codec}`);
}
