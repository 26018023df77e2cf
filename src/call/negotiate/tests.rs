use super::*;

fn chromium() -> Vec<Codec> {
    vec![
        Codec::new(111, "opus", 48_000, 2),
        Codec::new(63, "red", 48_000, 2),
        Codec::new(9, "G722", 8000, 1),
        Codec::pcmu(),
        Codec::pcma(),
        Codec::new(13, "CN", 8000, 1),
        Codec::telephone_event(110, 48_000),
        Codec::telephone_event(126, 8000),
    ]
}

fn names(codecs: &[Codec]) -> Vec<String> {
    codecs.iter().map(|c| format!("{} {}/{}", c.payload_type, c.name, c.clock_hz)).collect()
}

#[test]
fn phones_and_browsers_are_offered_what_the_page_speaks_in_its_order_and_digits() {
    for callee in [LegSpec::PHONE, LegSpec::BROWSER] {
        let offer = for_callee(&chromium(), callee);
        assert_eq!(
            names(&offer),
            [
                "111 opus/48000",
                "9 G722/8000",
                "0 PCMU/8000",
                "8 PCMA/8000",
                "13 CN/8000",
                "101 telephone-event/8000",
                "110 telephone-event/48000"
            ],
            "{callee:?}"
        );
    }
}

#[test]
fn the_caller_is_answered_with_what_the_callee_took_in_the_callers_numbers() {
    let taken = [Codec::pcma(), Codec::telephone_event(101, 8000)];
    assert_eq!(names(&for_caller(&chromium(), &taken, false)), ["8 PCMA/8000", "126 telephone-event/8000"]);
}

#[test]
fn digits_are_agreed_to_only_if_they_reach_the_callee() {
    let taken = [Codec::new(111, "opus", 48_000, 2)];
    assert_eq!(names(&for_caller(&chromium(), &taken, false)), ["111 opus/48000"]);
    let by_word = names(&for_caller(&chromium(), &taken, true));
    assert_eq!(by_word, ["111 opus/48000", "110 telephone-event/48000"]);
}

#[test]
fn mu_law_and_a_law_meet_when_each_side_has_only_one() {
    let caller = [Codec::pcmu()];
    let offer = for_callee(&caller, LegSpec::PHONE);
    assert_eq!(names(&offer), ["0 PCMU/8000", "8 PCMA/8000", "101 telephone-event/8000"]);
    assert_eq!(names(&for_caller(&caller, &[Codec::pcma()], false)), ["0 PCMU/8000"]);
}

#[test]
fn a_client_with_opus_alone_and_a_phone_with_a_law_alone_are_offered_both_and_answered_with_their_own() {
    let opus = [Codec::new(96, "opus", 48_000, 2), Codec::telephone_event(97, 48_000)];
    let to_phone = for_callee(&opus, LegSpec::PHONE);
    let all = [
        "111 opus/48000",
        "9 G722/8000",
        "0 PCMU/8000",
        "8 PCMA/8000",
        "101 telephone-event/8000",
        "110 telephone-event/48000",
    ];
    assert_eq!(names(&to_phone), all);
    let taken = [Codec::pcma(), Codec::telephone_event(101, 8000)];
    assert_eq!(names(&for_caller(&opus, &taken, false)), ["96 opus/48000", "97 telephone-event/48000"]);

    let phone = [Codec::pcma(), Codec::telephone_event(101, 8000)];
    let to_client = for_callee(&phone, LegSpec::CLIENT);
    assert_eq!(names(&to_client)[..3], ["8 PCMA/8000", "0 PCMU/8000", "111 opus/48000"]);
    assert_eq!(names(&for_caller(&phone, &opus, false)), ["8 PCMA/8000", "101 telephone-event/8000"]);
}

#[test]
fn a_format_in_common_is_preferred_to_one_that_must_be_translated() {
    let caller = [Codec::new(96, "opus", 48_000, 2), Codec::new(9, "G722", 8000, 1)];
    let taken = [Codec::pcma(), Codec::new(9, "G722", 8000, 1)];
    assert_eq!(names(&for_caller(&caller, &taken, false)), ["9 G722/8000"]);
    assert_eq!(names(&for_caller(&caller, &[Codec::pcma()], false)), ["96 opus/48000"]);
}

#[test]
fn nothing_in_common_is_an_empty_answer_and_a_sentence_with_both_lists() {
    let caller = [Codec::new(18, "G729", 8000, 1)];
    assert!(for_callee(&caller, LegSpec::PHONE).is_empty());
    assert_eq!(mismatch(&caller, &[Codec::pcmu()]), "one side speaks G729, the other PCMU");
}

/// Every list of different formats that the relay knows, in every order.
fn lists() -> Vec<Vec<Codec>> {
    let known = translatable();
    let mut lists = vec![Vec::new()];
    let mut longest = lists.clone();
    for _ in &known {
        longest = longest
            .iter()
            .flat_map(|list: &Vec<Codec>| {
                let rest = known.iter().filter(|codec| !list.contains(codec));
                rest.map(|codec| [list.as_slice(), std::slice::from_ref(codec)].concat()).collect::<Vec<_>>()
            })
            .collect();
        lists.extend(longest.iter().cloned());
    }
    lists
}

fn passes(codec: &Codec, taken: &[Codec]) -> bool {
    taken.iter().any(|t| t.is_same_format(codec) || (is_g711(t) && is_g711(codec)))
}

fn speech(codecs: &[Codec]) -> Vec<Codec> {
    codecs.iter().filter(|c| c.is_speech()).cloned().collect()
}

#[test]
fn nothing_is_translated_between_any_two_sides_that_have_a_format_in_common() {
    let spoken = lists();
    assert_eq!(spoken.len(), 65);
    for (caller, has, spec) in spoken
        .iter()
        .flat_map(|caller| spoken.iter().map(move |has| (caller, has)))
        .flat_map(|(caller, has)| [LegSpec::PHONE, LegSpec::BROWSER].map(|spec| (caller, has, spec)))
    {
        let offer = for_callee(caller, spec);
        assert_eq!(offer.is_empty(), caller.is_empty());
        // RFC 3264 §6.1: the answerer keeps the order of the offer; some go by their own.
        let in_order = agreed(&speech(&offer), has);
        let in_own_order = agreed(has, &offer);
        let are_common = caller.iter().any(|codec| passes(codec, has));
        for (taken, keeps_order) in [(in_order, true), (in_own_order, false)] {
            let answer = for_caller(caller, &taken, false);
            assert_eq!(answer.is_empty(), taken.is_empty() || caller.is_empty(), "{caller:?} {taken:?}");
            if !are_common {
                continue;
            }
            let words = format!("{} to {}", names(caller).join(" "), names(has).join(" "));
            assert!(answer.iter().all(|codec| passes(codec, &taken)), "{words}");
            assert!(!keeps_order || passes(&taken[0], caller), "{words}");
            // Whoever makes a new offer later is answered with what passes, too.
            let again = for_reoffer(has, &offer, &speech(&answer));
            assert!(again.iter().all(|codec| passes(codec, &answer)), "{words}: {again:?}");
        }
    }
}

#[test]
fn comfort_noise_is_agreed_to_where_it_passes() {
    let noise = |codecs: &[Codec]| codecs.iter().any(Codec::is_comfort_noise);
    let phone = [Codec::pcma(), Codec::comfort_noise()];
    assert!(noise(&for_callee(&phone, LegSpec::PHONE)) && noise(&for_caller(&chromium(), &phone, false)));
    assert!(!noise(&for_callee(&phone[..1], LegSpec::PHONE)) && !noise(&for_caller(&chromium(), &phone[..1], false)));
    let opus_alone = [opus(), Codec::comfort_noise()];
    assert!(!noise(&for_caller(&opus_alone, &[opus(), Codec::comfort_noise()], false)));
}
