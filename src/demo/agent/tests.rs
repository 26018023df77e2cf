#![allow(clippy::unwrap_used)]

use std::time::Duration;

use super::*;
use crate::sdp;

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 4000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n";

/// A caller, in virtual time.
struct Caller {
    now: Instant,
    agent: Agent,
    outputs: Vec<Output>,
    to_tag: String,
    target: String,
}

impl Caller {
    fn new() -> Caller {
        let agent = Agent::new("127.0.0.1:5070".parse().unwrap(), Dice::for_test(1));
        Caller { now: Instant::now(), agent, outputs: Vec::new(), to_tag: String::new(), target: String::new() }
    }

    fn source() -> SocketAddr {
        "127.0.0.1:5060".parse().unwrap()
    }

    fn send(&mut self, method: &str, cseq: u32, branch: &str, extra: &str, body: &str) -> Vec<Response> {
        let (uri, tag) = match self.to_tag.as_str() {
            "" => ("sip:+15550100@127.0.0.1:5070".to_owned(), String::new()),
            tag => (self.target.clone(), format!(";tag={tag}")),
        };
        let content = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:me@127.0.0.1>;tag=me\r\nTo: <sip:+15550100@127.0.0.1>{tag}\r\n\
             Call-ID: call@here\r\nCSeq: {cseq} {method}\r\nContact: <sip:me@127.0.0.1:5060>\r\n{extra}{content}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.agent.handle_datagram(self.now, Caller::source(), text.into());
        self.collect()
    }

    fn invite(&mut self, extra: &str, body: &str) -> Vec<Response> {
        self.send("INVITE", 1, "one", extra, body)
    }

    fn say(&mut self, say: Say) -> Vec<Response> {
        self.agent.handle_say(self.now, CallNumber(0), say);
        self.collect()
    }

    /// The responses that came; whatever else came is kept.
    fn collect(&mut self) -> Vec<Response> {
        let mut responses = Vec::new();
        while let Some(output) = self.agent.poll_output() {
            match &output {
                Output::Send { to, bytes } => {
                    assert_eq!(*to, Caller::source());
                    if let Message::Response(response) = Message::read_datagram(bytes.clone()).unwrap() {
                        let to = response.headers.to().unwrap();
                        if let Ok(contacts) = response.headers.contacts()
                            && let Some(contact) = contacts.list().first()
                        {
                            self.to_tag = to.tag().unwrap().to_owned();
                            self.target = contact.uri.to_string();
                        }
                        responses.push(response);
                        continue;
                    }
                }
                Output::Begin { call, .. } => {
                    self.agent.handle_ready(*call, "127.0.0.1:7000".parse().unwrap());
                }
                _ => {}
            }
            self.outputs.push(output);
        }
        responses
    }

    /// The request that came last.
    fn request(&self) -> Request {
        let last = self.outputs.iter().rev().find_map(|o| match o {
            Output::Send { bytes, .. } => Some(bytes.clone()),
            _ => None,
        });
        match Message::read_datagram(last.unwrap()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!("only requests are kept"),
        }
    }

    fn wait(&mut self, time: Duration) -> Vec<Response> {
        let end = self.now + time;
        let mut responses = Vec::new();
        while let Some(due) = self.agent.poll_timeout().filter(|due| *due <= end) {
            self.now = due;
            self.agent.handle_timeout(due);
            responses.extend(self.collect());
        }
        self.now = end;
        responses
    }

    fn answered(offer: &str) -> (Caller, Vec<Response>) {
        let mut caller = Caller::new();
        caller.invite("", offer);
        let responses = caller.say(Say::Answer);
        (caller, responses)
    }

    fn ends(&self) -> usize {
        self.outputs.iter().filter(|o| matches!(o, Output::End { .. })).count()
    }
}

fn codes(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(Response::code).collect()
}

fn body(response: &Response) -> crate::model::Description {
    sdp::read(std::str::from_utf8(&response.body).unwrap()).unwrap()
}

#[test]
fn a_call_rings_has_early_media_is_answered_and_ended_by_the_caller() {
    let mut caller = Caller::new();
    assert!(caller.invite("", OFFER).is_empty());
    assert_eq!(caller.outputs[0], Output::Begin { call: CallNumber(0), plot: Plot::Greeting });
    assert_eq!(codes(&caller.say(Say::Ring)), [180]);
    let early = caller.say(Say::EarlyMedia);
    assert_eq!(codes(&early), [183]);
    let answer = caller.say(Say::Answer);
    assert_eq!((codes(&answer), &answer[0].body), (vec![200], &early[0].body), "the answer stays the same");
    assert_eq!(body(&answer[0]).audio().unwrap().transport.address, Some("127.0.0.1:7000".parse().unwrap()));
    assert!(caller.send("ACK", 1, "two", "", "").is_empty());
    assert!(caller.wait(Duration::from_secs(40)).is_empty(), "nothing is repeated after the ACK");
    assert_eq!(codes(&caller.send("BYE", 2, "three", "", "")), [200]);
    assert_eq!(codes(&caller.send("BYE", 2, "three", "", "")), [200], "the answer may have been lost");
    caller.wait(Duration::from_secs(40));
    assert_eq!(codes(&caller.send("BYE", 2, "three", "", "")), [481], "the call is forgotten");
    assert_eq!(caller.ends(), 1);
}

#[test]
fn an_answer_is_repeated_until_it_is_acknowledged() {
    let (mut caller, _) = Caller::answered(OFFER);
    assert_eq!(codes(&caller.wait(Duration::from_secs(4))), [200, 200, 200]);
    caller.send("ACK", 1, "two", "", "");
    assert!(caller.wait(Duration::from_secs(20)).is_empty());
}

#[test]
fn an_answer_that_is_never_acknowledged_ends_in_bye() {
    let (mut caller, _) = Caller::answered(OFFER);
    caller.wait(Duration::from_secs(33));
    assert_eq!(caller.request().method.as_str(), "BYE");
    assert_eq!(caller.ends(), 1);
}

#[test]
fn hanging_up_sends_bye_within_the_dialog_until_it_is_answered() {
    let (mut caller, _) = Caller::answered(OFFER);
    caller.send("ACK", 1, "two", "", "");
    caller.say(Say::HangUp);
    let bye = caller.request();
    assert_eq!((bye.method.as_str(), bye.uri.to_string()), ("BYE", "sip:me@127.0.0.1:5060".to_owned()));
    assert_eq!(bye.headers.to().unwrap().tag(), Some("me"));
    assert_eq!(bye.headers.from().unwrap().tag(), Some(caller.to_tag.as_str()));
    let sent = caller.outputs.len();
    caller.wait(Duration::from_millis(500));
    assert_eq!(caller.outputs.len(), sent + 1, "it is repeated");
    let ok = Response::to(&bye, StatusCode::OK).to_bytes();
    caller.agent.handle_datagram(caller.now, Caller::source(), ok);
    caller.wait(Duration::from_secs(40));
    assert_eq!(caller.outputs.len(), sent + 1);
    assert!(caller.agent.calls.is_empty());
}

#[test]
fn a_cancelled_call_ends_with_487_and_its_acknowledgement() {
    let mut caller = Caller::new();
    caller.invite("", OFFER);
    caller.say(Say::Ring);
    caller.to_tag.clear();
    assert_eq!(codes(&caller.send("CANCEL", 1, "one", "", "")), [200, 487]);
    assert_eq!(caller.ends(), 1);
    assert_eq!(codes(&caller.wait(Duration::from_millis(600))), [487]);
    caller.send("ACK", 1, "one", "", "");
    assert!(caller.wait(Duration::from_secs(40)).is_empty());
    assert!(caller.agent.calls.is_empty());
}

#[test]
fn a_refused_call_has_its_status_and_an_invite_that_comes_again_gets_it_again() {
    for status in [404, 486, 603] {
        let mut caller = Caller::new();
        caller.invite("", OFFER);
        assert_eq!(codes(&caller.say(Say::Refuse(status))), [status]);
        caller.to_tag.clear();
        assert_eq!(codes(&caller.invite("", OFFER)), [status]);
        assert_eq!(caller.outputs.iter().filter(|o| matches!(o, Output::Begin { .. })).count(), 1);
    }
}

#[test]
fn hold_and_resume_are_answered_with_the_direction_that_fits_and_a_new_version() {
    let (mut caller, first) = Caller::answered(OFFER);
    caller.send("ACK", 1, "two", "", "");
    let version = |r: &Response| String::from_utf8_lossy(&r.body).lines().nth(1).unwrap().to_owned();
    let mut before = version(&first[0]);
    for (cseq, offered, answered, heard) in
        [(2, "sendonly", "recvonly", false), (3, "inactive", "inactive", false), (4, "sendrecv", "sendrecv", true)]
    {
        let offer = format!("{OFFER}a={offered}\r\n");
        let responses = caller.send("INVITE", cseq, offered, "", &offer);
        assert_eq!(codes(&responses), [200]);
        let text = String::from_utf8_lossy(&responses[0].body).into_owned();
        assert!(text.contains(&format!("a={answered}\r\n")), "{text}");
        assert_ne!(version(&responses[0]), before);
        before = version(&responses[0]);
        caller.send("ACK", cseq, &format!("ack{cseq}"), "", "");
        let media = caller.outputs.iter().rev().find_map(|o| match o {
            Output::Media { media, .. } => Some(media.heard),
            _ => None,
        });
        assert_eq!(media, Some(heard), "{offered}");
    }
    assert!(caller.wait(Duration::from_secs(40)).is_empty());
}

#[test]
fn a_change_that_cannot_be_spoken_is_refused_and_the_call_goes_on() {
    let (mut caller, _) = Caller::answered(OFFER);
    caller.send("ACK", 1, "two", "", "");
    caller.wait(Duration::from_secs(60));
    let offer = OFFER.replace("RTP/AVP 0 101", "RTP/AVP 9");
    assert_eq!(codes(&caller.send("INVITE", 2, "three", "", &offer)), [488]);
    assert_eq!(caller.ends(), 0);
    assert_eq!(codes(&caller.send("BYE", 3, "four", "", "")), [200]);
}

#[test]
fn a_caller_without_an_offer_gets_one_and_answers_in_the_ack() {
    let (mut caller, answer) = Caller::answered("");
    assert_eq!(body(&answer[0]).audio().unwrap().codecs.len(), 3);
    caller.send("ACK", 1, "two", "", OFFER);
    assert!(matches!(caller.outputs.last(), Some(Output::Media { .. })));
    let (mut silent, _) = Caller::answered("");
    silent.send("ACK", 1, "two", "", "");
    assert_eq!(silent.request().method.as_str(), "BYE");
}

#[test]
fn what_is_not_understood_is_refused_without_a_call() {
    let refused = |extra: &str, body: &str| codes(&Caller::new().invite(extra, body));
    assert_eq!(refused("Require: 100rel\r\n", OFFER), [420]);
    assert_eq!(refused("", "hello"), [400]);
    let mut caller = Caller::new();
    assert_eq!(codes(&caller.send("OPTIONS", 1, "one", "", "")), [200]);
    assert_eq!(codes(&caller.send("REGISTER", 1, "one", "", "")), [405]);
    assert_eq!(codes(&caller.send("BYE", 1, "one", "", "")), [481]);
    assert_eq!(codes(&caller.send("CANCEL", 1, "one", "", "")), [481]);
    assert!(caller.send("ACK", 1, "one", "", "").is_empty());
    let (caller, answer) = Caller::answered(&OFFER.replace("RTP/AVP 0 101", "RTP/SAVP 0"));
    assert_eq!((codes(&answer), caller.ends()), (vec![488], 1));
}

#[test]
fn no_more_calls_are_taken_than_the_limit() {
    let mut caller = Caller::new();
    for number in 0..MAX_CALLS {
        assert!(caller.send("INVITE", 1, &format!("b{number}"), "", OFFER).is_empty());
    }
    assert_eq!(codes(&caller.send("INVITE", 1, "more", "", OFFER)), [503]);
}
