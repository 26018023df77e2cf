//! Datagrams to the demo trunk: its SIP port and its media ports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use patchcord::base::Dice;
use patchcord::demo::MAX_CALLS;
use patchcord::demo::agent::{Agent, Output};
use patchcord::demo::answer::Media;
use patchcord::demo::g711::Law;
use patchcord::demo::line::Line;
use patchcord::demo::number::Plot;
use patchcord::demo::voice::MAX_PACKET;

use crate::shared;

/// Whatever the datagrams: no panic, no more calls than the limit, and time ends them all.
fn sip(datagrams: &[Vec<u8>]) {
    let peer = "127.0.0.1:5060".parse().unwrap();
    let mut now = Instant::now();
    let mut agent = Agent::new("127.0.0.1:5070".parse().unwrap(), Dice::for_test(7));
    let mut live = 0;
    for datagram in datagrams {
        agent.handle_datagram(now, peer, datagram.clone().into());
        while let Some(output) = agent.poll_output() {
            if let Output::Begin { call, plot } = output {
                live += 1;
                agent.handle_ready(call, "127.0.0.1:7000".parse().unwrap());
                let mut line = Line::new(now, plot, Dice::for_test(1));
                while let Some(say) = line.poll_say() {
                    agent.handle_say(now, call, say);
                }
            } else if let Output::End { .. } = output {
                live -= 1;
            }
        }
        assert!(live <= MAX_CALLS);
    }
    for _ in 0..100_000 {
        let Some(due) = agent.poll_timeout() else { return };
        now = due.max(now);
        agent.handle_timeout(now);
        while agent.poll_output().is_some() {}
    }
    panic!("deadlines without end");
}

#[test]
fn damaged_messages_do_the_demo_trunk_no_harm() {
    let messages: Vec<Vec<u8>> = shared::files("fixtures/sip").into_iter().map(|(_, bytes)| bytes).collect();
    let damaged: Vec<Vec<u8>> =
        messages.iter().enumerate().flat_map(|(at, message)| shared::mutations(at as u64, message, 10)).collect();
    damaged.chunks(500).for_each(sip);
    messages.chunks(100).for_each(sip);
}

#[test]
fn damaged_packets_do_a_call_no_harm() {
    let now = Instant::now();
    let mut packet = vec![0x80, 0xE5, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9, 5, 0x0A, 0, 160];
    packet.extend([0xFF; 160]);
    for plot in [Plot::Greeting, Plot::Echo, Plot::Tone] {
        let mut line = Line::new(now, plot, Dice::for_test(3));
        let peer: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        let keys = Some((101, 8000));
        line.handle_media(now, Media { remote: Some(peer), heard: true, law: Law::Mu, payload_type: 0, keys });
        // Past the answer, so that keys are heard.
        (0..3).for_each(|n| line.handle_timeout(now + Duration::from_secs(4 * n)));
        let mut buffer = [0; MAX_PACKET];
        for kind in [0x80, 0xE5] {
            packet[1] = kind;
            for damaged in shared::mutations(1, &packet, 2_000) {
                line.handle_packet(now, peer, &damaged);
                while line.poll_packet(now, &mut buffer).is_some() {}
            }
        }
    }
}
