//! Calls that are recorded, and what is on the disk afterwards.

use std::f64::consts::TAU;

use patchcord::media::codec::g711::alaw_of_linear;

use super::house::{Gateway, until};
use super::phone::{Dialog, Phone};

const RULE: &str = "[[rule]]\nwhen = { entry = \"user\", to = \"601\" }\nrecord_notice = false\n";

/// Twenty milliseconds of a tone at 8 kHz in A-law; every one of these begins as the one before ends.
fn tone(hz: f64) -> [u8; 160] {
    std::array::from_fn(|n| alaw_of_linear((9000.0 * (TAU * hz * n as f64 / 8000.0).sin()) as i16))
}

/// How much of a pitch is in samples at 16 kHz.
fn level(samples: &[i16], hz: f64) -> f64 {
    let angle = |n: usize| TAU * hz * n as f64 / 16_000.0;
    let part = |f: fn(f64) -> f64| samples.iter().enumerate().map(|(n, s)| f64::from(*s) * f(angle(n))).sum::<f64>();
    2.0 * part(f64::sin).hypot(part(f64::cos)) / samples.len() as f64
}

fn answered(alice: &mut Phone, bob: &mut Phone) -> (Dialog, Dialog) {
    std::thread::scope(|scope| {
        let call = scope.spawn(|| alice.call("601"));
        let invite = bob.asked("INVITE");
        let theirs = bob.pick_up(&invite);
        (call.join().unwrap().unwrap(), theirs)
    })
}

#[test]
fn a_recorded_call_leaves_a_file_with_each_party_on_its_own_channel() {
    let mut gateway = Gateway::start(&format!("{RULE}dial = \"user:bob\"\nrecord = \"wav\"\n"));
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    let mut bob = Phone::new(gateway.sip, "bob", "builder");
    assert_eq!((alice.register(), bob.register()), (200, 200));
    let (mut up, theirs) = answered(&mut alice, &mut bob);
    let (low, high) = (tone(500.0), tone(1500.0));
    for _ in 0..75 {
        alice.say_this(&up, &low);
        bob.say_this(&theirs, &high);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(alice.hang_up(&mut up), 200);
    let bye = bob.asked("BYE");
    bob.reply(&bye, 200);
    gateway.program.log.expect("recording ends");
    until("the record is written", || gateway.records().len() == 1);
    let record = &gateway.records()[0];
    let [name] = record["recordings"].as_array().expect("recordings").as_slice() else { panic!("{record}") };
    let path = gateway.home.path().join("state/patchcord/recordings").join(name.as_str().unwrap());
    let mut file = hound::WavReader::open(path).unwrap();
    assert_eq!((file.spec().channels, file.spec().sample_rate), (2, 16_000));
    let samples: Vec<i16> = file.samples().map(Result::unwrap).collect();
    for (channel, own, other) in [(0, 500.0, 1500.0), (1, 1500.0, 500.0)] {
        let samples: Vec<i16> = samples.iter().copied().skip(channel).step_by(2).collect();
        // A second in the middle of the talk, whatever came before it and after.
        let middle = samples.len().saturating_sub(16_000) / 2;
        let second = &samples[middle..(middle + 16_000).min(samples.len())];
        let (own, other) = (level(second, own), level(second, other));
        assert!(own > 2000.0 && other < own / 20.0, "channel {channel}: {own} of its own tone, {other} of the other");
    }
}

#[test]
fn a_recording_that_has_no_place_on_the_disk_is_told_and_the_call_goes_on_without_it() {
    // A file where the folder should be: nothing can be written there, whoever runs this.
    let settings = format!("recording.directory = \"gateway.toml\"\n{RULE}echo = true\nrecord = true\n");
    let mut gateway = Gateway::start(&settings);
    let mut alice = Phone::new(gateway.sip, "alice", "wonderland");
    assert_eq!(alice.register(), 200);
    let mut up = alice.call("601").unwrap();
    gateway.program.log.expect("the talk is not recorded");
    alice.talk(&up, 20);
    assert_eq!(alice.hang_up(&mut up), 200);
    until("the record is written", || gateway.records().len() == 1);
    let record = &gateway.records()[0];
    assert_eq!(record["cause"], "normal");
    assert!(record["why"].as_str().is_some_and(|why| why.contains("the talk is not recorded")), "{record}");
}
