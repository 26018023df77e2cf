//! DTLS-SRTP without rtcp-mux: RTCP on a port of its own, with a path, an association and keys of its own (RFC 5764 §4.1).

use std::time::Duration;

use patchcord::media::leg::Certificate;
use patchcord::media::shard::SocketId;
use patchcord::model::{
    Codec, GraphLeg, IceMode, LegSpec, LegStats, LocalEnd, RelayCommand, RelayEvent, RemoteEnd, SealKind, Setup, Source,
};
use patchcord::rtp::rtcp::{ReportBlock, Writer};

use super::browser::Browser;
use super::world::{CALL, Speaker, World, at, legs, phone, plain_leg};

const PHONE: &str = "203.0.113.2:5000";
const RTP: &str = "198.51.100.7:60000";
const RTCP: &str = "198.51.100.7:60001";
const MOVED: [&str; 2] = ["198.51.100.8:60000", "198.51.100.8:60001"];
const STRANGER: &str = "192.168.9.9:9";
const RTP_SOCKET: SocketId = SocketId(2);
const RTCP_SOCKET: SocketId = SocketId(3);
const PHONE_SOCKET: SocketId = SocketId(4);
const STEP: Duration = Duration::from_millis(5);
const FRAME: Duration = Duration::from_millis(20);
const UP: Duration = Duration::from_millis(400);

/// A peer whose RTP and RTCP have a port each, beside a telephone.
struct Scene {
    world: World,
    rtp: Browser,
    rtcp: Browser,
    ice: IceMode,
    muxes: bool,
    revision: u32,
    speaker: Speaker,
}

impl Scene {
    /// Before anything was said; `ice`: with it, or at the described addresses.
    fn new(ice: IceMode) -> Scene {
        let world = World::new();
        let [mut rtp, mut rtcp] = [RTP, RTCP].map(|address| Browser::new(world.now, at(address), true));
        rtcp.certificate = rtp.certificate.clone();
        (rtp.wire, rtcp.wire) = (RTP_SOCKET, RTCP_SOCKET);
        Scene { world, rtp, rtcp, ice, muxes: false, revision: 0, speaker: Speaker::new(4, 0, 160) }
    }

    fn talking(ice: IceMode) -> Scene {
        let mut scene = Scene::new(ice);
        scene.offer();
        scene.pass(UP);
        assert!(scene.world.events.contains(&RelayEvent::Connected { call: CALL, leg: legs().0 }));
        scene
    }

    fn words(&self) -> RemoteEnd {
        let mut words = self.rtp.words(&[Codec::pcmu()]);
        words.rtcp_mux = self.muxes;
        words.transport.address = Some(self.rtp.address);
        if self.ice == IceMode::None {
            words.transport.ice = None;
        }
        words
    }

    /// The peer offers what it is now, and hears the answer.
    fn offer(&mut self) {
        let (words, (a, b)) = (self.words(), legs());
        self.apply(Some(words));
        let end = self.world.ready(a);
        assert_eq!(self.world.wire(b), PHONE_SOCKET);
        self.hear(&end);
    }

    fn apply(&mut self, words: Option<RemoteEnd>) {
        let ((a, b), codecs) = (legs(), [Codec::pcmu()]);
        let spec = LegSpec { ice: self.ice, seal: SealKind::Dtls, ipv6: false };
        self.revision += 1;
        let graph = [
            GraphLeg { spec, ..plain_leg(a, words, &codecs, Source::Leg(b)) },
            plain_leg(b, Some(phone(PHONE, &codecs)), &codecs, Source::Leg(a)),
        ];
        self.world.apply(self.revision, &graph);
    }

    fn hear(&mut self, end: &LocalEnd) {
        let candidates = end.transport.ice.clone().map(|ice| ice.candidates).unwrap_or_default();
        for (browser, component) in [(&mut self.rtp, 1), (&mut self.rtcp, 2)] {
            let mut end = end.clone();
            match &mut end.transport.ice {
                Some(ice) => {
                    ice.candidates = candidates.iter().filter(|c| c.component == component).cloned().collect();
                    // They see all that comes to them as if it came from one port.
                    ice.candidates.iter_mut().for_each(|candidate| candidate.port = 3478);
                    browser.hear(self.world.now, &end);
                }
                None => {
                    browser.hear_dtls(self.world.now, &end);
                    browser.target = end.transport.address;
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.world.now + time;
        while self.world.now < end {
            self.rtp.tick(&mut self.world);
            self.rtcp.tick(&mut self.world);
            self.world.pass(STEP);
        }
        self.rtp.exchange(&mut self.world);
        self.rtcp.exchange(&mut self.world);
    }

    /// Both speak long enough for reports; returns how many compounds the peer got on the port of RTP, and on that of RTCP.
    fn talk(&mut self) -> (usize, usize) {
        self.rtp.reports.clear();
        self.rtcp.reports.clear();
        self.rtp.heard.clear();
        for n in 0..400 {
            let packet = self.speaker.next(&[7; 160]);
            self.world.arrive(PHONE_SOCKET, at(PHONE), &packet);
            self.world.sent.retain(|sent| sent.to != at(PHONE));
            self.rtp.say(&mut self.world, packet);
            assert_eq!(self.world.sent.iter().filter(|s| s.to == at(PHONE) && s.is_rtp()).count(), 1, "packet {n}");
            self.pass(FRAME);
        }
        assert_eq!(self.rtp.heard.len(), 400);
        assert!(self.rtcp.heard.is_empty());
        (self.rtp.reports.len(), self.rtcp.reports.len())
    }

    /// A report of the peer on what it lost of ours.
    fn report(&mut self, lost: i32) -> Vec<u8> {
        let block = ReportBlock { ssrc: self.world.ready(legs().0).ssrc, lost, ..ReportBlock::default() };
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer);
        writer.report(4, None, &[block]);
        let length = writer.length();
        buffer[..length].to_vec()
    }

    fn stats(&mut self) -> LegStats {
        self.world.order(RelayCommand::Stats(CALL));
        let Some(RelayEvent::Stats { legs, .. }) = self.world.events.pop_back() else { panic!("no figures") };
        legs[0].clone()
    }

    fn dtls_datagrams(&self) -> (usize, usize) {
        (self.rtp.dtls_datagrams, self.rtcp.dtls_datagrams)
    }

    fn failures(&mut self) -> Vec<String> {
        let why = |event: &RelayEvent| match event {
            RelayEvent::Failed { why, .. } => Some(why.clone()),
            _ => None,
        };
        self.world.events.iter().filter_map(why).collect()
    }
}

#[test]
fn rtp_and_rtcp_have_an_association_each_and_reports_flow_both_ways_under_keys_of_their_own() {
    for ice in [IceMode::LitePair, IceMode::None] {
        let mut scene = Scene::talking(ice);
        let (on_rtp, on_rtcp) = scene.talk();
        assert!(on_rtp == 0 && on_rtcp > 0, "{ice:?}: {on_rtp} {on_rtcp}");
        let report = scene.report(4);
        scene.rtcp.report(&mut scene.world, report);
        assert_eq!((scene.stats().lost_out, scene.stats().refused), (4, 0), "{ice:?}");

        // What the keys of RTP protect is not taken for a report of the other association.
        let mut forged = scene.report(9);
        let length = forged.len();
        forged.resize(length + 32, 0);
        let keys = scene.rtp.dtls.as_mut().and_then(|dtls| dtls.keys_mut()).expect("keys");
        let length = keys.outward.protect_rtcp(&mut forged, length).expect("room");
        scene.world.arrive(RTCP_SOCKET, at(RTCP), &forged[..length]);
        assert_eq!((scene.stats().lost_out, scene.stats().refused), (4, 1), "{ice:?}");
    }
}

#[test]
fn an_offer_without_rtcp_mux_is_answered_with_candidates_of_two_components_one_certificate_and_one_role() {
    let mut scene = Scene::new(IceMode::LitePair);
    scene.offer();
    let ice = scene.world.ready(legs().0).transport.ice.expect("ICE");
    let described: Vec<_> = ice.candidates.iter().map(|c| (c.component, c.port)).collect();
    assert_eq!(described, [(1, 20_002), (2, 20_003)]);
    scene.pass(UP);
    let [one, other] = [&scene.rtp, &scene.rtcp].map(|b| b.dtls.as_ref().expect("DTLS"));
    assert_eq!(one.role(), other.role());
}

#[test]
fn what_is_lost_of_the_handshake_for_rtcp_is_sent_again_and_holds_up_no_media() {
    for loses in [|n| n % 3 == 1, |n: usize| n.is_multiple_of(2), |n| n < 6] as [fn(usize) -> bool; 3] {
        for ice in [IceMode::LitePair, IceMode::None] {
            let mut scene = Scene::new(ice);
            (scene.rtcp.loses, scene.rtcp.loses_out) = (loses, loses);
            scene.offer();
            scene.pass(UP);
            assert!(scene.world.events.contains(&RelayEvent::Connected { call: CALL, leg: legs().0 }), "{ice:?}");
            scene.pass(Duration::from_secs(20));
            (scene.rtcp.loses, scene.rtcp.loses_out) = (|_| false, |_| false);
            assert!(scene.talk().1 > 0, "{ice:?}");
        }
    }
}

#[test]
fn an_ice_restart_on_two_ports_keeps_both_associations() {
    let mut scene = Scene::talking(IceMode::LitePair);
    let handshakes = scene.dtls_datagrams();
    scene.rtp.restart(scene.world.now, at(MOVED[0]));
    scene.rtcp.restart(scene.world.now, at(MOVED[1]));
    scene.offer();
    scene.pass(UP);
    let (on_rtp, on_rtcp) = scene.talk();
    assert!(on_rtp == 0 && on_rtcp > 0, "{on_rtp} {on_rtcp}");
    assert_eq!(scene.dtls_datagrams(), handshakes);
    let report = scene.report(4);
    scene.rtcp.report(&mut scene.world, report);
    assert_eq!(scene.stats().lost_out, 4);
}

#[test]
fn another_certificate_begins_both_associations_anew() {
    for ice in [IceMode::LitePair, IceMode::None] {
        let mut scene = Scene::talking(ice);
        let handshakes = scene.dtls_datagrams();
        scene.rtp.certificate = Some(Certificate::generate().expect("a certificate"));
        scene.rtcp.certificate = scene.rtp.certificate.clone();
        (scene.rtp.dtls, scene.rtcp.dtls) = (None, None);
        scene.offer();
        scene.pass(UP);
        let now = scene.dtls_datagrams();
        assert!(now.0 > handshakes.0 && now.1 > handshakes.1, "{ice:?}: {handshakes:?} {now:?}");
        assert!(scene.talk().1 > 0, "{ice:?}");
    }
}

#[test]
fn a_peer_that_multiplexes_later_has_its_reports_on_the_port_of_rtp_and_on_two_again_when_it_does_not() {
    let mut scene = Scene::talking(IceMode::LitePair);
    let handshakes = scene.dtls_datagrams();
    scene.muxes = true;
    scene.offer();
    let (on_rtp, on_rtcp) = scene.talk();
    assert!(on_rtp > 0 && on_rtcp == 0, "{on_rtp} {on_rtcp}");
    let report = scene.report(4);
    scene.rtp.report(&mut scene.world, report);
    assert_eq!(scene.stats().lost_out, 4);
    scene.muxes = false;
    scene.offer();
    let (on_rtp, on_rtcp) = scene.talk();
    assert!(on_rtp == 0 && on_rtcp > 0, "{on_rtp} {on_rtcp}");
    assert_eq!(scene.dtls_datagrams(), handshakes, "without another handshake");
}

#[test]
fn an_association_that_began_anew_while_the_peer_multiplexed_has_a_new_one_for_rtcp_beside_it() {
    let mut scene = Scene::new(IceMode::LitePair);
    for (name, muxes) in [("the-first-association", false), ("the-second-association", true)] {
        scene.rtp.tls_id = Some(name.into());
        (scene.rtp.dtls, scene.rtcp.dtls) = (None, None);
        scene.muxes = muxes;
        scene.offer();
        scene.pass(UP);
    }
    scene.muxes = false;
    scene.offer();
    scene.pass(UP);
    let (on_rtp, on_rtcp) = scene.talk();
    assert!(on_rtp == 0 && on_rtcp > 0, "{on_rtp} {on_rtcp}");
}

#[test]
fn an_answer_without_rtcp_mux_to_an_offer_with_it_gives_rtcp_an_association_of_its_own() {
    for setup in [Setup::Active, Setup::Passive] {
        let mut scene = Scene::new(IceMode::None);
        scene.apply(None);
        let mut words = scene.words();
        words.is_offer = false;
        let patchcord::model::Seal::Dtls { setup: said, .. } = &mut words.transport.seal else { panic!("DTLS") };
        *said = setup;
        scene.apply(Some(words));
        let end = scene.world.ready(legs().0);
        scene.hear(&end);
        scene.pass(UP);
        let (on_rtp, on_rtcp) = scene.talk();
        assert!(on_rtp == 0 && on_rtcp > 0, "{setup:?}: {on_rtp} {on_rtcp}");
    }
}

#[test]
fn another_certificate_on_the_port_of_rtcp_alone_costs_the_reports_and_not_the_call() {
    let mut scene = Scene::new(IceMode::LitePair);
    scene.rtcp.certificate = Some(Certificate::generate().expect("a certificate"));
    scene.offer();
    scene.pass(UP);
    assert_eq!(scene.talk(), (0, 0));
    assert_eq!(scene.failures(), Vec::<String>::new());
}

#[test]
fn a_peer_without_an_association_for_rtcp_is_sent_no_report_and_hears_and_is_heard() {
    for ice in [IceMode::LitePair, IceMode::None] {
        let mut scene = Scene::new(ice);
        scene.offer();
        scene.rtcp.dtls = None;
        scene.pass(UP);
        assert_eq!(scene.talk(), (0, 0), "{ice:?}");
        scene.pass(Duration::from_secs(40));
        assert_eq!(scene.talk(), (0, 0), "{ice:?}");
        assert_eq!(scene.failures(), Vec::<String>::new());
    }
}

#[test]
fn handshakes_of_strangers_on_the_port_of_rtcp_are_not_answered_and_counted() {
    let mut scene = Scene::new(IceMode::LitePair);
    scene.offer();
    for n in 0..50u8 {
        scene.world.arrive(RTCP_SOCKET, at(STRANGER), &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, n, 0, 1, n]);
    }
    assert!(scene.world.sent.iter().all(|sent| sent.to != at(STRANGER)));
    assert_eq!(scene.stats().refused, 50);
    scene.pass(UP);
    assert!(scene.talk().1 > 0);
}

#[test]
fn rtcp_is_said_goodbye_to_by_the_end_of_its_association() {
    let mut scene = Scene::talking(IceMode::LitePair);
    scene.talk();
    scene.world.take_sent();
    scene.world.order(RelayCommand::Remove(CALL));
    let sent = scene.world.take_sent();
    let kinds_to = |address: &str| -> Vec<_> {
        sent.iter().filter(|s| s.to == at(address)).map(|s| patchcord::rtp::kind(&s.bytes)).collect()
    };
    use patchcord::rtp::Kind::{Dtls, Rtcp};
    assert_eq!((kinds_to(RTP), kinds_to(RTCP)), (vec![Dtls], vec![Rtcp, Dtls]));
}
