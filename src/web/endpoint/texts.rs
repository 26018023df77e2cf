//! Messages between people: what pages write goes to the switch, what the switch brings goes to pages.

use std::time::Instant;

use super::{Endpoint, Output};
use crate::model::{Address, Cause, Entry, Text, TextId, Undelivered};
use crate::web::error::{FrameError, FrameErrorCode};
use crate::web::frame::NewText;
use crate::web::leg::Caller;
use crate::web::session::SessionId;
use crate::web::to_page::ToPage;

impl Endpoint {
    /// Delivers a message to the page that its contact means. A page that is not there gets nothing: the one who
    /// wrote the message is told so.
    pub fn deliver(&mut self, text: Text) {
        let target = text.contact.as_ref().and_then(SessionId::of);
        let conn = target.and_then(|id| self.sessions.get(&id)).and_then(|owned| owned.session.conn());
        let result = match conn {
            Some(conn) => {
                let Caller { address: from, display } = Caller::of(text.from);
                self.tell(conn, &ToPage::Text { from, display, body: text.body });
                Ok(())
            }
            None => Err(Undelivered::new(Cause::Unavailable)),
        };
        self.outputs.push_back(Output::Delivered { id: text.id, result });
    }

    /// What became of a message that a page wrote.
    pub fn delivered(&mut self, id: TextId, result: Result<(), Undelivered>) {
        let session = (id.adapter == self.adapter).then(|| self.texts.get(&id.number).copied()).flatten();
        if let Some(session) = session {
            self.in_session(session, |s, _, wants| s.delivered(id.number, result, wants));
        }
    }

    /// The switch had no room for a message that a page wrote.
    pub fn handle_text_overflow(&mut self, id: TextId) {
        self.delivered(id, Err(Undelivered::new(Cause::Congestion)));
    }

    /// A page writes a message.
    pub(super) fn write(&mut self, now: Instant, id: SessionId, wish: NewText) -> Result<(), FrameError> {
        let Some(user) = self.sessions.get(&id).map(|o| o.session.user().to_owned()) else { return Ok(()) };
        let name = wish.id.clone();
        let wrong = |code, text: &str| FrameError::new(code, text).in_text(Some(name)).about("text");
        let Some(from) = self.party(&user) else {
            return Err(wrong(FrameErrorCode::BadToken, "the user is not known any more; sign in anew"));
        };
        let to: Address = wish.to.parse().map_err(|e| wrong(FrameErrorCode::BadNumber, &format!("{e}")))?;
        self.next_text += 1;
        let number = self.next_text;
        self.in_session(id, |s, _, _| s.write(now, number, wish.id)).unwrap_or(Ok(()))?;
        self.texts.insert(number, id);
        let text = Text {
            id: TextId { adapter: self.adapter, number },
            entry: Entry::User(user),
            from,
            to,
            contact: None,
            trunk: None,
            body: wish.body,
        };
        self.outputs.push_back(Output::Written(text));
        Ok(())
    }
}
