//! Speech put aside: an offer in which the stream of sound has port 0 (RFC 3264 §8.2). In a talk it is the hold of some
//! older telephones, which take the stream up again by a later offer.

use super::leg::{Leg, refused};
use super::two_party::Call;
use crate::base::{ExchangeId, LegId};
use crate::model::{Answer, Description, Direction, Kind, Signal, Stream};

impl Leg {
    /// Whether an offer takes away the sound of a session that has some, and leaves nothing else.
    pub fn is_put_aside(&self, offer: &Description) -> bool {
        let has_sound = offer.streams.iter().any(|s| s.kind == Kind::Audio);
        self.remote.is_some() && has_sound && offer.streams.iter().all(|s| !s.accepted)
    }

    /// Nobody speaks until the stream is taken up again; what is answered to that.
    fn put_aside(&mut self, offer: &Description) -> Description {
        let streams: Vec<Stream> = offer.streams.iter().map(refused).collect();
        self.take_slots(&streams);
        self.remote_direction = Direction::Inactive;
        self.said_direction = Direction::Inactive;
        Description { streams, groups: Vec::new(), extras: Vec::new() }
    }
}

impl Call {
    /// A party puts the speech of a talk aside: it holds.
    pub(super) fn put_aside(&mut self, leg: LegId, exchange: ExchangeId, offer: &Description) {
        let Some(known) = self.leg_mut(leg) else { return };
        let was_holding = known.holds();
        let description = known.put_aside(offer);
        self.apply();
        self.say(leg, Signal::Answer(Answer { exchange, description, provisional: false }));
        self.hold_changed(leg, was_holding);
    }
}
