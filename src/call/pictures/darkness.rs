//! Pictures that should come and do not, as the relay tells.

use tracing::{info, warn};

use crate::base::LegId;
use crate::call::two_party::Call;

impl Call {
    /// Nothing is seen of a party that should show itself.
    pub(in crate::call) fn unseen(&mut self, leg: LegId, why: String) {
        warn!(call = %self.id, %leg, why, "shows nothing");
        self.ledger.why(why.clone());
        for told in self.both() {
            self.notice(told, why.clone());
        }
    }

    /// The pictures that were missed come in.
    pub(in crate::call) fn seen_again(&mut self, leg: LegId) {
        info!(call = %self.id, %leg, "its pictures come in again");
        for told in self.both() {
            let whom = if told == leg { "You are" } else { "The other side is" };
            self.notice(told, format!("{whom} seen again."));
        }
    }
}
