//! Which formats of pictures two parties share: pure functions of what they offered and answered.
//!
//! Pictures are never translated, so what one side sends the other must take: of the caller's formats those are
//! offered to the callee that any two endpoints may have, and the caller is answered with the one that the callee
//! took. Retransmission, redundancy and forward error correction (`rtx`, `red`, `ulpfec`, `flexfec`) belong to one
//! transport and never pass.

use super::h264;
use crate::model::{Codec, IceMode, LegSpec};

/// The formats of pictures that pass.
const PASSED: [&str; 4] = ["VP8", "H264", "VP9", "AV1"];
/// The clock of all of them, in hertz.
const CLOCK_HZ: u32 = 90_000;
/// The most formats that a telephone is offered: its INVITE is to stay small.
const OFFERED_TO_PHONE: usize = 4;
/// The most formats that anybody is offered.
const OFFERED: usize = 12;
/// The feedback that the relay gives and heeds on every leg, whatever the other leg has: whole pictures are asked for by
/// either way (RFC 5104 §4.3.1, RFC 4585 §6.3.1), lost packets are sent again and asked for (RFC 4585 §6.2.1), and what
/// one side takes is told to the other (RFC 5104 §4.2.1, draft-alvestrand-rmcat-remb). What concerns a whole transport is
/// in [`transport_cc`](super::transport_cc).
const FEEDBACK: [&str; 5] = ["ccm fir", BOUNDS, "nack", "nack pli", "goog-remb"];
/// The feedback that may have parameters, which are its sender's own (RFC 5104 §7.1: `smaxpr`).
const BOUNDS: &str = "ccm tmmbr";
/// The payload types to give a format whose own number is taken: the dynamic ones, then those that RFC 5761 §4
/// leaves free beside multiplexed RTCP.
const NUMBERS: [std::ops::RangeInclusive<u8>; 2] = [96..=127, 35..=63];

/// Whether a format of pictures passes from one leg to another.
pub fn passes(codec: &Codec) -> bool {
    codec.clock_hz == CLOCK_HZ && PASSED.iter().any(|name| codec.name.eq_ignore_ascii_case(name))
}

/// Whether two sides mean the same format, so that what one of them sends the other takes.
pub fn fits(one: &Codec, other: &Codec) -> bool {
    if !one.is_same_format(other) {
        return false;
    }
    let (left, right) = (one.parameters.as_deref(), other.parameters.as_deref());
    let same = |name: &str| {
        let value = |p| h264::parameter(p, name).unwrap_or("0");
        value(left) == value(right)
    };
    match one.name.to_ascii_uppercase().as_str() {
        "H264" => h264::fits(left, right),
        // RFC 9628 §6, and the RTP payload format of AV1, §7.2.3: the profile is the same in both directions.
        "VP9" => same("profile-id"),
        "AV1" => same("profile"),
        _ => true,
    }
}

/// Pictures of more than eight bits a sample, which no telephone shows.
fn is_deep(codec: &Codec) -> bool {
    let profile = h264::parameter(codec.parameters.as_deref(), "profile-id");
    codec.name.eq_ignore_ascii_case("VP9") && profile.is_some_and(|p| p != "0")
}

/// Whether a telephone is not offered a format because it is offered the constrained form of it. One that compares the
/// mode alone (baresip) takes both for one format, and sends in the number of either.
fn is_needless(codec: &Codec, far: &[Codec]) -> bool {
    far.iter().any(|other| is_wider(codec, other))
}

/// Whether the first of two is H.264 as Baseline and the second the same as Constrained Baseline.
fn is_wider(wide: &Codec, narrow: &Codec) -> bool {
    let is_h264 = |codec: &Codec| codec.name.eq_ignore_ascii_case("H264");
    is_h264(wide) && is_h264(narrow) && h264::is_wider(wide.parameters.as_deref(), narrow.parameters.as_deref())
}

/// The formats to offer on a leg of this kind, for what the far side can do. Those that were said on it before
/// (`known`) keep their numbers (RFC 3264 §8.3.2); the others get none that is `taken`.
pub fn to_offer(far: &[Codec], towards: LegSpec, known: &[Codec], taken: &[u8]) -> Vec<Codec> {
    let is_phone = towards.ice == IceMode::None;
    let most = if is_phone { OFFERED_TO_PHONE } else { OFFERED };
    let mut ours: Vec<Codec> = Vec::new();
    let is_fit = |c: &&Codec| passes(c) && !(is_phone && (is_deep(c) || is_needless(c, far)));
    for codec in far.iter().filter(is_fit) {
        if ours.len() == most || ours.iter().any(|o| fits(o, codec)) {
            continue;
        }
        let in_use = |n: u8| taken.contains(&n) || ours.iter().any(|o| o.payload_type == n);
        let before = known.iter().find(|k| fits(k, codec)).map(|k| k.payload_type);
        let own = (codec.payload_type >= 96 && !in_use(codec.payload_type)).then_some(codec.payload_type);
        let free =
            || NUMBERS.into_iter().flatten().find(|n| !in_use(*n) && !known.iter().any(|k| k.payload_type == *n));
        let Some(payload_type) = before.or(own).or_else(free) else { break };
        let feedback = FEEDBACK.map(str::to_owned).to_vec();
        ours.push(Codec { payload_type, feedback, ..codec.clone() });
    }
    ours
}

/// Of what the peer answered, that which we had offered: what may be sent to it. Telephones call H.264 Baseline
/// whatever they were offered (Linphone: `42801F`), and send and take the constrained form of it.
pub fn agreed(theirs: &[Codec], ours: &[Codec]) -> Vec<Codec> {
    let as_offered = |their: &Codec| {
        if ours.iter().any(|o| fits(o, their)) {
            return Some(their.clone());
        }
        let parameters = h264::constrained(their.parameters.as_deref());
        let is_wide = ours.iter().any(|o| is_wider(their, o));
        parameters.filter(|_| is_wide).map(|p| Codec { parameters: Some(p), ..their.clone() })
    };
    theirs.iter().filter_map(as_offered).collect()
}

/// The format to answer an offer with: of those that the far side took, the one that it wants most, in the
/// offerer's number and with what the far side says of it.
pub fn to_answer(offered: &[Codec], taken: &[Codec]) -> Option<Codec> {
    let (theirs, taken) =
        taken.iter().filter(|t| passes(t)).find_map(|t| Some((offered.iter().find(|o| fits(o, t))?, t)))?;
    let parameters = match theirs.name.to_ascii_uppercase().as_str() {
        "H264" => h264::answer(theirs.parameters.as_deref(), taken.parameters.as_deref()),
        _ => taken.parameters.clone(),
    };
    Some(Codec { parameters, feedback: feedback_of(theirs), ..theirs.clone() })
}

/// Before the far side has spoken: all that was offered on, in the offerer's numbers.
pub fn for_now(offered: &[Codec], on: &[Codec]) -> Vec<Codec> {
    let passed = offered.iter().filter(|o| on.iter().any(|c| fits(c, o)));
    passed.map(|o| Codec { feedback: feedback_of(o), ..o.clone() }).collect()
}

/// The feedback that we do, of what an offer has.
fn feedback_of(offered: &Codec) -> Vec<String> {
    let is_meant = |word: &str, said: &str| {
        let rest = said.trim().strip_prefix(word);
        rest.is_some_and(|rest| rest.is_empty() || (word == BOUNDS && rest.starts_with(' ')))
    };
    let known = |said: &String| FEEDBACK.into_iter().find(|word| is_meant(word, said)).map(str::to_owned);
    offered.feedback.iter().filter_map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(payload_type: u8, name: &str, parameters: &str, feedback: &[&str]) -> Codec {
        Codec {
            parameters: (!parameters.is_empty()).then(|| parameters.to_owned()),
            feedback: feedback.iter().map(|f| (*f).to_owned()).collect(),
            ..Codec::new(payload_type, name, 90_000, 1)
        }
    }

    /// What Chromium offers, in part.
    fn chromium() -> Vec<Codec> {
        let feedback = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli", "ccm tmmbr smaxpr=120"];
        let h264 = |number, mode: u8, profile: &str| {
            let said = format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}");
            codec(number, "H264", &said, &feedback)
        };
        vec![
            codec(96, "VP8", "", &feedback),
            codec(97, "rtx", "apt=96", &[]),
            codec(98, "VP9", "profile-id=0", &feedback),
            codec(100, "VP9", "profile-id=2", &feedback),
            h264(102, 1, "42001f"),
            h264(104, 0, "42001f"),
            h264(108, 1, "42e01f"),
            h264(114, 0, "42e01f"),
            h264(116, 1, "4d001f"),
            h264(39, 0, "4d001f"),
            codec(45, "AV1", "level-idx=5;profile=0;tier=0", &feedback),
            codec(118, "red", "", &[]),
            codec(120, "ulpfec", "", &[]),
            codec(49, "flexfec-03", "repair-window=10000000", &[]),
        ]
    }

    fn names(codecs: &[Codec]) -> Vec<String> {
        codecs.iter().map(|c| format!("{} {}", c.payload_type, c.name)).collect()
    }

    #[test]
    fn neither_retransmission_nor_redundancy_passes() {
        let offer = to_offer(&chromium(), LegSpec::BROWSER, &[], &[]);
        let passed = ["96 VP8", "98 VP9", "100 VP9", "102 H264", "104 H264", "108 H264", "114 H264", "116 H264"];
        assert_eq!(names(&offer)[..8], passed);
        assert!(offer.iter().all(passes) && offer.len() == 10, "{:?}", names(&offer));
    }

    #[test]
    fn a_phone_is_offered_few_formats_and_nobody_feedback_that_the_relay_does_not_heed() {
        let offer = to_offer(&chromium(), LegSpec::PHONE, &[], &[]);
        assert_eq!(offer.len(), OFFERED_TO_PHONE);
        assert!(offer.iter().all(|c| c.feedback == FEEDBACK));
        let browser = to_offer(&chromium(), LegSpec::BROWSER, &[], &[]);
        assert!(browser.iter().all(|c| c.feedback == FEEDBACK));
    }

    #[test]
    fn no_number_is_given_twice_on_one_transport() {
        let taken = [96, 98, 111, 101, 110];
        let offer = to_offer(&chromium(), LegSpec::BROWSER, &[], &taken);
        let mut numbers: Vec<u8> = offer.iter().map(|c| c.payload_type).collect();
        assert!(numbers.iter().all(|n| !taken.contains(n)), "{numbers:?}");
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), offer.len());
    }

    #[test]
    fn a_format_keeps_the_number_it_once_had() {
        let known = [codec(120, "VP8", "", &[])];
        let offer = to_offer(&chromium(), LegSpec::BROWSER, &known, &[]);
        assert_eq!(names(&offer)[0], "120 VP8");
    }

    #[test]
    fn the_caller_is_answered_with_the_one_format_that_the_callee_wants_most_in_the_callers_number() {
        let callee =
            [codec(97, "H264", "packetization-mode=0;profile-level-id=42801F", &[]), codec(99, "VP8", "", &[])];
        let answer = to_answer(&chromium(), &callee).unwrap_or_else(|| panic!("a format"));
        assert_eq!((answer.payload_type, answer.name.as_str()), (104, "H264"));
        assert_eq!(answer.parameters.as_deref(), Some("packetization-mode=0;profile-level-id=42801F"));
        let feedback = ["goog-remb", "ccm fir", "nack", "nack pli", "ccm tmmbr"];
        assert_eq!(answer.feedback, feedback, "nothing that is not of one stream");
    }

    #[test]
    fn what_the_callee_says_of_its_decoder_reaches_the_caller() {
        let answer = to_answer(&chromium(), &[codec(96, "VP8", "max-fs=3600", &[])]);
        assert_eq!(answer.and_then(|c| c.parameters).as_deref(), Some("max-fs=3600"));
    }

    #[test]
    fn profiles_that_differ_are_nothing_in_common() {
        let high = [codec(96, "H264", "packetization-mode=1;profile-level-id=64001f", &[])];
        assert_eq!(to_answer(&chromium(), &high), None);
        assert_eq!(to_answer(&chromium(), &[codec(96, "VP9", "profile-id=1", &[])]), None);
        assert_eq!(to_answer(&chromium(), &[codec(96, "H261", "", &[])]), None);
        assert!(agreed(&high, &chromium()).is_empty());
    }

    #[test]
    fn a_phone_is_offered_one_form_of_baseline_in_each_mode_and_may_call_it_by_the_wider_name() {
        let offer = to_offer(&chromium(), LegSpec::PHONE, &[], &[]);
        assert_eq!(names(&offer), ["96 VP8", "98 VP9", "108 H264", "114 H264"]);
        let linphone = [codec(114, "H264", "profile-level-id=42801F", &[])];
        let taken = agreed(&linphone, &offer);
        assert_eq!(names(&taken), ["114 H264"]);
        let answer = to_answer(&chromium(), &taken).unwrap_or_else(|| panic!("a format"));
        assert_eq!(answer.payload_type, 114, "the page is answered in the form that was passed on");
        let narrow = codec(97, "H264", "packetization-mode=0;profile-level-id=42801f", &[]);
        let alone = to_offer(std::slice::from_ref(&narrow), LegSpec::PHONE, &[], &[]);
        assert_eq!(names(&alone), ["97 H264"], "whoever has Baseline alone is offered on as it is");
        let main = [codec(114, "H264", "profile-level-id=4d801f;packetization-mode=0", &[])];
        assert_eq!(names(&agreed(&main, &offer)), ["114 H264"], "Main with set 0 is Constrained Baseline");
        assert!(agreed(&[codec(114, "H264", "profile-level-id=4d001f", &[])], &offer).is_empty());
    }

    #[test]
    fn before_the_callee_speaks_the_caller_is_told_of_all_that_was_offered_on() {
        let on = to_offer(&chromium(), LegSpec::PHONE, &[], &[96]);
        let told = ["96 VP8", "98 VP9", "108 H264", "114 H264"];
        assert_eq!(names(&for_now(&chromium(), &on)), told);
    }
}
