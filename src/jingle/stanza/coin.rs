//! Who is in a conference (XEP-0298): the list of RFC 4575 as a request of its own, and the word that there is one.

use xmpp_parsers::jid::Jid;
use xmpp_parsers::minidom::Element;

use super::ns;
use super::xml::Tag;
use crate::model::{Member, MemberState, Roster};

/// The longest list, in octets before they are escaped: servers refuse long stanzas, and end the stream for them. Who has
/// no room in it is counted.
pub const LONGEST_LIST: usize = 32 * 1024;
/// What a member takes in it besides its name and its address, which stands there twice.
const MEMBER: usize = 200;

/// `<conference-info isfocus="true"/>`: whoever says it mixes what several say, or does not any more.
pub(super) fn focus(is_focus: bool) -> Element {
    Tag::new("conference-info", ns::COIN).with("isfocus", is_focus.to_string()).build()
}

/// The whole list, as the client `to` sees it in this session.
///
/// The name of the session is no part of the XEP; it is how Jitsi finds the call that a list is of.
pub fn write(from: &Jid, to: &Jid, sid: &str, version: u32, list: &Roster) -> Element {
    let tag = |name| Tag::new(name, ns::CONFERENCE_INFO);
    let about = list
        .subject
        .as_ref()
        .map(|subject| tag("conference-description").children([tag("subject").text(subject).build()]).build());
    let count = tag("user-count").text(&list.count.to_string()).build();
    let length = |member: &Member| MEMBER + 2 * member.id.len() + member.name.as_ref().map_or(0, String::len);
    let all = list.members.iter().scan(0, |sum, member| {
        *sum += length(member);
        (*sum <= LONGEST_LIST).then_some(member)
    });
    let users = all.map(|member| user(member, to));
    let users = tag("users").children(users).build();
    tag("conference-info")
        .with("entity", format!("xmpp:{from}"))
        .with("state", "full")
        .with("version", version.to_string())
        .with("sid", sid)
        .children(about)
        .children([tag("conference-state").children([count]).build(), users])
        .build()
}

/// RFC 4575 §5.6 to §5.8. The client finds itself by its own address.
fn user(member: &Member, client: &Jid) -> Element {
    let tag = |name| Tag::new(name, ns::CONFERENCE_INFO);
    let text = |name, text: &str| tag(name).text(text).build();
    let (entity, device) = match member.you {
        true => (format!("xmpp:{}", client.to_bare()), format!("xmpp:{client}")),
        false => (member.id.clone(), member.id.clone()),
    };
    let status = match member.state {
        MemberState::Joining => "pending",
        MemberState::Joined => "connected",
        MemberState::OnHold => "on-hold",
        MemberState::Leaving => "disconnecting",
    };
    // The direction is told as the member sees it.
    let direction = if member.muted { "recvonly" } else { "sendrecv" };
    let media = tag("media").with("id", "1").children([text("type", "audio"), text("status", direction)]).build();
    let endpoint = tag("endpoint").with("entity", device).children([text("status", status), media]).build();
    let name = member.name.as_ref().map(|name| text("display-text", name));
    tag("user").with("entity", entity).with("state", "full").children(name).children([endpoint]).build()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_list_that_no_server_would_pass_on_is_cut_and_says_how_many_there_are() {
        let member = |n: usize| Member {
            id: format!("sip:{n}@example.org"),
            name: Some("x".repeat(256)),
            address: None,
            state: MemberState::Leaving,
            muted: false,
            talking: false,
            you: false,
        };
        let list = Roster { subject: None, members: (0..500).map(member).collect(), count: 700 };
        let jid = |text| Jid::new(text).unwrap();
        let written = String::from(&write(&jid("600@phone.example.org"), &jid("romeo@m.lit/x"), "s", 1, &list));
        assert!(written.len() <= LONGEST_LIST + 1024, "{}", written.len());
        assert!(
            written.contains("<user-count>700</user-count>") && written.contains("sip:50@example.org"),
            "{written}"
        );
    }
}
