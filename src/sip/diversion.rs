//! Who sent a call on before it came here, and who sends it on: `Diversion` (RFC 5806) and `History-Info` (RFC 7044), each
//! as the other says it (RFC 7544).

use super::config::{DiversionForm, NumberFormat, Trunk};
use super::message::{Header, Headers, Host, Name, NameAddr, SipUri, Uri};
use super::say;
use crate::model::{Address, Diversion, DiversionReason, Party, Start};

/// The most that are read of a call; those that sent it on first are left out.
pub const MOST: usize = 8;
/// The most entries of a `History-Info` that are looked at.
const MOST_ENTRIES: usize = 32;

/// The words of RFC 5806 §4 and the causes of RFC 4458 §2, as RFC 7544 §7 pairs them.
const REASONS: [(DiversionReason, &str, &str); 5] = [
    (DiversionReason::Unconditional, "unconditional", "302"),
    (DiversionReason::Busy, "user-busy", "486"),
    (DiversionReason::NoAnswer, "no-answer", "408"),
    (DiversionReason::Unavailable, "unavailable", "503"),
    (DiversionReason::Other, "unknown", "404"),
];

/// Who sent a call on, the last one first. `Diversion` counts where both are there. `party` says whom an address names.
pub fn read(headers: &Headers, format: NumberFormat, party: impl Fn(&NameAddr) -> Party) -> Vec<Diversion> {
    let named = |name: &NameAddr, private: bool| {
        let mut by = party(name);
        by.address.user = format.read(&by.address.user);
        by.private = private;
        by
    };
    if headers.has(&Name::Diversion) {
        return read_diversions(headers, named);
    }
    read_history(headers, named)
}

fn read_diversions(headers: &Headers, named: impl Fn(&NameAddr, bool) -> Party) -> Vec<Diversion> {
    let all = headers.elements(&Name::Diversion).take(MOST).filter_map(|text| text.parse::<NameAddr>().ok());
    all.map(|name| {
        let word = name.params.text("reason").unwrap_or_default();
        let reason = REASONS.iter().find(|(_, known, _)| known.eq_ignore_ascii_case(&word));
        let private = name.params.text("privacy").is_some_and(|word| !word.eq_ignore_ascii_case("off"));
        Diversion { by: named(&name, private), reason: reason.map_or(DiversionReason::Other, |r| r.0) }
    })
    .collect()
}

/// An entry was sent on if a later one was made of it for another user (`mp`), or says by its `cause` why it was.
fn read_history(headers: &Headers, named: impl Fn(&NameAddr, bool) -> Party) -> Vec<Diversion> {
    let entries = headers.elements(&Name::HistoryInfo).take(MOST_ENTRIES);
    let entries: Vec<NameAddr> = entries.filter_map(|text| text.parse().ok()).collect();
    let hides_all = headers.elements(&Name::Privacy).any(hides_history);
    let mut found = Vec::new();
    for (before, entry) in entries.iter().zip(entries.iter().skip(1)) {
        let made_of = entry.params.get("mp");
        let cause = entry.uri.sip().and_then(|uri| uri.params.get("cause"));
        if made_of.is_none() && cause.is_none() {
            continue;
        }
        let by = made_of.and_then(|index| entries.iter().find(|e| e.params.get("index") == Some(index)));
        let by = by.unwrap_or(before);
        let about = |name: &str| by.uri.sip().and_then(|uri| header_of(uri, name));
        let private = hides_all || about("privacy").is_some_and(|value| value.split(';').any(hides_history));
        let cause = cause.map(str::to_owned).or_else(|| about("reason").and_then(|value| sip_cause(&value)));
        let reason = REASONS.iter().find(|(_, _, known)| cause.as_deref() == Some(known));
        found.push(Diversion { by: named(by, private), reason: reason.map_or(DiversionReason::Other, |r| r.0) });
    }
    found.reverse();
    found.truncate(MOST);
    found
}

/// RFC 7044 §10.1.2, RFC 3323 §4.2
fn hides_history(word: &str) -> bool {
    ["history", "session", "header"].iter().any(|hides| word.trim().eq_ignore_ascii_case(hides))
}

fn header_of(uri: &SipUri, name: &str) -> Option<String> {
    uri.headers().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.into_owned())
}

/// The `cause` of a `Reason` of the protocol SIP (RFC 3326), as it stands in an address.
fn sip_cause(reason: &str) -> Option<String> {
    let mut parts = reason.split(';').map(str::trim);
    let is_sip = parts.next().is_some_and(|protocol| protocol.eq_ignore_ascii_case("SIP"));
    let cause = parts.find_map(|part| part.strip_prefix("cause="))?;
    is_sip.then(|| cause.to_owned())
}

/// The headers of a call of ours that say who sent it on: to a trunk in the form that it wants, to our own users as
/// `Diversion`, at our own domain.
pub fn write(start: &Start, trunk: Option<&Trunk>, domain: &Host) -> Vec<Header> {
    let all = &start.about.diversions;
    if all.is_empty() {
        return Vec::new();
    }
    let form = trunk.map_or(DiversionForm::Diversion, |t| t.profile.diversion);
    match (form, trunk) {
        (DiversionForm::None, _) => Vec::new(),
        (DiversionForm::HistoryInfo, Some(trunk)) => history(start, trunk),
        (DiversionForm::Diversion | DiversionForm::HistoryInfo, _) => all
            .iter()
            .map(|diversion| {
                let privacy = if diversion.by.private { "full" } else { "off" };
                let reason = row(diversion.reason).1;
                let by = NameAddr::new(written(&diversion.by, trunk, domain));
                Header::new(Name::Diversion, format!("{by};reason={reason};privacy={privacy}"))
            })
            .collect(),
    }
}

/// Whom a call was meant for at first, then each it was sent on to, and at last whom we call (RFC 7044 §9).
fn history(start: &Start, trunk: &Trunk) -> Vec<Header> {
    let mut headers = vec![Header::new(Name::Supported, "histinfo")];
    let (mut index, mut made_of, mut cause) = ("1".to_owned(), String::new(), "");
    let mut entry = |mut uri: SipUri, private: bool, next: &'static str| {
        if !cause.is_empty() {
            uri = uri.with_param("cause", cause);
        }
        let hidden = if private { "?Privacy=history" } else { "" };
        headers.push(Header::new(Name::HistoryInfo, format!("<{uri}{hidden}>;index={index}{made_of}")));
        made_of = format!(";mp={index}");
        index.push_str(".1");
        cause = next;
    };
    for diversion in start.about.diversions.iter().rev() {
        let uri = written(&diversion.by, Some(trunk), &Host::from(""));
        entry(uri, diversion.by.private, row(diversion.reason).2);
    }
    if let Uri::Sip(target) = say::uri_at_trunk(&start.to, trunk) {
        entry(target, false, "");
    }
    headers
}

/// Whoever wishes not to be named is named to nobody but a trunk that is trusted with that (RFC 3325 §7).
fn written(by: &Party, trunk: Option<&Trunk>, domain: &Host) -> SipUri {
    let is_trusted = trunk.is_some_and(|t| t.asserted_identity);
    if by.private && !is_trusted {
        return SipUri::new(Host::from("anonymous.invalid")).with_user("anonymous");
    }
    let Some(trunk) = trunk else { return SipUri::new(domain.clone()).with_user(&by.address.bare().to_string()) };
    let host = trunk.from_domain.as_deref().unwrap_or(&trunk.address.host);
    let uri = SipUri::new(Host::from(host)).with_user(&trunk.profile.number_format.write(&by.address.user));
    let is_phone = trunk.user_phone && Address::here(by.address.user.clone()).is_number();
    if is_phone { uri.with_param("user", "phone") } else { uri }
}

fn row(reason: DiversionReason) -> &'static (DiversionReason, &'static str, &'static str) {
    let [.., other] = &REASONS;
    REASONS.iter().find(|row| row.0 == reason).unwrap_or(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(lines: &[(Name, &str)]) -> Vec<(String, bool, DiversionReason)> {
        let headers: Headers = lines.iter().map(|(name, value)| Header::new(name.clone(), *value)).collect();
        let party = |name: &NameAddr| Party::new(Address::here(name.uri.user().unwrap_or_default()));
        let all = read(&headers, NumberFormat::Plain, party);
        all.into_iter().map(|d| (d.by.address.user, d.by.private, d.reason)).collect()
    }

    #[test]
    fn a_diversion_says_who_sent_the_call_on_last_first_and_why() {
        let said =
            "<sip:4930222222@carrier>;reason=no-answer;counter=1, \"Front\" <tel:+4930111111>;reason=\"user-busy\"";
        let expected = [
            ("+4930222222".to_owned(), false, DiversionReason::NoAnswer),
            ("+4930111111".to_owned(), false, DiversionReason::Busy),
        ];
        assert_eq!(heard(&[(Name::Diversion, said)]), expected);
        let odd =
            heard(&[(Name::Diversion, "<sip:x@y>;reason=follow-me;privacy=full"), (Name::Diversion, "nonsense <")]);
        assert_eq!(odd, [("x".to_owned(), true, DiversionReason::Other)]);
        let many = ["<sip:x@y>"; 20].join(",");
        assert_eq!(heard(&[(Name::Diversion, &many)]).len(), MOST);
    }

    #[test]
    fn a_history_tells_the_same_in_its_own_words() {
        let said = "<sip:+4930111111@pbx?Reason=SIP%3Bcause%3D486>;index=1, <sip:+4930222222@pbx;cause=486>;index=1.1;mp=1, \
                    <sip:+4930222222@10.0.0.3>;index=1.1.1;rc=1.1, <sip:+4930333333@pbx;cause=408>;index=1.2;mp=1.1";
        let expected = [
            ("+4930222222".to_owned(), false, DiversionReason::NoAnswer),
            ("+4930111111".to_owned(), false, DiversionReason::Busy),
        ];
        assert_eq!(heard(&[(Name::HistoryInfo, said)]), expected);
        let hidden =
            "<sip:+4930111111@pbx?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1, <sip:b@pbx>;index=1.1;mp=1";
        assert_eq!(
            heard(&[(Name::HistoryInfo, hidden)]),
            [("+4930111111".to_owned(), true, DiversionReason::Unconditional)]
        );
        let only_retargeted = "<sip:b@pbx>;index=1, <sip:b@10.0.0.3>;index=1.1;rc=1";
        assert!(heard(&[(Name::HistoryInfo, only_retargeted)]).is_empty());
        assert_eq!(heard(&[(Name::HistoryInfo, hidden), (Name::Diversion, "<sip:c@pbx>")])[0].0, "c");
    }
}
