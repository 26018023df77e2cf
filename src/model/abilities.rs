//! What a leg can say.

use serde::{Deserialize, Serialize};

use super::{LegSpec, SealKind};

/// What the wire of a leg has words for, as plain data. Where it has none, the call does it by other means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// The media leg to offer when we open the leg.
    pub offers: LegSpec,
    /// Takes a provisional answer at once and another later (JSEP's `pranswer`), so that its transport can
    /// be up before the callee answers.
    pub early_answer: bool,
    /// Hears media before the call is answered.
    pub early_media: bool,
    /// Has a word for hold; without one, hold is a re-offer with another direction.
    pub hold: bool,
    /// Its word for hold says only that the party does not listen: what it plays meanwhile is still to be heard.
    pub plays_on_hold: bool,
    /// Candidates may follow the description.
    pub trickle: bool,
    /// Takes a `Start` without an offer and makes one itself.
    pub late_offer: bool,
    /// Is told of every digit in words, whatever its media carry.
    pub dtmf: bool,
    /// How digits reach it, and come from it.
    pub keys: KeyPolicy,
    /// Where nothing else is agreed on, digits may be tones in its speech, in both directions.
    pub tones: bool,
    /// Can be told that the other side muted itself.
    pub mute: bool,
    /// Opens a leg without an offer and makes one when asked by [`Signal::Solicit`](super::Signal::Solicit).
    /// Without this, a `Start` without an offer means that the answerer offers (RFC 3261 §13.2.1).
    pub offers_when_asked: bool,
    /// Speaks ICE and DTLS-SRTP with any other endpoint that does, so that descriptions and candidates may pass
    /// untouched and the media go directly.
    pub direct: bool,
    /// How media that went directly can be brought to the relay in the middle of a call.
    pub moves: Moves,
    /// Gets through any NAT by itself, with a TURN server of its own: a direct path to it will be found.
    pub traverses: bool,
    /// Whether its media are to be protected.
    pub srtp: SrtpPolicy,
    /// Can show pictures: it may be offered some.
    pub video: bool,
    /// Takes pictures that are offered on the transport of the sound always there (RFC 9143), as every browser does, so
    /// that none need be laid for them.
    pub bundles: bool,
    /// Has a word for [`Signal::Refresh`](super::Signal::Refresh).
    pub refresh: bool,
    /// Keys may stand in its descriptions (RFC 4568): nobody but the peer reads its signalling, or its owner does not
    /// mind.
    pub keys_in_words: bool,
    /// May take a line on which nothing comes for a dead one: while the call is up, its media never stop.
    pub keeps_sending: bool,
    /// Can be asked to go somewhere else by itself, with [`Signal::Transfer`](super::Signal::Transfer).
    pub transfer: bool,
    /// Can be told who is in a conference, or finds out whether it can.
    pub roster: bool,
    /// Can be told that the other end is somebody else from here on.
    pub connected: bool,
}

/// How a party whose media go directly can be given another end in the middle of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Moves {
    /// Not at all.
    #[default]
    Never,
    /// By an offer that is another party's altogether, with another certificate (RFC 8842 §4).
    ByOffer,
    /// By another call to the same party, which takes the place of the one that is there: a [`Start`](super::Start) whose
    /// [`About::replaces`](super::About::replaces) names the party's leg.
    ByCall,
}

/// How digits of a keypad reach a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPolicy {
    /// As events in its media if they are agreed on, else by a word if it has one, else as tones.
    #[default]
    Auto,
    /// As events in its media (RFC 4733) or not at all.
    Rfc4733,
    /// By a word of its wire, SIP INFO; events are not agreed on.
    Info,
    /// As tones in its speech; events are not agreed on.
    Inband,
}

impl KeyPolicy {
    /// Whether events in the media may be agreed on.
    pub fn has_events(self) -> bool {
        matches!(self, KeyPolicy::Auto | KeyPolicy::Rfc4733)
    }

    /// Whether digits may be tones.
    pub fn has_tones(self) -> bool {
        matches!(self, KeyPolicy::Auto | KeyPolicy::Inband)
    }

    /// The policy by its word in the configuration.
    pub fn by_word(word: &str) -> Option<KeyPolicy> {
        [KeyPolicy::Auto, KeyPolicy::Rfc4733, KeyPolicy::Info, KeyPolicy::Inband]
            .into_iter()
            .find(|policy| policy.word() == word)
    }

    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            KeyPolicy::Auto => "auto",
            KeyPolicy::Rfc4733 => "rfc4733",
            KeyPolicy::Info => "info",
            KeyPolicy::Inband => "inband",
        }
    }
}

/// Whether the media of a leg are to be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SrtpPolicy {
    /// Never: for peers that break at the sight of it.
    Off,
    /// If the peer does it. We offer it so that a peer without it can still answer (RFC 8643).
    #[default]
    Optional,
    /// Always: no media without.
    Required,
}

impl SrtpPolicy {
    /// How we offer to protect a leg without ICE. Without leave to write keys into descriptions it is DTLS that makes
    /// them, which no plain telephone can answer.
    fn offers(self, keys_in_words: bool) -> SealKind {
        match (self, keys_in_words) {
            (SrtpPolicy::Off, _) | (SrtpPolicy::Optional, false) => SealKind::Plain,
            (SrtpPolicy::Optional, true) => SealKind::Opportunistic,
            (SrtpPolicy::Required, true) => SealKind::Sdes,
            (SrtpPolicy::Required, false) => SealKind::Dtls,
        }
    }
}

impl Abilities {
    /// The same telephone with this policy for its media.
    pub fn with_srtp(self, srtp: SrtpPolicy, keys_in_words: bool) -> Abilities {
        let offers = LegSpec { seal: srtp.offers(keys_in_words), ..self.offers };
        Abilities { offers, srtp, keys_in_words, ..self }
    }

    /// The same telephone with its digits by this policy.
    pub fn with_keys(self, keys: KeyPolicy) -> Abilities {
        Abilities { keys, ..self }
    }

    /// A browser on the WebSocket protocol.
    pub const BROWSER: Abilities = Abilities {
        offers: LegSpec::BROWSER,
        early_answer: true,
        early_media: true,
        hold: true,
        plays_on_hold: false,
        trickle: true,
        late_offer: false,
        dtmf: true,
        keys: KeyPolicy::Auto,
        tones: false,
        mute: true,
        offers_when_asked: false,
        direct: true,
        moves: Moves::ByOffer,
        traverses: false,
        srtp: SrtpPolicy::Required,
        video: true,
        bundles: true,
        refresh: false,
        keys_in_words: false,
        keeps_sending: false,
        transfer: false,
        roster: true,
        connected: true,
    };

    /// An IM client: Jingle with ICE and DTLS-SRTP. It has no word for a digit, and XMPP servers give their
    /// users TURN (XEP-0215).
    pub const CLIENT: Abilities = Abilities {
        offers: LegSpec::CLIENT,
        early_answer: false,
        early_media: false,
        hold: true,
        plays_on_hold: true,
        trickle: true,
        late_offer: false,
        dtmf: false,
        keys: KeyPolicy::Auto,
        tones: false,
        mute: true,
        offers_when_asked: true,
        direct: true,
        moves: Moves::ByCall,
        traverses: true,
        srtp: SrtpPolicy::Required,
        video: true,
        bundles: false,
        refresh: false,
        keys_in_words: false,
        keeps_sending: false,
        transfer: false,
        roster: true,
        connected: false,
    };

    /// A telephone or trunk that speaks plain SIP and RTP.
    pub const PHONE: Abilities = Abilities {
        offers: LegSpec::PHONE,
        early_answer: false,
        early_media: true,
        hold: false,
        plays_on_hold: false,
        trickle: false,
        late_offer: true,
        dtmf: false,
        keys: KeyPolicy::Auto,
        tones: true,
        mute: false,
        offers_when_asked: false,
        direct: false,
        moves: Moves::Never,
        traverses: false,
        srtp: SrtpPolicy::Optional,
        video: true,
        bundles: false,
        refresh: true,
        keys_in_words: false,
        keeps_sending: true,
        transfer: false,
        roster: false,
        connected: false,
    };

    /// A telephone in a browser, by SIP over a WebSocket (RFC 7118): the media of a browser, the words of SIP.
    pub const WEB_PHONE: Abilities = Abilities {
        offers: LegSpec::BROWSER,
        tones: false,
        srtp: SrtpPolicy::Required,
        refresh: false,
        keeps_sending: false,
        ..Abilities::PHONE
    };
}
