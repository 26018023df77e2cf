"""One call: message initiation (XEP-0353) or a session at once (XEP-0166), and the media of aiortc."""

import asyncio
import contextlib
import xml.etree.ElementTree as ET

from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp

from contents import candidate_lines, from_sdp, speech_codec, to_sdp, trickled
from film import Camera, Eye
from names import DELAY, GROUPING, HINTS, ICE, JINGLE, JMI, RTP, RTP_INFO, local
from sound import Ear, Tone

HEARD_EVERY_S = 0.25
TRICKLE_AFTER_S = 0.1


class Call:
    """`client` sends and reports; `peer` is a bare JID until one resource has answered."""

    def __init__(self, client, sid, peer, is_caller, codec=None, has_jmi=True):
        self.client, self.sid, self.peer = client, sid, peer
        self.is_caller, self.codec, self.has_jmi = is_caller, codec, has_jmi
        self.pc = self.tone = self.remote = self.refusal = None
        self.ear, self.eye = Ear(), Eye()
        self.shows = False
        self.early = []
        self.has_proceeded = self.is_over = False
        self.tasks = []

    def say(self, event, **more):
        self.client.say(event, sid=self.sid, **more)

    # Message initiation

    def message(self, name, to=None, reason=None, delay=None, media=()):
        element = ET.Element(f"{{{JMI}}}{name}", id=self.sid)
        for kind in media:
            ET.SubElement(element, f"{{{RTP}}}description", media=kind)
        if reason:
            element.append(reason_of(reason))
        extra = [element, ET.Element(f"{{{HINTS}}}store")]
        if delay:
            extra.append(ET.Element(f"{{{DELAY}}}delay", stamp=delay))
        self.client.send("message", to or self.peer, extra, kind="chat", id=f"{name}-{self.sid}")

    def propose(self, media, delay=None):
        self.shows = "video" in media
        self.message("propose", media=media, delay=delay)

    def ring(self):
        """Says that a person is being called."""
        if self.remote is None:
            self.message("ringing")
        else:
            self.info("ringing")

    async def accept(self, refusal=None):
        """`refusal`: the reason with which to end the session when it comes, after all."""
        self.refusal = refusal
        if self.remote is None:
            self.has_proceeded = True
            self.message("proceed")
        else:
            await self.answer()

    def reject(self, reason):
        if self.remote is None:
            self.message("reject", reason=reason)
            self.end("us", "reject", reason)
        else:
            self.hang_up(reason)

    def retract(self):
        self.message("retract", reason="cancel")
        self.end("us", "retract", "cancel")

    def heard_message(self, name, element, sender):
        """What the peer says by message; `sender` is the full JID."""
        reason, text = reason_in(element)
        if name == "proceed" and self.is_caller and not self.has_proceeded:
            self.has_proceeded = True
            self.peer = sender
            self.say("proceed", **{"from": sender})
            self.start(self.initiate())
        elif name in ("reject", "retract"):
            self.end("peer", name, reason, text)
        else:
            self.say(name, **{"from": sender})

    # The session

    def jingle(self, action, children=(), **attributes):
        element = ET.Element(f"{{{JINGLE}}}jingle", action=action, sid=self.sid, **attributes)
        element.extend(children)
        self.client.send("iq", self.peer, [element], kind="set")

    def info(self, word, attributes=None):
        self.jingle("session-info", [ET.Element(f"{{{RTP_INFO}}}{word}", attributes or {})])

    async def initiate(self):
        self.open()
        await self.pc.setLocalDescription(await self.pc.createOffer())
        if self.is_over:
            return
        sdp = self.pc.localDescription.sdp
        trickles = self.client.options.trickle
        self.jingle("session-initiate", from_sdp(sdp, True, not trickles), initiator=self.client.jid)
        if trickles:
            await asyncio.sleep(TRICKLE_AFTER_S)
            for content in trickled(sdp):
                self.jingle("transport-info", [content])

    async def initiated(self, element):
        """The peer's `session-initiate`: answered at once if it was proceeded with."""
        self.remote = element
        if self.refusal:
            self.hang_up(self.refusal)
        elif self.has_proceeded:
            await self.answer()

    async def answer(self):
        kinds = [d.get("media") for d in self.remote.iter(f"{{{RTP}}}description")]
        self.shows = self.client.options.video and "video" in kinds
        self.open()
        await self.pc.setRemoteDescription(RTCSessionDescription(to_sdp(self.remote, True, self.codec), "offer"))
        await self.pc.setLocalDescription(await self.pc.createAnswer())
        if self.is_over:
            return
        sdp = self.pc.localDescription.sdp
        elements = from_sdp(sdp, False)
        if self.remote.find(f"{{{GROUPING}}}group") is None:
            elements = [e for e in elements if local(e) != "group"]
        self.jingle("session-accept", elements, responder=self.client.jid)
        self.say("accepted", by="us", codec=speech_codec(sdp))
        await self.take_early()

    async def accepted(self, element):
        sdp = to_sdp(element, False)
        await self.pc.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        self.say("accepted", by="peer", codec=speech_codec(sdp))
        await self.take_early()

    async def take_candidates(self, element):
        for content in element.findall(f"{{{JINGLE}}}content"):
            transport = content.find(f"{{{ICE}}}transport")
            for line in candidate_lines(transport) if transport is not None else []:
                candidate = candidate_from_sdp(line.split(":", 1)[1])
                candidate.sdpMid = content.get("name")
                self.early.append(candidate)
        if self.pc and self.pc.remoteDescription:
            await self.take_early()

    async def take_early(self):
        early, self.early = self.early, []
        for candidate in early:
            await self.pc.addIceCandidate(candidate)

    def hold(self, is_on):
        self.tone.is_silent = is_on
        self.info("hold" if is_on else "active")

    def mute(self, is_on):
        self.tone.is_silent = is_on
        name = self.pc.getTransceivers()[0].mid
        self.info("mute" if is_on else "unmute", {"creator": "initiator", "name": name})

    def hang_up(self, reason):
        self.jingle("session-terminate", [reason_of(reason)])
        if self.has_jmi:
            self.message("finish", reason=reason)
        self.end("us", "terminate", reason)

    def terminated(self, element):
        reason, text = reason_in(element)
        self.end("peer", "terminate", reason, text)

    # Media

    def open(self):
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tone = Tone(self.client.options.hz)
        self.pc.addTrack(self.tone)
        if self.shows:
            self.pc.addTrack(Camera())
        if self.codec:
            known = RTCRtpSender.getCapabilities("audio").codecs
            chosen = [c for c in known if c.mimeType.lower() == f"audio/{self.codec.lower()}"]
            self.pc.getTransceivers()[0].setCodecPreferences(chosen)
        self.pc.on("connectionstatechange", self.connection_changed)
        self.pc.on("track", self.track_came)

    def connection_changed(self):
        state = self.pc.connectionState
        if state == "connected":
            self.say("up")
            self.start(self.report())
        elif not self.is_over:
            self.say("connection", state=state)

    def track_came(self, track):
        if track.kind == "audio":
            self.start(self.ear.listen(track))
        else:
            self.start(self.eye.look(track))

    async def report(self):
        while not self.is_over:
            await asyncio.sleep(HEARD_EVERY_S)
            heard = self.ear.heard()
            if heard:
                self.say("heard", **heard)
            seen = self.eye.seen()
            if seen:
                self.say("seen", **seen)

    def start(self, work):
        async def quietly():
            with contextlib.suppress(asyncio.CancelledError):
                try:
                    await work
                except Exception as error:  # a track that ended, or a description that aiortc does not take
                    if not self.is_over:
                        self.say("fault", what=f"{type(error).__name__}: {error}")

        self.tasks.append(asyncio.ensure_future(quietly()))

    def end(self, by, how, reason=None, text=None):
        if self.is_over:
            return
        self.is_over = True
        self.client.calls.pop(self.sid, None)
        self.say("ended", by=by, how=how, reason=reason, text=text)
        asyncio.ensure_future(self.close())

    async def close(self):
        for task in self.tasks:
            task.cancel()
        if self.pc:
            await self.pc.close()


def reason_of(name):
    reason = ET.Element(f"{{{JINGLE}}}reason")
    ET.SubElement(reason, f"{{{JINGLE}}}{name}")
    return reason


def reason_in(element):
    """The name and the text of the reason in an element, each `None` if there is none."""
    reason = element.find(f"{{{JINGLE}}}reason")
    if reason is None:
        return None, None
    names = [local(e) for e in reason if e.tag.startswith(f"{{{JINGLE}}}") and local(e) != "text"]
    return (names or [None])[0], reason.findtext(f"{{{JINGLE}}}text")
