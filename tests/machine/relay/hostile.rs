//! What peers say and send to break the relay, or to keep it from the others.

use std::time::Duration;

use patchcord::base::Dice;
use patchcord::media::budget::LEG_BUDGET;
use patchcord::model::{Codec, IceMode, RelayCommand, RelayEvent, Source};
use patchcord::rtp::Fields;

use super::ice::{HOME, PHONE, call};
use super::world::{CALL, SHARED, Speaker, World, at, legs, phone, plain_leg};

const ROUNDS: u64 = 60;

fn impossible(dice: &mut Dice) -> Codec {
    const NAMES: [&str; 7] = ["opus", "PCMU", "PCMA", "G722", "telephone-event", "CN", "L16"];
    const CLOCKS: [u32; 8] = [0, 1, 7, 8000, 16_000, 48_000, 1 << 31, u32::MAX];
    const CHANNELS: [u8; 4] = [0, 1, 2, 255];
    const WORDS: [&str; 6] = [
        "ptime=0;maxptime=0",
        "maxplaybackrate=0;maxaveragebitrate=0",
        "maxplaybackrate=4294967296;maxaveragebitrate=-1",
        "0-4294967295",
        "usedtx=1;useinbandfec=1;stereo=255",
        ";;==;",
    ];
    let mut codec = Codec::new(
        [0, 8, 9, 96, 101, 127][dice.below(6) as usize],
        NAMES[dice.below(7) as usize],
        CLOCKS[dice.below(8) as usize],
        CHANNELS[dice.below(4) as usize],
    );
    codec.parameters = Some(WORDS[dice.below(6) as usize].to_owned());
    codec
}

/// A packet with any header and any payload.
fn packet(dice: &mut Dice, codecs: &[Codec]) -> Vec<u8> {
    let fields = Fields {
        marker: dice.below(2) == 0,
        payload_type: codecs[dice.below(codecs.len() as u32) as usize].payload_type,
        sequence: dice.u32() as u16,
        timestamp: dice.u32(),
        ssrc: dice.below(3),
    };
    let mut packet = vec![0; 12 + dice.below(400) as usize];
    dice.fill(&mut packet);
    fields.write_new(&mut packet);
    packet
}

#[test]
fn impossible_clocks_channels_and_parameters_break_no_arithmetic() {
    let (first, second) = ("203.0.113.9:4000", "203.0.113.10:4000");
    for seed in 0..ROUNDS {
        let dice = &mut Dice::for_test(seed);
        let mut world = World::new();
        let (a, b) = legs();
        let codecs: Vec<Vec<Codec>> = (0..4).map(|_| (0..4).map(|_| impossible(dice)).collect()).collect();
        let leg_a = plain_leg(a, Some(phone(first, &codecs[0])), &codecs[1], Source::Leg(b));
        let leg_b = plain_leg(b, Some(phone(second, &codecs[2])), &codecs[3], Source::Leg(a));
        world.apply(1, &[leg_a, leg_b]);
        let wires = [world.wire(a), world.wire(b)];
        for _ in 0..50 {
            world.arrive(wires[0], at(first), &packet(dice, &codecs[1]));
            world.arrive(wires[1], at(second), &packet(dice, &codecs[3]));
            let duration = Duration::from_millis(u64::from(dice.below(70_000)));
            world.order(RelayCommand::Dtmf { call: CALL, leg: [a, b][dice.below(2) as usize], digit: '5', duration });
            world.pass(Duration::from_millis(u64::from(dice.below(200))));
        }
        world.order(RelayCommand::Remove(CALL));
        assert_eq!(world.shard.legs(), 0);
    }
}

#[test]
fn a_storm_from_one_browser_takes_its_budget_of_a_turn_and_the_rest_is_refused_and_counted() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_millis(300));
    let mut speaker = Speaker::new(4, 0, 160);
    let storm = u64::from(LEG_BUDGET) * 10;
    for _ in 0..storm {
        world.arrive(SHARED, at(HOME), &speaker.next(&[7; 160]));
    }
    assert_eq!(world.take_rtp(at(PHONE)).len() as u64, u64::from(LEG_BUDGET));
    world.pass(Duration::from_millis(1));
    world.arrive(SHARED, at(HOME), &speaker.next(&[7; 160]));
    assert_eq!(world.take_rtp(at(PHONE)).len(), 1, "the next turn has a budget of its own");
    world.order(RelayCommand::Stats(CALL));
    let Some(RelayEvent::Stats { legs, .. }) = world.events.pop_back() else { panic!("no figures") };
    assert_eq!(legs[0].refused, storm - u64::from(LEG_BUDGET));
}

#[test]
fn a_storm_of_checks_of_one_leg_is_answered_within_its_budget_only() {
    let (mut world, mut browser) = call(IceMode::Lite);
    browser.pass(&mut world, Duration::from_millis(300));
    world.take_sent();
    let check = browser.a_check(world.now);
    for _ in 0..u32::from(LEG_BUDGET) * 4 {
        world.arrive(SHARED, at(HOME), &check);
    }
    let answers = world.take_sent().len();
    assert!((1..=usize::from(LEG_BUDGET)).contains(&answers), "{answers} answers");
}
