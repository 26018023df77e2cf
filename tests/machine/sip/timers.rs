//! Session timers (RFC 4028): who refreshes, how, and what becomes of a session that nobody refreshes.

use std::time::Duration;

use patchcord::base::LegId;
use patchcord::model::{Cause, Hangup, Signal};
use patchcord::sip::config::Trunk;
use patchcord::sip::message::{Header, Message, Method, Name, Request, Response, Uri};
use patchcord::sip::session::timer::TimerMode;

use super::calls::talking;
use super::net::{Net, address, media};

const A: usize = 0;
const B: usize = 1;
const PEER: &str = "10.0.0.9:5060";
const HOUR: Duration = Duration::from_secs(3600);

fn sdp(version: u32, port: u16) -> String {
    format!(
        "v=0\r\no=- 1 {version} IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )
}

/// The scripted peer's 200.
fn ok(request: &Request, headers: &[(Name, &str)]) -> Response {
    let response = Response::to(request, 200)
        .with_to_tag("theirs")
        .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
        .with_body("application/sdp", sdp(1, 9000));
    headers.iter().fold(response, |response, (name, value)| response.with(Header::new(name.clone(), *value)))
}

/// A call to the scripted peer, which answers with these headers.
fn answered(net: &mut Net, headers: &[(Name, &str)]) -> LegId {
    let leg = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, ok(&invite, headers));
    net.run_ms(20);
    net.take_heard(A);
    net.ladder();
    net.mail.clear();
    leg
}

fn value(request: &Request, name: &Name) -> String {
    request.headers.get(name).map(|v| v.to_string()).unwrap_or_default()
}

fn origin(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    text.lines().find(|l| l.starts_with("o=")).unwrap_or_default().to_owned()
}

/// A request of the scripted peer's within the dialog of A.
fn within(net: &Net, method: Method, cseq: u32, headers: &[(Name, &str)]) -> Request {
    let dialog = net.ends[A].endpoint.dialogs().next().expect("a dialog");
    let request = Request::new(method.clone(), "sip:patchcord@10.0.0.1:5060".parse::<Uri>().unwrap())
        .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bK{method}{cseq}")))
        .with(Header::new(Name::From, &dialog.remote))
        .with(Header::new(Name::To, &dialog.local))
        .with(Header::new(Name::CallId, &dialog.call_id))
        .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
        .with_cseq(cseq);
    headers.iter().fold(request, |request, (name, value)| request.with(Header::new(name.clone(), *value)))
}

#[test]
fn a_session_is_refreshed_every_quarter_of_an_hour_and_nobody_hears_of_it() {
    let mut net = Net::pair(1);
    let (a, _) = talking(&mut net);
    net.run(Duration::from_secs(899));
    assert!(net.ladder().is_empty());
    net.run(Duration::from_secs(1));
    assert_eq!(net.ladder(), ["1>2 UPDATE", "2>1 200 UPDATE"]);
    net.run(4 * HOUR);
    assert_eq!(net.ladder().len(), 30, "fifteen more in less than four hours");
    assert!(net.words(A).is_empty() && net.words(B).is_empty());
    net.say(A, a, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.assert_all_forgotten();
}

#[test]
fn a_call_whose_bye_is_lost_ends_on_both_sides_before_its_time_is_over() {
    let mut net = Net::pair(2);
    talking(&mut net);
    net.loss_percent = 100;
    net.run(Duration::from_secs(900 + 33));
    assert_eq!(net.words(A), ["hangup timeout"], "its refresh was not answered");
    assert!(net.words(B).is_empty());
    net.run(Duration::from_secs(1768 - 933 - 1));
    assert!(net.words(B).is_empty());
    net.run(Duration::from_secs(2));
    let heard = net.take_heard(B);
    let [(_, Signal::Hangup(hangup))] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(hangup.cause, Cause::Timeout);
    assert!(hangup.detail.as_ref().unwrap().text.as_ref().unwrap().contains("not refreshed in time"));
    assert!(net.ladder().contains(&"2>1 BYE".to_owned()));
    net.assert_all_forgotten();
}

#[test]
fn each_trunk_has_its_own_time_and_may_have_none() {
    for (mode, wish, knows) in
        [(TimerMode::Request, "300", true), (TimerMode::Accept, "", true), (TimerMode::Off, "", false)]
    {
        let mut net = Net::with_script(3, |trunk: &mut Trunk| {
            trunk.session_timer.mode = mode;
            trunk.session_timer.expires = Duration::from_secs(300);
        });
        net.call(A, Some(media(1000)));
        net.run_ms(20);
        let invite = net.request("INVITE");
        assert_eq!(value(&invite, &Name::SessionExpires), wish, "{mode:?}");
        assert_eq!(invite.headers.supports("timer"), knows, "{mode:?}");
        net.inject(address(PEER), A, ok(&invite, &[(Name::SessionExpires, "120;refresher=uas")]));
        net.run(Duration::from_secs(121));
        let is_over = net.words(A).contains(&"hangup timeout".to_owned());
        assert_eq!(is_over, mode != TimerMode::Off, "{mode:?}");
    }
}

#[test]
fn a_peer_that_knows_no_timers_is_left_alone() {
    let mut net = Net::with_script(4, |_| {});
    answered(&mut net, &[]);
    net.run(2 * HOUR);
    assert!(net.ladder().is_empty() && net.words(A).is_empty());
}

#[test]
fn a_peer_that_takes_no_update_gets_our_description_again_with_the_same_version() {
    let mut net = Net::with_script(5, |_| {});
    let leg = net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    net.inject(address(PEER), A, ok(&invite, &[(Name::SessionExpires, "600;refresher=uac")]));
    net.run(Duration::from_secs(301));
    net.take_heard(A);
    let refresh = net.request("INVITE");
    assert_eq!(value(&refresh, &Name::SessionExpires), "600;refresher=uac");
    assert_eq!(refresh.body, invite.body, "byte for byte");
    net.inject(address(PEER), A, ok(&refresh, &[(Name::SessionExpires, "600;refresher=uac")]));
    net.run_ms(20);
    assert!(net.words(A).is_empty(), "the call hears nothing of it");
    assert_eq!(net.ladder().last().unwrap(), "1>9 ACK");
    net.run(Duration::from_secs(301));
    let again = net.request("INVITE");
    assert_eq!(origin(&again.body), origin(&invite.body));
    // This time the peer has another port, which is told as an offer of its.
    let moved = Response::to(&again, 200).with_body("application/sdp", sdp(2, 9002));
    net.inject(address(PEER), A, moved);
    assert_eq!(net.words(A), ["offer 9002"]);
    net.say(A, leg, Signal::Hangup(Hangup::new(Cause::Normal)));
    net.run_ms(20);
    net.inject(address(PEER), A, Response::to(&net.request("BYE"), 200));
    net.assert_all_forgotten();
}

#[test]
fn a_422_is_answered_by_an_invite_with_the_longer_time() {
    let mut net = Net::with_script(6, |_| {});
    net.call(A, Some(media(1000)));
    net.run_ms(20);
    let invite = net.request("INVITE");
    let refused = Response::to(&invite, 422).with_to_tag("t").with(Header::new(Name::MinSe, "3600"));
    net.inject(address(PEER), A, refused);
    net.run_ms(20);
    let again = net.request("INVITE");
    assert_eq!(again.headers.cseq().unwrap().number, 2);
    assert_eq!(again.headers.get(&Name::CallId), invite.headers.get(&Name::CallId));
    assert_eq!((value(&again, &Name::SessionExpires), value(&again, &Name::MinSe)), ("3600".into(), "3600".into()));
    assert!(net.words(A).is_empty());
    let refused = Response::to(&again, 422).with_to_tag("t").with(Header::new(Name::MinSe, "3600"));
    net.inject(address(PEER), A, refused);
    assert_eq!(net.words(A), ["hangup server-error"], "the same again is no help");
}

#[test]
fn a_caller_that_wants_a_session_too_short_is_told_our_minimum() {
    let mut net = Net::with_script(7, |_| {});
    let invite = |cseq: u32, expires: &str| {
        Request::new(Method::INVITE, "sip:+15550100@10.0.0.1:5060".parse::<Uri>().unwrap())
            .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKshort{cseq}")))
            .with(Header::new(Name::From, "<sip:+15550111@10.0.0.9>;tag=theirs"))
            .with(Header::new(Name::To, "<sip:+15550100@10.0.0.1>"))
            .with(Header::new(Name::CallId, "short"))
            .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
            .with(Header::new(Name::Supported, "timer"))
            .with(Header::new(Name::SessionExpires, expires))
            .with_cseq(cseq)
            .with_body("application/sdp", sdp(1, 9000))
    };
    net.inject(address(PEER), A, invite(1, "60"));
    let Some((.., Message::Response(refused))) = net.sent.last() else { panic!("no response") };
    assert_eq!((refused.code(), refused.headers.min_se()), (422, Some(90)));
    assert!(net.words(A).is_empty(), "no call came of it");
    net.inject(address(PEER), A, invite(2, "90"));
    let leg = net.incoming(A);
    super::calls::answer(&mut net, A, leg, 2000, false);
    net.say(A, leg, Signal::Accept);
    let Some((.., Message::Response(ok))) = net.sent.last() else { panic!("no response") };
    assert_eq!(ok.headers.get(&Name::SessionExpires).unwrap().as_str(), "90;refresher=uac");
    assert!(ok.headers.requires("timer"));
    let ack = within(&net, Method::ACK, 2, &[]);
    net.inject(address(PEER), A, ack);
    net.take_heard(A);
    // The peer refreshes once, with neither more nor less than what keeps the session up, and then no more.
    net.run(Duration::from_secs(45));
    let refresh = [(Name::SessionExpires, "90;refresher=uac"), (Name::Supported, "timer")];
    let update = within(&net, Method::UPDATE, 3, &refresh);
    net.inject(address(PEER), A, update);
    assert_eq!(net.ladder().last().unwrap(), "1>9 200 UPDATE");
    net.run(Duration::from_secs(59));
    assert!(net.words(A).is_empty());
    net.run(Duration::from_secs(2));
    assert_eq!(net.words(A), ["hangup timeout"], "the expiry less a third of it");
    assert_eq!(net.ladder().first().unwrap(), "1>9 BYE");
}

#[test]
fn a_refresh_that_finds_no_dialog_ends_the_leg_and_a_passing_trouble_does_not() {
    let with_update = [
        (Name::SessionExpires, "600;refresher=uac"),
        (Name::Allow, "INVITE, ACK, BYE, UPDATE"),
        (Name::Require, "timer"),
    ];
    for (status, then) in [(481, "hangup timeout"), (408, "hangup timeout"), (500, ""), (491, ""), (405, "")] {
        let mut net = Net::with_script(8, |_| {});
        answered(&mut net, &with_update);
        net.run(Duration::from_secs(301));
        let update = net.request("UPDATE");
        assert!(update.body.is_empty() && value(&update, &Name::SessionExpires) == "600;refresher=uac");
        net.inject(address(PEER), A, Response::to(&update, status));
        assert_eq!(net.words(A).concat(), then, "{status}");
        if !then.is_empty() {
            continue;
        }
        net.mail.clear();
        while net.mail.is_empty() {
            net.run(Duration::from_secs(1));
            assert!(net.words(A).is_empty(), "{status}: the session ended");
        }
        let again = net.request(if status == 405 { "INVITE" } else { "UPDATE" });
        net.inject(address(PEER), A, ok(&again, &with_update));
        net.run(Duration::from_secs(200));
        // Of a peer that takes no UPDATE after all, nothing was kept to compare its answer with: the call hears it.
        let heard = if status == 405 { "offer 9000" } else { "" };
        assert_eq!(net.words(A).concat(), heard, "{status}");
    }
}

#[test]
fn a_session_whose_refreshes_are_always_refused_ends_in_its_time() {
    let mut net = Net::with_script(9, |_| {});
    answered(&mut net, &[(Name::SessionExpires, "600;refresher=uac"), (Name::Allow, "INVITE, ACK, BYE, UPDATE")]);
    let mut refused = 0;
    for _ in 0..567 {
        net.run(Duration::from_secs(1));
        let updates: Vec<Request> = std::mem::take(&mut net.mail)
            .into_iter()
            .filter_map(|(_, m)| match m {
                Message::Request(r) if r.method == Method::UPDATE => Some(r),
                _ => None,
            })
            .collect();
        for update in updates {
            refused += 1;
            net.inject(address(PEER), A, Response::to(&update, 503));
        }
    }
    assert!(net.words(A).is_empty() && (2..40).contains(&refused), "{refused} refreshes");
    net.run(Duration::from_secs(2));
    assert_eq!(net.words(A), ["hangup timeout"]);
}
