"""SDP (as aiortc speaks) to Jingle contents and back: XEP-0167, 0176, 0293, 0294, 0320, 0338, 0339."""

import xml.etree.ElementTree as ET

from names import DTLS, GROUPING, HDREXT, ICE, JINGLE, RTCP_FB, RTP, SSMA

MODES = ("sendrecv", "sendonly", "recvonly", "inactive")


def to_sdp(jingle, is_offer, codec=None):
    """A description as SDP. `is_offer`: the peer is the initiator. `codec`: leave out all others."""
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    for group in jingle.findall(f"{{{GROUPING}}}group"):
        names = [c.get("name") for c in group]
        lines.append(f"a=group:{group.get('semantics')} {' '.join(names)}")
    for content in jingle.findall(f"{{{JINGLE}}}content"):
        lines += section(content, "initiator" if is_offer else "responder", codec)
    return "\r\n".join(lines) + "\r\n"


def section(content, peer, codec):
    description = content.find(f"{{{RTP}}}description")
    transport = content.find(f"{{{ICE}}}transport")
    payloads = [p for p in description.findall(f"{{{RTP}}}payload-type") if wanted(p, codec)]
    ids = " ".join(p.get("id") for p in payloads)
    senders = content.get("senders") or "both"
    mode = {"both": "sendrecv", "none": "inactive", peer: "sendonly"}.get(senders, "recvonly")
    lines = [f"m={description.get('media')} 9 UDP/TLS/RTP/SAVPF {ids}", "c=IN IP4 0.0.0.0"]
    lines += [f"a=mid:{content.get('name')}", f"a={mode}"]
    if description.find(f"{{{RTP}}}rtcp-mux") is not None:
        lines.append("a=rtcp-mux")
    for payload in payloads:
        lines += payload_lines(payload)
    for ext in description.findall(f"{{{HDREXT}}}rtp-hdrext"):
        lines.append(f"a=extmap:{ext.get('id')} {ext.get('uri')}")
    for source in description.findall(f"{{{SSMA}}}source"):
        for parameter in source.findall(f"{{{SSMA}}}parameter"):
            value = f":{parameter.get('value')}" if parameter.get("value") else ""
            lines.append(f"a=ssrc:{source.get('ssrc')} {parameter.get('name')}{value}")
    return lines + transport_lines(transport)


def wanted(payload, codec):
    return not codec or payload.get("name", "").lower() in (codec.lower(), "telephone-event")


def payload_lines(payload):
    pt, name, rate = payload.get("id"), payload.get("name"), payload.get("clockrate")
    channels = payload.get("channels", "1")
    lines = [f"a=rtpmap:{pt} {name}/{rate}" + (f"/{channels}" if channels != "1" else "")]
    parameters = payload.findall(f"{{{RTP}}}parameter")
    if parameters:
        words = [f"{p.get('name')}={p.get('value')}" if p.get("name") else p.get("value") for p in parameters]
        lines.append(f"a=fmtp:{pt} {';'.join(words)}")
    for feedback in payload.findall(f"{{{RTCP_FB}}}rtcp-fb"):
        subtype = f" {feedback.get('subtype')}" if feedback.get("subtype") else ""
        lines.append(f"a=rtcp-fb:{pt} {feedback.get('type')}{subtype}")
    return lines


def transport_lines(transport):
    lines = []
    if transport.get("ufrag"):
        lines += [f"a=ice-ufrag:{transport.get('ufrag')}", f"a=ice-pwd:{transport.get('pwd')}"]
    fingerprint = transport.find(f"{{{DTLS}}}fingerprint")
    if fingerprint is not None:
        lines.append(f"a=fingerprint:{fingerprint.get('hash')} {fingerprint.text.strip()}")
        lines.append(f"a=setup:{fingerprint.get('setup')}")
    return lines + [f"a={line}" for line in candidate_lines(transport)]


def candidate_lines(transport):
    """The UDP candidates of component 1, as `candidate:…`."""
    lines = []
    for c in transport.findall(f"{{{ICE}}}candidate"):
        if c.get("component") != "1" or c.get("protocol", "").lower() != "udp":
            continue
        line = f"candidate:{c.get('foundation')} 1 udp {c.get('priority')} {c.get('ip')} {c.get('port')} typ {c.get('type')}"
        if c.get("rel-addr"):
            line += f" raddr {c.get('rel-addr')} rport {c.get('rel-port')}"
        lines.append(line)
    return lines


def from_sdp(sdp, is_offer, has_candidates=True):
    """A local description as elements for `<jingle/>`. `is_offer`: we are the initiator."""
    session, *sections = sdp.replace("\r", "").split("\nm=")
    elements = []
    for line in session.split("\n"):
        if line.startswith("a=group:BUNDLE ") and len(line.split()) > 1:
            group = ET.Element(f"{{{GROUPING}}}group", semantics="BUNDLE")
            for name in line.split()[1:]:
                ET.SubElement(group, f"{{{GROUPING}}}content", name=name)
            elements.append(group)
    return elements + [content_of(text, is_offer, has_candidates) for text in sections]


class Attributes:
    """The `a=` lines of a section."""

    def __init__(self, lines):
        self.lines = [line[2:] for line in lines if line.startswith("a=")]

    def has(self, name):
        return name in self.lines

    def all(self, prefix):
        return [line[len(prefix):] for line in self.lines if line.startswith(prefix)]


def content_of(text, is_offer, has_candidates):
    first, *lines = text.strip().split("\n")
    kind, _, _, *payloads = first.split()
    a = Attributes(lines)
    mode = next((m for m in MODES if a.has(m)), "sendrecv")
    me, peer = ("initiator", "responder") if is_offer else ("responder", "initiator")
    senders = {"sendrecv": "both", "sendonly": me, "recvonly": peer, "inactive": "none"}[mode]
    content = ET.Element(f"{{{JINGLE}}}content", creator="initiator", name=a.all("mid:")[0], senders=senders)
    description = ET.SubElement(content, f"{{{RTP}}}description", media=kind)
    for pt in payloads:
        add_payload(description, pt, a)
    for line in a.all("extmap:"):
        number, uri = line.split()[:2]
        ET.SubElement(description, f"{{{HDREXT}}}rtp-hdrext", id=number.split("/")[0], uri=uri)
    add_sources(description, a)
    if a.has("rtcp-mux"):
        ET.SubElement(description, f"{{{RTP}}}rtcp-mux")
    add_transport(content, a, has_candidates)
    return content


def add_payload(description, pt, a):
    for line in a.all(f"rtpmap:{pt} "):
        name, rate, *channels = line.split("/")
        extra = {"channels": channels[0]} if channels else {}
        payload = ET.SubElement(description, f"{{{RTP}}}payload-type", id=pt, name=name, clockrate=rate, **extra)
        for fmtp in a.all(f"fmtp:{pt} "):
            for word in fmtp.split(";"):
                key, _, value = word.strip().partition("=")
                named = {"name": key, "value": value} if value else {"name": "", "value": key}
                ET.SubElement(payload, f"{{{RTP}}}parameter", **named)
        for feedback in a.all(f"rtcp-fb:{pt} "):
            kind, _, subtype = feedback.partition(" ")
            ET.SubElement(payload, f"{{{RTCP_FB}}}rtcp-fb", type=kind, **({"subtype": subtype} if subtype else {}))


def add_sources(description, a):
    sources = {}
    for line in a.all("ssrc:"):
        ssrc, _, parameter = line.partition(" ")
        if ssrc not in sources:
            sources[ssrc] = ET.SubElement(description, f"{{{SSMA}}}source", ssrc=ssrc)
        name, _, value = parameter.partition(":")
        ET.SubElement(sources[ssrc], f"{{{SSMA}}}parameter", name=name, value=value)


def add_transport(content, a, has_candidates):
    transport = bare_transport(a.all("ice-ufrag:")[0], a.all("ice-pwd:")[0])
    content.append(transport)
    algorithm, value = next(f for f in a.all("fingerprint:") if f.startswith("sha-256")).split()
    fingerprint = ET.SubElement(transport, f"{{{DTLS}}}fingerprint", hash=algorithm, setup=a.all("setup:")[0])
    fingerprint.text = value
    if has_candidates:
        add_candidates(transport, a.all("candidate:"))


def bare_transport(ufrag, pwd):
    return ET.Element(f"{{{ICE}}}transport", ufrag=ufrag, pwd=pwd)


def add_candidates(transport, lines):
    """IPv4 and UDP alone; the tests have no other network."""
    for i, line in enumerate(lines):
        foundation, component, protocol, priority, ip, port, _, kind, *rest = line.split()
        if component != "1" or protocol.lower() != "udp" or ":" in ip:
            continue
        candidate = ET.SubElement(transport, f"{{{ICE}}}candidate", component="1", foundation=foundation, generation="0")
        for key, value in {"id": f"c{i}", "ip": ip, "network": "0", "port": port}.items():
            candidate.set(key, value)
        for key, value in {"priority": priority, "protocol": "udp", "type": kind}.items():
            candidate.set(key, value)
        if "raddr" in rest:
            candidate.set("rel-addr", rest[rest.index("raddr") + 1])
            candidate.set("rel-port", rest[rest.index("rport") + 1])


def trickled(sdp):
    """What follows a description that was sent without candidates: a content for each, with its candidates."""
    contents = []
    for text in sdp.replace("\r", "").split("\nm=")[1:]:
        a = Attributes(text.split("\n"))
        content = ET.Element(f"{{{JINGLE}}}content", creator="initiator", name=a.all("mid:")[0])
        transport = bare_transport(a.all("ice-ufrag:")[0], a.all("ice-pwd:")[0])
        add_candidates(transport, a.all("candidate:"))
        content.append(transport)
        contents.append(content)
    return contents


def speech_codec(sdp):
    """The first format of the first section, as the answer has it: `PCMU/8000`."""
    a = Attributes(sdp.replace("\r", "").split("\nm=")[1].split("\n"))
    return "/".join(a.all("rtpmap:")[0].split(" ", 1)[1].split("/")[:2])
