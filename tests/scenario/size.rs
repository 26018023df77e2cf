//! How long the INVITE is that a page's call makes: over UDP it comes in pieces from some 1500 octets on, and pieces get
//! lost at NATs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use patchcord::base::{AdapterId, Dice, ExchangeId, LegMint};
use patchcord::call::Action;
use patchcord::media::leg::Sdes;
use patchcord::model::{
    Address, Codec, Description, Direction, Directory, Entry, Offer, Party, Seal, Signal, SrtpPolicy, Start,
};
use patchcord::sip::config::{Config, Listen, Trunk};
use patchcord::sip::endpoint::{Endpoint, Output};
use patchcord::sip::flow::Transport;

use super::ladder::{Ladder, browser_description, with_pictures};

/// The sound that Chromium offers.
fn sound() -> Vec<Codec> {
    let opus = Codec { parameters: Some("minptime=10;useinbandfec=1".into()), ..Codec::new(111, "opus", 48_000, 2) };
    let red = Codec { parameters: Some("111/111".into()), ..Codec::new(63, "red", 48_000, 2) };
    vec![opus, red, Codec::new(9, "G722", 8000, 1), Codec::pcmu(), Codec::pcma(), Codec::comfort_noise()]
}

/// The pictures that Chromium offers.
fn pictures() -> Vec<Codec> {
    let feedback = ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"].map(str::to_owned).to_vec();
    let codec = |number, name, parameters: &str| Codec {
        parameters: Some(parameters.to_owned()),
        feedback: feedback.clone(),
        ..Codec::new(number, name, 90_000, 1)
    };
    let h264 = |number, mode, profile: &str| {
        codec(
            number,
            "H264",
            &format!("level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}"),
        )
    };
    let mut all = vec![Codec { parameters: None, ..codec(96, "VP8", "") }, codec(97, "rtx", "apt=96")];
    all.extend([h264(103, 1, "42001f"), h264(107, 0, "42001f"), h264(109, 1, "42e01f"), h264(115, 0, "42e01f")]);
    all.extend([h264(117, 1, "4d001f"), h264(39, 0, "4d001f")]);
    all.extend([codec(45, "AV1", "level-idx=5;profile=0;tier=0"), codec(98, "VP9", "profile-id=0")]);
    all
}

/// What a telephone with optional SRTP is offered when a page calls it.
fn offered(offer: Description) -> Description {
    let mut ladder = Ladder::from_browser_with(offer);
    let phone = ladder.phone_by("sip:phone", SrtpPolicy::Optional, true);
    let leg = phone.leg;
    ladder.open(Action::Dial(vec![Ladder::attempt("user:phone", vec![phone])]));
    let mut offer = ladder.last_description(leg);
    for stream in &mut offer.streams {
        assert!(stream.transport.seal.is_optional(), "SRTP is offered");
        let Seal::Sdes(_) = &stream.transport.seal else { panic!("{:?}", stream.transport.seal) };
        stream.transport.seal = Sdes::new(&mut Dice::for_test(1), true, true).words();
    }
    offer
}

/// The INVITE with this offer, to a trunk with names of a usual length.
fn invite(description: Description) -> String {
    let adapter = AdapterId(1);
    let address = "192.0.2.10:5060".parse().unwrap();
    let trunk = Trunk { number: Some("+4930123456".into()), ..Trunk::at("198.51.100.20:5060".parse().unwrap()) };
    let config = Config {
        listen: vec![Listen { transport: Transport::Udp, address }],
        trunks: BTreeMap::from([("carrier".to_owned(), trunk)]),
        ..Config::default()
    };
    let now = Instant::now();
    let mut endpoint = Endpoint::new(now, adapter, config, Arc::new(Directory::default()), Dice::for_test(2));
    let start = Start {
        entry: Entry::Open,
        from: Party { display: Some("Alice Example".into()), ..Party::new(Address::here("+4930123456")) },
        to: Address::here("+498912345678"),
        contact: None,
        trunk: Some("carrier".into()),
        offer: Some(Offer { exchange: ExchangeId::said(0), description }),
        hops_left: 70,
        about: Default::default(),
    };
    endpoint.say(now, LegMint::said(adapter).mint(), Signal::Start(Box::new(start)));
    std::iter::from_fn(|| endpoint.poll_output())
        .find_map(|output| match output {
            Output::Transmit { bytes, .. } => Some(String::from_utf8(bytes.to_vec()).unwrap()),
            _ => None,
        })
        .expect("an INVITE")
}

#[test]
fn a_call_with_sound_and_keys_fits_into_a_datagram() {
    let text = invite(offered(browser_description(&sound(), 126)));
    assert!(text.contains("a=crypto:2 ") && text.contains("opus/48000/2") && text.contains("PCMA/8000"), "{text}");
    assert!(text.len() < 1300, "{} octets:\n{text}", text.len());
}

#[test]
fn pictures_with_their_keys_add_little_to_it() {
    let offer = with_pictures(browser_description(&sound(), 126), &pictures(), Direction::SendRecv);
    let text = invite(offered(offer));
    assert!(text.contains("m=video ") && text.contains("H264/90000") && text.contains("VP8/90000"), "{text}");
    assert!(text.len() < 2000, "{} octets:\n{text}", text.len());
}
