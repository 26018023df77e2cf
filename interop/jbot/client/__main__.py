"""A scripted IM client that calls: slixmpp for XMPP, aiortc for the media.

Commands come as one JSON object a line on standard input (`do` names the command), events go as one a line to
standard output (`event` names it). It ends when its input does. The commands are the methods of `Client` whose names
begin with `do_`; `quit` ends it too, after what was said has been sent.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import sys
import uuid
import xml.etree.ElementTree as ET

from slixmpp import ClientXMPP
from slixmpp.xmlstream import tostring
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher.base import MatcherBase

import names
from call import Call
from names import CAPS, CLIENT, DELAY, DISCO_INFO, ERRORS, JINGLE, JMI, RECEIPTS, ROSTER, STANZA_ERRORS, local, namespace

RECONNECT_EVERY_S = 0.2


class Named(MatcherBase):
    """Matches every stanza of this name."""

    def match(self, stanza):
        return local(stanza.xml) == self._criteria


class Client:
    def __init__(self, options):
        self.options = options
        self.calls = {}
        self.asked = {}
        self.jid = None
        self.is_leaving = False
        features = names.FEATURES + ([] if options.no_jmi else [JMI]) + options.feature
        features += [names.RTP_VIDEO] if options.video else []
        self.features = [f for f in features if f not in options.without]
        self.stream = ClientXMPP(f"{options.jid}/{options.resource}", options.password)
        self.stream.enable_direct_tls = self.stream.enable_starttls = False
        self.stream.enable_plaintext = True
        self.stream.plugin["feature_mechanisms"].unencrypted_plain = True
        self.forget_roster()
        for name in ("iq", "message", "presence"):
            self.stream.register_handler(Callback(name, Named(name), self.taker(name)))
        self.stream.add_event_handler("session_start", self.online)
        self.stream.add_event_handler("disconnected", self.offline)
        self.stream.add_event_handler("failed_all_auth", lambda _: self.say("fault", what="not authenticated"))

    def forget_roster(self):
        """Lets nobody answer a subscription but the test."""
        for event in ("presence_probe", "presence_subscribe", "presence_subscribed"):
            handler = getattr(self.stream, f"_handle_{event.split('_')[1]}", None)
            if handler:
                self.stream.del_event_handler(event, handler)

    def taker(self, name):
        return lambda stanza: getattr(self, f"took_{name}")(stanza.xml)

    def say(self, event, **more):
        print(json.dumps({"event": event, **more}), flush=True)

    # The stream

    async def connect(self):
        """Knocks until somebody listens."""
        while not self.is_leaving:
            try:
                _, writer = await asyncio.open_connection(self.options.host, self.options.port)
                writer.close()
                break
            except OSError:
                await asyncio.sleep(RECONNECT_EVERY_S)
        self.stream.connect((self.options.host, self.options.port), disable_starttls=True)

    def online(self, _):
        self.jid = str(self.stream.boundjid)
        self.send("iq", None, [ET.Element(f"{{{ROSTER}}}query")], kind="get", id="roster")
        if not self.options.invisible:
            self.do_presence()
        self.say("online", jid=self.jid)

    def offline(self, _):
        self.say("offline")
        if not self.is_leaving:
            asyncio.ensure_future(self.connect())

    def send(self, name, to, children=(), kind=None, id=None, body=None):
        stanza = ET.Element(f"{{{CLIENT}}}{name}", id=id or uuid.uuid4().hex)
        for key, value in {"to": to, "type": kind}.items():
            if value:
                stanza.set(key, value)
        if body is not None:
            ET.SubElement(stanza, f"{{{CLIENT}}}body").text = body
        stanza.extend(children)
        self.stream.send_raw(tostring(stanza, xmlns=CLIENT, stream=self.stream))
        return stanza.get("id")

    # Commands

    async def commands(self):
        reader = asyncio.StreamReader()
        await asyncio.get_event_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            command = json.loads(line)
            if command["do"] == "quit":
                break
            method = getattr(self, f"do_{command.pop('do')}")
            try:
                done = method(**command)
                if asyncio.iscoroutine(done):
                    await done
            except Exception as error:  # told to the test, which fails
                self.say("fault", what=f"{method.__name__}: {type(error).__name__}: {error}")
        self.is_leaving = True
        await self.stream.disconnect(wait=0.5)

    async def do_call(self, sid, to, direct=False, media=("audio",), delay=None, codec=None):
        call = self.calls[sid] = Call(self, sid, to, True, codec or self.options.codec, not direct)
        if direct:
            await call.initiate()
        else:
            call.propose(media, delay)

    def do_ring(self, sid):
        self.calls[sid].ring()

    async def do_accept(self, sid, refusal=None):
        await self.calls[sid].accept(refusal)

    def do_reject(self, sid, reason="decline"):
        self.calls[sid].reject(reason)

    def do_retract(self, sid):
        self.calls[sid].retract()

    def do_hangup(self, sid, reason="success"):
        self.calls[sid].hang_up(reason)

    def do_hold(self, sid, on=True):
        self.calls[sid].hold(on)

    def do_mute(self, sid, on=True):
        self.calls[sid].mute(on)

    def do_message(self, to, body, id=None, receipt=False):
        asks = [ET.Element(f"{{{RECEIPTS}}}request")] if receipt else []
        self.send("message", to, asks, kind="chat", id=id, body=body)

    def do_presence(self, to=None, type=None):
        self.send("presence", to, [] if type else [self.caps()], kind=type)

    def do_iq(self, id, to, xml, type="get"):
        """Any request; its answer is the event `iq`."""
        self.asked[id] = True
        self.send("iq", to, [ET.fromstring(xml)], kind=type, id=id)

    # Stanzas

    def took_presence(self, stanza):
        caps = stanza.find(f"{{{CAPS}}}c")
        show = stanza.findtext(f"{{{CLIENT}}}show")
        ver = caps.get("ver") if caps is not None else None
        node = caps.get("node") if caps is not None else None
        self.say("presence", **{"from": stanza.get("from"), "type": stanza.get("type")}, show=show, ver=ver, node=node)

    def took_message(self, stanza):
        sender, kind, id = stanza.get("from"), stanza.get("type"), stanza.get("id")
        if kind == "error":
            self.message_failed(stanza)
            return
        if stanza.find(f"{{{RECEIPTS}}}request") is not None and id:
            self.send("message", sender, [ET.Element(f"{{{RECEIPTS}}}received", id=id)], kind="chat")
        receipt = stanza.find(f"{{{RECEIPTS}}}received")
        if receipt is not None:
            self.say("receipt", id=receipt.get("id"), **{"from": sender})
        body = stanza.findtext(f"{{{CLIENT}}}body")
        if body is not None:
            self.say("message", body=body, id=id, type=kind, **{"from": sender})
        for element in stanza:
            if namespace(element) == JMI and not self.options.no_jmi:
                self.took_initiation(element, stanza, sender)

    def took_initiation(self, element, stanza, sender):
        name, sid = local(element), element.get("id")
        if sender.split("/")[0] == self.options.jid:
            return
        if name == "propose":
            self.calls[sid] = Call(self, sid, sender, False, self.options.codec)
            media = [e.get("media") for e in element if local(e) == "description"]
            is_late = stanza.find(f"{{{DELAY}}}delay") is not None
            self.say("propose", sid=sid, media=media, delayed=is_late, **{"from": sender})
        elif sid in self.calls:
            self.calls[sid].heard_message(name, element, sender)
        else:
            self.say(f"stray-{name}", sid=sid, **{"from": sender})

    def message_failed(self, stanza):
        """Prosody's errors do not repeat what was sent, so the proposal is known by its id alone."""
        error = stanza.find(f"{{{CLIENT}}}error")
        condition, text = error_in(error)
        id = stanza.get("id")
        call = self.calls.get(id.partition("-")[2]) if id.startswith("propose-") else None
        if call:
            call.end("peer", "error", condition, text)
        else:
            self.say("message-error", id=id, condition=condition, text=text, **{"from": stanza.get("from")})

    def took_iq(self, stanza):
        kind, id, sender = stanza.get("type"), stanza.get("id"), stanza.get("from")
        if kind in ("result", "error"):
            self.answered(stanza, kind, id)
            return
        query = next(iter(stanza), None)
        if query is None:
            return
        if query.tag == f"{{{JINGLE}}}jingle":
            self.took_jingle(query, id, sender)
        elif query.tag == f"{{{ROSTER}}}query":
            self.send("iq", sender, kind="result", id=id)
            for item in query:
                self.say("roster", jid=item.get("jid"), subscription=item.get("subscription"), ask=item.get("ask"))
        elif query.tag == f"{{{DISCO_INFO}}}query":
            self.send("iq", sender, [self.disco(query.get("node"))], kind="result", id=id)
        else:
            self.refuse(sender, id, "cancel", "service-unavailable")

    def answered(self, stanza, kind, id):
        condition, text = error_in(stanza.find(f"{{{CLIENT}}}error"))
        if self.asked.pop(id, None):
            xml = "".join(ET.tostring(e, encoding="unicode") for e in stanza)
            self.say("iq", id=id, type=kind, xml=xml, condition=condition, text=text)
        elif kind == "error":
            self.say("iq-error", id=id, condition=condition, text=text, **{"from": stanza.get("from")})

    def refuse(self, to, id, kind, condition, *more):
        error = ET.Element(f"{{{CLIENT}}}error", type=kind)
        ET.SubElement(error, f"{{{STANZA_ERRORS}}}{condition}")
        error.extend(more)
        self.send("iq", to, [error], kind="error", id=id)

    def took_jingle(self, jingle, id, sender):
        action, sid = jingle.get("action"), jingle.get("sid")
        call = self.calls.get(sid)
        if action == "session-initiate" and call is None:
            call = self.calls[sid] = Call(self, sid, sender, False, self.options.codec, has_jmi=False)
        if call is None:
            self.refuse(sender, id, "cancel", "item-not-found", ET.Element(f"{{{ERRORS}}}unknown-session"))
            return
        self.send("iq", sender, kind="result", id=id)
        call.peer = sender
        contents = [c.get("name") for c in jingle if local(c) == "content"]
        words = [local(e) for e in jingle if local(e) not in ("content", "group")]
        self.say("jingle", sid=sid, action=action, contents=contents, words=words)
        if action == "session-initiate":
            call.start(call.initiated(jingle))
        elif action == "session-accept":
            call.start(call.accepted(jingle))
        elif action == "transport-info":
            call.start(call.take_candidates(jingle))
        elif action == "session-terminate":
            call.terminated(jingle)

    # Who we are

    def disco(self, node=None):
        query = ET.Element(f"{{{DISCO_INFO}}}query", **({"node": node} if node else {}))
        ET.SubElement(query, f"{{{DISCO_INFO}}}identity", category="client", type="pc", name="jbot")
        for feature in self.features:
            ET.SubElement(query, f"{{{DISCO_INFO}}}feature", var=feature)
        return query

    def caps(self):
        text = "client/pc//jbot<" + "".join(f"{f}<" for f in sorted(self.features))
        ver = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
        return ET.Element(f"{{{CAPS}}}c", hash="sha-1", node="https://example.org/jbot", ver=ver)


def error_in(error):
    """The condition and the text of an `<error/>`."""
    if error is None:
        return None, None
    conditions = [local(e) for e in error if namespace(e) == STANZA_ERRORS and local(e) != "text"]
    return (conditions or [None])[0], error.findtext(f"{{{STANZA_ERRORS}}}text")


def options():
    parser = argparse.ArgumentParser(prog="jbot", description=__doc__)
    parser.add_argument("--jid", required=True, help="the account, bare")
    parser.add_argument("--password", required=True)
    parser.add_argument("--resource", default="jbot")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--hz", type=float, default=880, help="what its microphone hears")
    parser.add_argument("--codec", help="speak and accept this alone: opus, PCMU, PCMA")
    parser.add_argument("--video", action="store_true", help="has a camera, and shows it to who shows one")
    parser.add_argument("--no-jmi", action="store_true", help="neither show nor understand XEP-0353")
    parser.add_argument("--trickle", action="store_true", help="send candidates after the offer, not in it")
    parser.add_argument("--invisible", action="store_true", help="send no presence")
    parser.add_argument("--feature", action="append", default=[], help="show one more")
    parser.add_argument("--without", action="append", default=[], help="do not show this feature")
    return parser.parse_args()


async def main():
    client = Client(options())
    await client.connect()
    await client.commands()


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(main())
