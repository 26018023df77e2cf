//! The namespaces of calls between IM clients.

/// Stanzas of a client's stream (RFC 6120 §4.8.2); what the driver gives and takes, whatever its stream's is.
pub const CLIENT: &str = "jabber:client";
/// The conditions of stanza errors (RFC 6120 §8.3).
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// XEP-0166.
pub const JINGLE: &str = "urn:xmpp:jingle:1";
/// XEP-0166 §10, the conditions beside those of stanza errors.
pub const JINGLE_ERRORS: &str = "urn:xmpp:jingle:errors:1";
/// XEP-0167.
pub const RTP: &str = "urn:xmpp:jingle:apps:rtp:1";
/// XEP-0167 §8, the payloads of `session-info`.
pub const RTP_INFO: &str = "urn:xmpp:jingle:apps:rtp:info:1";
/// XEP-0167, the feature of a party that can hear and speak.
pub const RTP_AUDIO: &str = "urn:xmpp:jingle:apps:rtp:audio";
/// XEP-0167, the feature of a party that can see and show.
pub const RTP_VIDEO: &str = "urn:xmpp:jingle:apps:rtp:video";
/// XEP-0176.
pub const ICE_UDP: &str = "urn:xmpp:jingle:transports:ice-udp:1";
/// XEP-0320.
pub const DTLS: &str = "urn:xmpp:jingle:apps:dtls:0";
/// XEP-0293.
pub const RTCP_FB: &str = "urn:xmpp:jingle:apps:rtp:rtcp-fb:0";
/// XEP-0294.
pub const RTP_HDREXT: &str = "urn:xmpp:jingle:apps:rtp:rtp-hdrext:0";
/// XEP-0338, the elements.
pub const GROUPING: &str = "urn:xmpp:jingle:apps:grouping:0";
/// XEP-0338, the feature.
pub const GROUPING_FEATURE: &str = "urn:ietf:rfc:5888";
/// XEP-0339, the elements.
pub const SSMA: &str = "urn:xmpp:jingle:apps:rtp:ssma:0";
/// XEP-0339, the feature.
pub const SSMA_FEATURE: &str = "urn:ietf:rfc:5576";
/// The names of a stream and its track as the client stanza says them; no XEP.
pub const MSID: &str = "urn:xmpp:jingle:apps:rtp:msid:0";
/// XEP-0353.
pub const JINGLE_MESSAGE: &str = "urn:xmpp:jingle-message:0";
/// XEP-0176 §5.2, the feature of a party that wants its candidates in the offer and the answer.
pub const BATCH_FEATURE: &str = "urn:ietf:rfc:3264";
/// XEP-0334.
pub const HINTS: &str = "urn:xmpp:hints";
/// XEP-0184.
pub const RECEIPTS: &str = "urn:xmpp:receipts";
/// XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// XEP-0298, the feature and the word that there is a conference.
pub const COIN: &str = "urn:xmpp:coin:1";
/// The lists themselves (RFC 4575 §8.3).
pub const CONFERENCE_INFO: &str = "urn:ietf:params:xml:ns:conference-info";
/// XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
