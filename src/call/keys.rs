//! Keys of a keypad: by which ways they come from a party, and by which they reach the other.

use std::time::Instant;

use tracing::info;

use super::leg::Leg;
use super::two_party::Call;
use crate::base::LegId;
use crate::model::{Abilities, Codec, Dtmf, GraphKeys, RelayCommand, Signal, TapWord};

/// What somebody is told who presses a key that nobody can hear.
const NO_DIGITS: &str = "The other side takes no digits of a keypad: what you press is not passed on.";

/// The form of digits in the media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InMedia {
    /// As events beside the speech (RFC 4733).
    Events,
    /// As tones in the speech.
    Tones,
}

/// How a party is told of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// In its media.
    pub media: Option<InMedia>,
    /// In words.
    pub word: bool,
}

impl Reach {
    /// How digits reach a party with these abilities that takes these formats; `takes_word` is whether its wire has
    /// since learnt that it has a word for them. A word goes beside the media only where it is for people to see.
    pub fn of(abilities: &Abilities, takes_word: bool, takes: &[Codec]) -> Reach {
        let policy = abilities.keys;
        let has_events = policy.has_events() && takes.iter().any(Codec::is_telephone_event);
        let by_info = match policy {
            crate::model::KeyPolicy::Info => true,
            crate::model::KeyPolicy::Auto => takes_word && !has_events,
            crate::model::KeyPolicy::Rfc4733 | crate::model::KeyPolicy::Inband => false,
        };
        let word = abilities.dtmf || by_info;
        let has_tones = policy.has_tones() && abilities.tones && takes.iter().any(Codec::is_transcodable);
        let media = match (has_events, word) {
            (true, _) => Some(InMedia::Events),
            (false, false) if has_tones => Some(InMedia::Tones),
            _ => None,
        };
        Reach { media, word }
    }

    /// Whether nothing of a digit reaches it.
    pub fn is_none(self) -> bool {
        self.media.is_none() && !self.word
    }
}

/// Whether a party with these abilities, of which nothing is known yet but what it offers, can have something to do
/// with digits: say them or be told of them.
pub fn knows_digits(abilities: &Abilities, offered: &[Codec]) -> bool {
    let has_events = abilities.keys.has_events() && offered.iter().any(Codec::is_telephone_event);
    has_events || abilities.dtmf || abilities.tones
}

impl Leg {
    /// How the party is told of digits, by what is known of it now.
    pub fn reach(&self) -> Reach {
        let takes = self.remote.as_ref().map_or(&[][..], |r| &r.codecs);
        Reach::of(&self.abilities, self.takes_word, takes)
    }

    /// Whether the party may say digits as events in its media: both sides have said so.
    fn says_events(&self) -> bool {
        let has = |codecs: &[Codec]| codecs.iter().any(Codec::is_telephone_event);
        has(&self.codecs) && self.remote.as_ref().is_some_and(|r| has(&r.codecs))
    }

    /// Whether the party can say digits only as tones.
    fn says_tones(&self) -> bool {
        self.abilities.tones && self.abilities.keys.has_tones() && self.remote.is_some() && !self.says_events()
    }
}

/// What the relay does about the digits of a leg, the party at the other end being `far`: its tones are listened for
/// where somebody is to be told of them otherwise.
pub fn in_graph(leg: &Leg, far: Option<&Leg>) -> GraphKeys {
    let is_told_otherwise = |far: &Leg| far.remote.is_some() && !far.reach().is_none();
    GraphKeys {
        hears_tones: leg.says_tones()
            && far.is_some_and(|far| is_told_otherwise(far) && far.reach().media != Some(InMedia::Tones)),
        says_tones: leg.remote.is_some() && leg.reach().media == Some(InMedia::Tones),
    }
}

impl Call {
    /// The wire of the leg has learnt whether the party has a word for digits.
    pub(super) fn learn_word(&mut self, leg: LegId, takes: bool) {
        if let Some(known) = self.leg_mut(leg) {
            known.takes_word = takes;
        }
        self.apply();
    }

    /// A digit said by signalling.
    pub(super) fn hear_digit(&mut self, now: Instant, leg: LegId, dtmf: Dtmf) {
        let Some(known) = self.leg_mut(leg) else { return };
        // A page says each of its keys by one way.
        let by_two_ways = !known.abilities.dtmf && (known.says_events() || known.says_tones());
        if let Some(dtmf) = known.once.said(now, dtmf, by_two_ways) {
            self.pass_digit(leg, dtmf, None);
        }
    }

    /// A key goes down in the media.
    pub(super) fn digit_begins(&mut self, now: Instant, leg: LegId, digit: char) {
        if let Some(known) = self.leg_mut(leg) {
            known.once.pressed(now, digit);
        }
        self.say_digits_due(now);
    }

    /// A digit in the media is over.
    pub(super) fn digit_in_media(&mut self, now: Instant, leg: LegId, dtmf: Dtmf) {
        let Some(known) = self.leg_mut(leg) else { return };
        let came = if known.says_tones() { InMedia::Tones } else { InMedia::Events };
        if let Some(dtmf) = known.once.released(now, dtmf) {
            self.pass_digit(leg, dtmf, Some(came));
        }
    }

    /// Passes on the digits that no media will say any more.
    pub(super) fn say_digits_due(&mut self, now: Instant) {
        let legs: Vec<LegId> = std::iter::once(&self.caller).chain(&self.callees).map(|l| l.id).collect();
        for leg in legs {
            while let Some(dtmf) = self.leg_mut(leg).and_then(|l| l.once.handle_timeout(now)) {
                self.pass_digit(leg, dtmf, None);
            }
        }
    }

    /// When [`Call::say_digits_due`] is due.
    pub(super) fn digits_due_at(&self) -> Option<Instant> {
        std::iter::once(&self.caller).chain(&self.callees).filter_map(|l| l.once.poll_timeout()).min()
    }

    /// Tells the other side of a digit, by the ways that it takes. What came in the media has passed there already if
    /// the other side takes the same form.
    pub(super) fn pass_digit(&mut self, from: LegId, dtmf: Dtmf, came: Option<InMedia>) {
        self.tell_fork(TapWord::Digit { leg: from, digit: dtmf.digit, duration: dtmf.duration });
        self.press_on(from, dtmf, came);
    }

    /// Tells the other party of a key, and nobody else.
    pub(super) fn press_on(&mut self, from: LegId, dtmf: Dtmf, came: Option<InMedia>) {
        let Some(other) = self.other(from) else { return };
        let Some(far) = self.leg_mut(other) else { return };
        let reach = far.reach();
        if far.remote.is_some() && reach.is_none() {
            return self.digit_is_lost(from);
        }
        if reach.media.is_some() && reach.media != came {
            let call = self.id;
            self.order(RelayCommand::Dtmf { call, leg: other, digit: dtmf.digit, duration: dtmf.duration });
        }
        if reach.word {
            self.say(other, Signal::Dtmf(dtmf));
        }
    }

    /// Somebody presses keys that the other side cannot be told of, and hears so once.
    pub(super) fn digit_is_lost(&mut self, presser: LegId) {
        if self.leg_mut(presser).is_some_and(|l| !std::mem::replace(&mut l.knows_digits_are_lost, true)) {
            info!(call = %self.id, leg = %presser, "pressed a key; the other side takes no digits");
            self.notice(presser, NO_DIGITS.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyPolicy::{Auto, Inband, Info, Rfc4733};

    #[test]
    fn a_digit_reaches_a_telephone_by_the_first_way_that_its_policy_and_its_answer_allow() {
        let speech = vec![Codec::pcmu()];
        let events = vec![Codec::pcmu(), Codec::telephone_event(101, 8000)];
        let by = |media, word| Reach { media, word };
        for (policy, takes, has_info, expected) in [
            (Auto, &events, true, by(Some(InMedia::Events), false)),
            (Auto, &events, false, by(Some(InMedia::Events), false)),
            (Auto, &speech, true, by(None, true)),
            (Auto, &speech, false, by(Some(InMedia::Tones), false)),
            (Rfc4733, &events, true, by(Some(InMedia::Events), false)),
            (Rfc4733, &speech, true, by(None, false)),
            (Info, &events, false, by(None, true)),
            (Info, &speech, false, by(None, true)),
            (Inband, &events, true, by(Some(InMedia::Tones), false)),
            (Inband, &speech, true, by(Some(InMedia::Tones), false)),
        ] {
            let phone = Abilities::PHONE.with_keys(policy);
            assert_eq!(Reach::of(&phone, has_info, takes), expected, "{policy:?} {takes:?} {has_info}");
        }
        let foreign = vec![Codec::new(18, "G729", 8000, 1)];
        assert!(Reach::of(&Abilities::PHONE, false, &foreign).is_none(), "nobody here encodes a tone in it");
    }

    #[test]
    fn a_page_sees_every_digit_and_an_im_client_without_events_none() {
        let events = [Codec::pcmu(), Codec::telephone_event(101, 8000)];
        let page = Reach::of(&Abilities::BROWSER, false, &events);
        assert_eq!(page, Reach { media: Some(InMedia::Events), word: true });
        assert_eq!(Reach::of(&Abilities::BROWSER, false, &[Codec::pcmu()]), Reach { media: None, word: true });
        assert!(Reach::of(&Abilities::CLIENT, false, &[Codec::pcmu()]).is_none());
    }
}
