//! Where offers and answers may stand (RFC 6337 §2, table 1), what is refused and how (§2.2, table 2), and what stands
//! nowhere: the whole table, with us on either side.

use patchcord::base::LegId;
use patchcord::model::{Answer, Cause, Hangup, Offer, Signal};
use patchcord::sip::message::{Header, Method, Name, Request, Response, Uri};

use super::net::{Net, address, media, said};

const A: usize = 0;
const PEER: &str = "10.0.0.9:5060";

fn with_sdp(request: Request, port: u16) -> Request {
    request.with_body("application/sdp", sdp(port))
}

fn sdp(port: u16) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n")
}

/// A call with a peer that the test plays.
struct Script {
    net: Net,
    leg: LegId,
    invite: Request,
}

impl Script {
    /// The peer calls, with an offer or without; it may insist on reliable responses.
    fn called(offer: bool, insists: bool) -> Script {
        let mut invite = Request::new(Method::INVITE, "sip:+15550100@10.0.0.1:5060".parse::<Uri>().unwrap())
            .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bKinvite")))
            .with(Header::new(Name::From, "<sip:+15550111@10.0.0.9>;tag=theirs"))
            .with(Header::new(Name::To, "<sip:+15550100@10.0.0.1>"))
            .with(Header::new(Name::CallId, "placements"))
            .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
            .with_cseq(1);
        if insists {
            invite = invite.with(Header::new(Name::Require, "100rel"));
        }
        if offer {
            invite = with_sdp(invite, 9000);
        }
        let mut net = Net::with_script(1, |_| {});
        net.inject(address(PEER), A, invite.clone());
        let leg = net.incoming(A);
        net.ladder();
        Script { net, leg, invite }
    }

    /// We call the peer.
    fn calling(offer: bool) -> Script {
        let mut net = Net::with_script(2, |_| {});
        let leg = net.call(A, offer.then(|| media(1000)));
        net.run_ms(20);
        let invite = net.request("INVITE");
        net.ladder();
        Script { net, leg, invite }
    }

    /// The peer's request within the dialog.
    fn ask(&mut self, method: Method, cseq: u32, port: Option<u16>, more: Option<Header>) {
        let dialog = self.net.ends[A].endpoint.dialogs().next();
        let (remote, local, call_id) = match dialog {
            Some(d) => (d.remote.to_string(), d.local.to_string(), d.call_id.to_string()),
            None => {
                let header = |name: Name| self.invite.headers.get(&name).unwrap().to_string();
                (format!("{};tag=one", header(Name::To)), header(Name::From), header(Name::CallId))
            }
        };
        let mut request = Request::new(method.clone(), "sip:patchcord@10.0.0.1:5060".parse::<Uri>().unwrap())
            .with(Header::new(Name::Via, format!("SIP/2.0/UDP {PEER};branch=z9hG4bK{method}{cseq}")))
            .with(Header::new(Name::From, remote))
            .with(Header::new(Name::To, local))
            .with(Header::new(Name::CallId, call_id))
            .with(Header::new(Name::Contact, "<sip:them@10.0.0.9:5060>"))
            .with_cseq(cseq);
        if let Some(header) = more {
            request = request.with(header);
        }
        let request = match port {
            Some(port) => with_sdp(request, port),
            None => request,
        };
        self.net.inject(address(PEER), A, request);
    }

    fn prack(&mut self, cseq: u32, port: Option<u16>) {
        let rseq = self.net.sent.iter().rev().find_map(|(.., m)| match m {
            patchcord::sip::message::Message::Response(r) => r.headers.rseq(),
            patchcord::sip::message::Message::Request(_) => None,
        });
        let rack = Header::new(Name::RAck, format!("{} 1 INVITE", rseq.expect("a reliable response")));
        self.ask(Method::PRACK, cseq, port, Some(rack));
    }

    /// The peer's response to our INVITE.
    fn reply(&mut self, status: u16, rseq: Option<u32>, port: Option<u16>) {
        let mut response = Response::to(&self.invite, status)
            .with_to_tag("one")
            .with(Header::new(Name::Contact, "<sip:one@10.0.0.9:5060>"));
        if let Some(rseq) = rseq {
            response = response.with(Header::new(Name::Require, "100rel")).with(Header::of(Name::RSeq, rseq));
        }
        let response = match port {
            Some(port) => response.with_body("application/sdp", sdp(port)),
            None => response,
        };
        self.net.inject(address(PEER), A, response);
    }

    fn say(&mut self, signal: Signal) {
        self.net.say(A, self.leg, signal);
    }

    /// The call answers the offer that it heard last.
    fn answer(&mut self, port: u16, provisional: bool) {
        let exchange = self.offered();
        self.say(Signal::Answer(Answer { exchange, description: media(port), provisional }));
    }

    fn refuse(&mut self) {
        let exchange = self.offered();
        self.say(Signal::Refuse { exchange, cause: Cause::MediaIncompatible });
    }

    fn offered(&self) -> patchcord::base::ExchangeId {
        let found = self.net.ends[A].heard.iter().rev().find_map(|(_, s)| match s {
            Signal::Start(start) => start.offer.as_ref().map(|o| o.exchange),
            Signal::Offer(offer) => Some(offer.exchange),
            _ => None,
        });
        found.expect("an offer")
    }

    /// The session is up, the peer having called.
    fn up() -> Script {
        let mut script = Script::called(true, false);
        script.answer(2000, false);
        script.say(Signal::Accept);
        script.ask(Method::ACK, 1, None, None);
        script.net.ladder();
        script.net.take_heard(A);
        script
    }

    /// What we sent and what the call heard.
    fn seen(mut self) -> String {
        let (ladder, words) = (self.net.ladder(), self.net.words(A));
        format!("{} | {}", ladder.join(", "), words.join(", "))
    }
}

/// One row: what it is, how it goes, what we send and what the call hears.
type Row = (&'static str, fn() -> Script, &'static str);

fn check(rows: &[Row]) {
    for (what, play, expected) in rows {
        assert_eq!(play().seen(), *expected, "{what}");
    }
}

#[test]
fn offers_and_answers_stand_where_the_table_of_the_standard_has_them_when_we_are_called() {
    check(&[
        (
            "1: offer in the INVITE, answer in its 2xx",
            || {
                let mut s = Script::called(true, false);
                s.answer(2000, false);
                s.say(Signal::Accept);
                s
            },
            "1>9 200 INVITE sdp | start 9000",
        ),
        (
            "2: offer in the 2xx, answer in the ACK",
            || {
                let mut s = Script::called(false, false);
                s.say(Signal::Offer(Offer { exchange: said(0), description: media(2000) }));
                s.say(Signal::Accept);
                s.ask(Method::ACK, 1, Some(9002), None);
                s
            },
            "1>9 200 INVITE sdp | start, answer 9002",
        ),
        (
            "3: offer in the INVITE, answer in a reliable response",
            || {
                let mut s = Script::called(true, true);
                s.answer(2000, true);
                s.prack(2, None);
                s.answer(2000, false);
                s.say(Signal::Accept);
                s
            },
            "1>9 183 INVITE sdp, 1>9 200 PRACK, 1>9 200 INVITE | start 9000",
        ),
        (
            "5: offer in the PRACK, answer in its 2xx",
            || {
                let mut s = Script::called(true, true);
                s.answer(2000, true);
                s.prack(2, Some(9004));
                s.answer(2002, false);
                s
            },
            "1>9 183 INVITE sdp, 1>9 200 PRACK sdp | start 9000, offer 9004",
        ),
        (
            "6: offer in an UPDATE before the answer, answer in its 2xx",
            || {
                let mut s = Script::called(true, true);
                s.answer(2000, true);
                s.prack(2, None);
                s.ask(Method::UPDATE, 3, Some(9006), None);
                s.answer(2002, false);
                s
            },
            "1>9 183 INVITE sdp, 1>9 200 PRACK, 1>9 200 UPDATE sdp | start 9000, offer 9006",
        ),
        (
            "a re-INVITE with an offer, answered in its 2xx",
            || {
                let mut s = Script::up();
                s.ask(Method::INVITE, 2, Some(9008), None);
                s.answer(2002, false);
                s
            },
            "1>9 100 INVITE, 1>9 200 INVITE sdp | offer 9008",
        ),
    ]);
}

#[test]
fn offers_and_answers_stand_where_the_table_of_the_standard_has_them_when_we_call() {
    check(&[
        (
            "1: offer in the INVITE, answer in its 2xx",
            || {
                let mut s = Script::calling(true);
                s.reply(200, None, Some(9000));
                s
            },
            "1>9 ACK | answer 9000, accept",
        ),
        (
            "2: offer in the 2xx, answer in the ACK",
            || {
                let mut s = Script::calling(false);
                s.reply(200, None, Some(9000));
                s.answer(1000, false);
                s
            },
            "1>9 ACK sdp | offer 9000, accept",
        ),
        (
            "3: offer in the INVITE, answer in a reliable response",
            || {
                let mut s = Script::calling(true);
                s.reply(183, Some(1), Some(9000));
                s.reply(200, None, None);
                s
            },
            "1>9 PRACK, 1>9 ACK | early answer 9000, Session with media, answer 9000, accept",
        ),
        (
            "4: offer in a reliable response, answer in its PRACK",
            || {
                let mut s = Script::calling(false);
                s.reply(183, Some(1), Some(9000));
                s.answer(1000, false);
                s.reply(200, None, None);
                s
            },
            "1>9 PRACK sdp, 1>9 ACK | offer 9000, Session with media, accept",
        ),
        (
            "6: offer in an UPDATE before the answer, answer in its 2xx",
            || {
                let mut s = Script::calling(true);
                s.reply(183, Some(1), Some(9000));
                s.ask(Method::UPDATE, 1, Some(9002), None);
                s.answer(1002, false);
                s
            },
            "1>9 PRACK, 1>9 200 UPDATE sdp | early answer 9000, Session with media, offer 9002",
        ),
    ]);
}

#[test]
fn an_offer_is_refused_as_the_second_table_of_the_standard_has_it() {
    check(&[
        (
            "in an INVITE: 488",
            || {
                let mut s = Script::called(true, false);
                s.say(Signal::Hangup(Hangup::new(Cause::MediaIncompatible)));
                s
            },
            "1>9 488 INVITE | start 9000",
        ),
        (
            "in a re-INVITE: 488, and the session is as it was",
            || {
                let mut s = Script::up();
                s.ask(Method::INVITE, 2, Some(9008), None);
                s.refuse();
                s
            },
            "1>9 100 INVITE, 1>9 488 INVITE | offer 9008",
        ),
        (
            "in an UPDATE: 488",
            || {
                let mut s = Script::up();
                s.ask(Method::UPDATE, 2, Some(9008), None);
                s.refuse();
                s
            },
            "1>9 488 UPDATE | offer 9008",
        ),
        (
            "in the 2xx to our INVITE without one: acknowledged, and ended",
            || {
                let mut s = Script::calling(false);
                s.reply(200, None, Some(9000));
                s.refuse();
                s
            },
            "1>9 ACK, 1>9 BYE | offer 9000, accept, hangup media-incompatible",
        ),
    ]);
}

#[test]
fn a_description_that_stands_nowhere_is_no_offer() {
    check(&[
        (
            "in the ACK of a session that is agreed on",
            || {
                let mut s = Script::called(true, false);
                s.answer(2000, false);
                s.say(Signal::Accept);
                s.ask(Method::ACK, 1, Some(9010), None);
                s
            },
            "1>9 200 INVITE sdp | start 9000",
        ),
        (
            "in an UPDATE before the first answer has arrived for sure",
            || {
                let mut s = Script::called(true, true);
                s.answer(2000, true);
                s.ask(Method::UPDATE, 2, Some(9006), None);
                s
            },
            "1>9 183 INVITE sdp, 1>9 500 UPDATE | start 9000",
        ),
        (
            "in an UPDATE while our offer in the INVITE is open",
            || {
                let mut s = Script::calling(true);
                s.reply(180, Some(1), None);
                s.ask(Method::UPDATE, 1, Some(9002), None);
                s
            },
            "1>9 PRACK, 1>9 491 UPDATE | Ringing",
        ),
        (
            "in a second re-INVITE while the first is not answered",
            || {
                let mut s = Script::up();
                s.ask(Method::INVITE, 2, Some(9008), None);
                s.ask(Method::INVITE, 3, Some(9010), None);
                s
            },
            "1>9 100 INVITE, 1>9 500 INVITE | offer 9008",
        ),
    ]);
}
