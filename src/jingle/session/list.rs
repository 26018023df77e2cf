//! Who is in the conference at the other end, for a client that shows it (XEP-0298).

use super::requests::Asked;
use super::{Leg, Said};
use crate::jingle::stanza::{Action, Jingle, coin};
use crate::model::{Member, Roster};

/// What the client knows of the conference.
#[derive(Debug, Default)]
pub(super) struct List {
    /// The last one, until it is told.
    kept: Option<Roster>,
    /// What the client was told last.
    told: Option<Roster>,
    /// How often it was told.
    version: u32,
}

impl Leg {
    /// The call says who is there. It is kept until [`Leg::show_list`].
    pub fn keep_list(&mut self, list: Roster) {
        // The list has no word for who speaks, so that nobody is told anew for that.
        let members = list.members.into_iter().map(|member| Member { talking: false, ..member });
        self.list.kept = Some(Roster { members: members.collect(), ..list });
    }

    /// Whether there is a list that the client has not been told.
    pub fn has_list(&self) -> bool {
        self.list.kept.is_some()
    }

    /// The client shows such lists: it is told the last one, if that is news.
    pub fn show_list(&mut self, out: &mut Said) {
        let Some(list) = self.list.kept.take_if(|_| matches!(self.stage, super::Stage::Active)) else { return };
        if self.list.told.as_ref() == Some(&list) {
            return;
        }
        if list.members.is_empty() {
            // Nobody tells any more who is there.
            if self.list.told.take().is_some() {
                self.say_focus(false, out);
            }
            return;
        }
        if self.list.told.is_none() {
            self.say_focus(true, out);
        }
        self.list.version = self.list.version.saturating_add(1);
        let (ours, peer) = (&self.ends.ours, &self.ends.peer);
        let document = coin::write(ours, peer, &self.ends.sid, self.list.version, &list);
        self.list.told = Some(list);
        self.ask_to_do(document, Asked::Other, out);
    }

    /// XEP-0298 §5: whether the client talks to a conference.
    fn say_focus(&mut self, is_focus: bool, out: &mut Said) {
        let mut jingle = Jingle::new(Action::SessionInfo, &self.ends.sid);
        jingle.focus = Some(is_focus);
        self.request(jingle, Asked::Other, out);
    }
}
