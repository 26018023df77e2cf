/** More new calls than are taken up: who is turned away, and that a call that is up notices nothing. */
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { asks, awaits, calls, hears } from "../lib/ladder.mjs";
import { freePort } from "../lib/net.mjs";
import { startPair } from "../lib/pair.mjs";
import { check, run } from "../lib/tests.mjs";

const ECHO = "+15550400";
const CROWD = path.join(path.dirname(fileURLToPath(import.meta.url)), "scenarios/crowd.xml");
/** One a second is taken up: none is turned away only if SIPp takes a minute to begin what it begins in two seconds. */
const CALLERS = 60;

const metricsPort = await freePort();
const { scene, east, west } = await startPair({
  directory: "overload-",
  options: { top: `limits.new_calls_per_second = 1\nmetrics.listen = "127.0.0.1:${metricsPort}"` },
  toml: () => `[[rule]]\nwhen = { entry = "trunk:east|trunk:west", to = "${ECHO}" }\necho = true\n`,
});

async function turnedAway() {
  const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  return Number(page.match(/^patchcord_sip_calls_turned_away_total (\d+)/m)?.[1]);
}

scene("of a crowd of callers each is answered or turned away, and a call that was up before goes on", async t => {
  const talk = calls(asks("INVITE", { sdp: {} }), hears(200), asks("ACK"), awaits("end"), asks("BYE"), hears(200));
  const talks = east(t, talk, { to: ECHO });
  await talks.comesTo("awaits end");
  const crowd = west(t, fs.readFileSync(CROWD, "utf8"), { to: ECHO, args: ["-m", String(CALLERS), "-r", "30"] });
  await crowd.finished(120);
  const heard = crowd.messages().split(/^-{5,}.*$/m).filter(message => /message received/.test(message));
  const refusals = heard.filter(message => /^SIP\/2\.0 503/m.test(message));
  const refused = new Set(refusals.map(message => message.match(/^Call-ID: *(\S+)/im)?.[1]));
  check(refused.size > 0, "some are turned away");
  check((await turnedAway()) >= refused.size, "each of them is counted");
  await talks.go("end");
  await talks.finished();
});

await run();
