"""Namespaces, and the features that follow from them."""

JINGLE = "urn:xmpp:jingle:1"
ERRORS = "urn:xmpp:jingle:errors:1"
RTP = "urn:xmpp:jingle:apps:rtp:1"
RTP_VIDEO = "urn:xmpp:jingle:apps:rtp:video"
RTP_INFO = "urn:xmpp:jingle:apps:rtp:info:1"
RTCP_FB = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0"
HDREXT = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0"
SSMA = "urn:xmpp:jingle:apps:rtp:ssma:0"
ICE = "urn:xmpp:jingle:transports:ice-udp:1"
DTLS = "urn:xmpp:jingle:apps:dtls:0"
GROUPING = "urn:xmpp:jingle:apps:grouping:0"
JMI = "urn:xmpp:jingle-message:0"
HINTS = "urn:xmpp:hints"
DELAY = "urn:xmpp:delay"
RECEIPTS = "urn:xmpp:receipts"
DISCO_INFO = "http://jabber.org/protocol/disco#info"
CAPS = "http://jabber.org/protocol/caps"
CLIENT = "jabber:client"
ROSTER = "jabber:iq:roster"
STANZA_ERRORS = "urn:ietf:params:xml:ns:xmpp-stanzas"

FEATURES = [
    JINGLE,
    RTP,
    "urn:xmpp:jingle:apps:rtp:audio",
    ICE,
    DTLS,
    GROUPING,
    SSMA,
    HDREXT,
    RTCP_FB,
    RECEIPTS,
    DISCO_INFO,
    CAPS,
]


def local(element):
    """The name of an element without its namespace."""
    return element.tag.rsplit("}", 1)[-1]


def namespace(element):
    return element.tag[1:].split("}", 1)[0] if element.tag.startswith("{") else ""
