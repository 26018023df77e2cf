#![allow(clippy::unwrap_used, clippy::expect_used)]
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{SystemTime, UNIX_EPOCH};

use super::*;
use crate::media::driver::system::{ask_for_stamps, connect};

/// Nothing here takes so long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// A ring; `None`, with a loud word, where the kernel has none for us.
fn ring() -> Option<Ring> {
    Ring::new().inspect_err(|why| eprintln!("NOT TESTED: no io_uring here: {why}")).ok()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    ask_for_stamps(socket.as_raw_fd());
    socket.set_read_timeout(Some(PATIENCE)).expect("a limit");
    socket
}

fn at(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

/// What comes in one turn: by which socket, from where, and what.
fn turn(ring: &mut Ring, due: Duration) -> Vec<(u32, SocketAddr, Vec<u8>)> {
    ring.wait(Some(due));
    let mut come = Vec::new();
    while let Some(taken) = ring.take() {
        let Taken::Fresh(arrived) = taken else { continue };
        let filled = ring.filled(arrived).expect("a datagram");
        come.push((arrived.socket.0, filled.from, filled.buffer[..filled.length].to_vec()));
        ring.done(arrived);
    }
    ring.flush();
    come
}

/// Turns until there is nothing more for a while.
fn turns(ring: &mut Ring) -> Vec<(u32, SocketAddr, Vec<u8>)> {
    let mut all = Vec::new();
    loop {
        let come = turn(ring, Duration::from_millis(20));
        if come.is_empty() {
            return all;
        }
        all.extend(come);
    }
}

/// Turns until so many datagrams have come.
fn hear(ring: &mut Ring, count: usize) -> Vec<(u32, SocketAddr, Vec<u8>)> {
    let before = std::time::Instant::now();
    let mut all = Vec::new();
    while all.len() < count {
        assert!(before.elapsed() < PATIENCE, "only {} of {count} have come", all.len());
        all.extend(turn(ring, Duration::from_millis(20)));
    }
    all
}

#[test]
fn a_datagram_comes_with_its_sender_and_time_and_goes_on_from_the_buffer_it_came_in() {
    let Some(mut ring) = ring() else { return };
    let (ours, aimed, sender, receiver) = (socket(), socket(), socket(), socket());
    ring.open(ours.as_raw_fd(), 0, false).expect("room");
    ring.open(aimed.as_raw_fd(), 1, false).expect("room");
    assert!(connect(aimed.as_raw_fd(), Some(at(&receiver))));
    for (text, out, is_aimed) in [("one", 0, false), ("two", 1, true)] {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time") - Duration::from_secs(1);
        sender.send_to(text.as_bytes(), at(&ours)).expect("sent");
        ring.wait(Some(PATIENCE));
        let Some(Taken::Fresh(arrived)) = ring.take() else { panic!("nothing has come") };
        assert!(ring.stamp(arrived).is_some_and(|stamp| (before..before + PATIENCE).contains(&stamp)));
        let filled = ring.filled(arrived).expect("a datagram");
        assert_eq!((filled.from, &filled.buffer[..filled.length]), (at(&sender), text.as_bytes()));
        filled.buffer[..1].copy_from_slice(b"X");
        ring.send(arrived, Outgoing { socket: SocketId(out), to: at(&receiver), start: 0, end: 2 }, is_aimed);
        ring.flush();
        let mut buffer = [0; 10];
        let (length, from) = receiver.recv_from(&mut buffer).expect("a datagram");
        assert_eq!(
            (&buffer[..length], from.port()),
            (&["X", &text[1..2]].concat().into_bytes()[..], at([&ours, &aimed][out as usize]).port())
        );
    }
}

#[test]
fn a_closed_socket_frees_its_port_and_its_number_hears_only_the_next_one() {
    let Some(mut ring) = ring() else { return };
    let sender = socket();
    for round in 0..50u8 {
        let (first, second) = (socket(), socket());
        let port = at(&first);
        ring.open(first.as_raw_fd(), 0, false).expect("room");
        if round % 2 == 0 {
            assert_eq!(turn(&mut ring, Duration::ZERO).len(), 0);
        }
        sender.send_to(b"late", port).expect("sent");
        ring.close(0);
        drop(first);
        ring.open(second.as_raw_fd(), 0, false).expect("room");
        sender.send_to(&[round], at(&second)).expect("sent");
        let come = turns(&mut ring);
        assert_eq!(come, [(0, at(&sender), vec![round])]);
        assert_eq!(ring.closing(), 0);
        UdpSocket::bind(port).expect("the port is free");
        ring.close(0);
    }
    turns(&mut ring);
    assert_eq!((ring.closing(), ring.used.len()), (0, 0));
}

#[test]
fn more_datagrams_than_there_are_buffers_wait_in_their_sockets_and_none_is_lost() {
    let Some(mut ring) = ring() else { return };
    let (sender, ours): (_, Vec<UdpSocket>) = (socket(), (0..40).map(|_| socket()).collect());
    ours.iter().zip(0..).for_each(|(socket, number)| ring.open(socket.as_raw_fd(), number, false).expect("room"));
    for _ in 0..3 {
        let mut wanted = BTreeSet::new();
        for number in 0..u32::from(LEG_BUDGET) {
            for (place, socket) in (0..).zip(&ours) {
                sender.send_to(&number.to_be_bytes(), at(socket)).expect("sent");
                wanted.insert((place, number.to_be_bytes().to_vec()));
            }
        }
        assert!(wanted.len() > usize::from(SLOTS));
        let come: Vec<_> = turns(&mut ring).into_iter().map(|(place, _, bytes)| (place, bytes)).collect();
        assert_eq!(come.len(), wanted.len());
        assert_eq!(come.into_iter().collect::<BTreeSet<_>>(), wanted);
    }
}

#[test]
fn one_socket_brings_in_a_turn_what_its_budget_allows_and_the_rest_is_counted() {
    let Some(mut ring) = ring() else { return };
    let (sender, leg, shared) = (socket(), socket(), socket());
    ring.open(leg.as_raw_fd(), 0, false).expect("room");
    ring.open(shared.as_raw_fd(), 1, true).expect("room");
    let many = u32::from(LEG_BUDGET) + 20;
    for _ in 0..many {
        sender.send_to(b"storm", at(&leg)).expect("sent");
        sender.send_to(b"many", at(&shared)).expect("sent");
    }
    ring.rest(Duration::from_millis(10));
    let come = turn(&mut ring, PATIENCE);
    let of = |place| come.iter().filter(|(socket, ..)| *socket == place).count() as u32;
    assert_eq!((of(0), of(1)), (u32::from(LEG_BUDGET), many));
    assert_eq!((ring.refused(SocketId(0)), ring.refused(SocketId(1))), (20, 0));
}

#[test]
fn a_socket_whose_peer_is_not_there_yet_hears_it_later() {
    let Some(mut ring) = ring() else { return };
    let nobody = SocketAddr::from(([127, 0, 0, 9], 9));
    let (ours, sender) = (socket(), socket());
    ring.open(ours.as_raw_fd(), 0, false).expect("room");
    assert!(connect(ours.as_raw_fd(), Some(nobody)));
    for _ in 0..5 {
        let _ = ours.send(b"anybody?");
        assert_eq!(turn(&mut ring, Duration::from_millis(10)), []);
    }
    assert!(connect(ours.as_raw_fd(), Some(at(&sender))));
    sender.send_to(b"here", at(&ours)).expect("sent");
    assert_eq!(turns(&mut ring), [(0, at(&sender), b"here".to_vec())]);
}

#[test]
fn the_bell_is_heard_each_time_and_as_often_as_it_is_rung() {
    let Some(mut ring) = ring() else { return };
    let bell = crate::media::driver::system::Bell::new().expect("a bell");
    ring.watch_bell(bell.fd());
    for _ in 0..5 {
        ring.wait(Some(Duration::ZERO));
        assert!(!ring.has_rung());
        bell.ring();
        ring.wait(Some(PATIENCE));
        assert!(ring.has_rung());
        bell.hush();
    }
}

#[test]
fn a_ring_whose_buffers_all_ran_out_hears_every_socket_again_when_they_come_back() {
    let Some(mut ring) = ring() else { return };
    let (sender, ours): (_, Vec<UdpSocket>) = (socket(), (0..20).map(|_| socket()).collect());
    ours.iter().zip(0..).for_each(|(socket, number)| ring.open(socket.as_raw_fd(), number, true).expect("room"));
    let stock = usize::from(ring.stocked);
    let sent = |number: usize| u32::try_from(number).expect("a number").to_be_bytes();
    let total = stock * 3;
    let (mut held, mut come) = (Vec::new(), BTreeSet::new());
    for number in 0..total {
        sender.send_to(&sent(number), at(&ours[number % ours.len()])).expect("sent");
    }
    // Nothing is given back, so nothing more may come, and nobody waits for what cannot.
    for _ in 0..50 {
        ring.wait(Some(Duration::from_millis(1)));
        while let Some(Taken::Fresh(arrived)) = ring.take() {
            held.push(arrived);
        }
        ring.flush();
    }
    assert_eq!(held.len(), stock);
    // Some sockets close meanwhile, and others take their places.
    let another = socket();
    ring.close(19);
    ring.open(another.as_raw_fd(), 19, true).expect("room");
    for arrived in held {
        let filled = ring.filled(arrived).expect("a datagram");
        come.insert(filled.buffer[..filled.length].to_vec());
        ring.done(arrived);
    }
    ring.flush();
    sender.send_to(&sent(total), at(&another)).expect("sent");
    let wanted =
        (0..total).filter(|number| number % ours.len() != 19).chain([total]).map(|number| sent(number).to_vec());
    let mut missing: BTreeSet<_> = wanted.filter(|bytes| !come.contains(bytes)).collect();
    let before = std::time::Instant::now();
    while !missing.is_empty() || ring.closing() > 0 {
        assert!(before.elapsed() < PATIENCE, "{} of {total} have not come", missing.len());
        turn(&mut ring, Duration::from_millis(20)).iter().for_each(|(_, _, bytes)| _ = missing.remove(bytes));
    }
}

#[test]
fn more_completions_than_the_ring_has_room_for_keep_nobody_from_being_heard() {
    let Some(mut ring) = ring() else { return };
    let (ours, sender) = (socket(), socket());
    ring.open(ours.as_raw_fd(), 0, false).expect("room");
    let bell = crate::media::driver::system::Bell::new().expect("a bell");
    ring.watch_bell(bell.fd());
    ring.wait(Some(Duration::ZERO));
    let nowhere = opcode::Send::new(Fixed(1), std::ptr::null(), 0).build().user_data(SEND);
    for _ in 0..COMPLETIONS * 2 {
        assert!(ring.push(nowhere.clone()));
    }
    sender.send_to(b"after", at(&ours)).expect("sent");
    bell.ring();
    assert_eq!(hear(&mut ring, 1), [(0, at(&sender), b"after".to_vec())]);
    assert!(ring.has_rung());
    for round in 0..3u8 {
        sender.send_to(&[round], at(&ours)).expect("sent");
        assert_eq!(hear(&mut ring, 1), [(0, at(&sender), vec![round])]);
    }
}

#[test]
fn a_bell_that_rings_while_buffers_are_short_is_heard_before_the_next_wait() {
    let Some(mut ring) = ring() else { return };
    let bell = crate::media::driver::system::Bell::new().expect("a bell");
    ring.watch_bell(bell.fd());
    let ours = socket();
    ring.open(ours.as_raw_fd(), 0, false).expect("room");
    ring.wait(Some(Duration::ZERO));
    // As if its request had found no buffer.
    ring.ended.push_back(Request { socket: 0, generation: ring.places[0].generation });
    bell.ring();
    assert!(!ring.again());
    let before = std::time::Instant::now();
    ring.wait(Some(PATIENCE));
    assert!(ring.has_rung() && before.elapsed() < PATIENCE / 2);
}

#[test]
fn the_ports_of_a_ring_are_free_when_it_is_gone() {
    let ports: Vec<SocketAddr> = {
        let Some(mut ring) = ring() else { return };
        let ours: Vec<UdpSocket> = (0..100).map(|_| socket()).collect();
        ours.iter().zip(0..).for_each(|(socket, number)| ring.open(socket.as_raw_fd(), number, false).expect("room"));
        ring.wait(Some(Duration::ZERO));
        ours.iter().map(at).collect()
    };
    for port in ports {
        UdpSocket::bind(port).expect("the port is free");
    }
}

#[test]
fn a_ring_has_more_buffers_for_more_sockets_and_never_more_than_all() {
    let Some(mut ring) = ring() else { return };
    let ours = socket();
    assert_eq!(ring.stocked, FIRST_SLOTS);
    for number in 0..5000 {
        if ring.open(ours.as_raw_fd(), number, false).is_err() {
            break;
        }
        let wanted = usize::from(FIRST_SLOTS) + (number as usize + 1) / SOCKETS_A_SLOT;
        assert_eq!(usize::from(ring.stocked), wanted.min(usize::from(SLOTS)));
    }
    assert!(ring.stocked > FIRST_SLOTS);
}
