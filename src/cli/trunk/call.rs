//! A call to a number, as far as it has to be made to hear whether sound comes.

use std::time::{Duration, Instant};

use super::ear::{self, Ear};
use super::talk::{Broken, Talk};
use super::words::{self, Wrong};
use super::{PATIENCE, tell};
use crate::model::{
    Address, Codec, Crypto, Description, Kind, Party, Sdes, Seal, SrtpPolicy, Stream, Transport as MediaTransport,
};
use crate::sdp::{self, Origin};
use crate::sip::config::CallerPolicy;
use crate::sip::dialog::Dialog;
use crate::sip::flow::Transport;
use crate::sip::hear::{self, Body};
use crate::sip::message::{Header, Method, Name, NameAddr, Request, Response};
use crate::sip::say;
use crate::sip::session::proof::Proof;
use crate::switch::config::Config;

/// How long the number may ring.
const RING: Duration = Duration::from_secs(30);
/// How long sound is waited for, once somebody has answered.
const LISTEN: Duration = Duration::from_secs(4);
/// How long the trunk may take to give an INVITE up.
const CANCEL_PATIENCE: Duration = Duration::from_secs(3);
/// What a packet is offered in, where the trunk's `codecs` say nothing: what is listened to here comes first.
const SPEECH: [(u8, &str, u32, u8); 4] =
    [(8, "PCMA", 8_000, 1), (0, "PCMU", 8_000, 1), (9, "G722", 8_000, 1), (96, "opus", 48_000, 2)];
/// Of these the first are offered unless the trunk's `codecs` ask for the others.
const USUAL: usize = 2;
/// The suite of our keys, and the length of key and salt.
const SUITE: (&str, usize) = ("AES_CM_128_HMAC_SHA1_80", 30);

/// Calls, listens, and hangs up.
pub async fn call(config: &Config, talk: &mut Talk<'_>, number: &Address, routes: &[NameAddr]) -> Result<(), Wrong> {
    let trunk = talk.trunk;
    let by_words = trunk.srtp_over_plain || talk.line.flow.transport == Transport::Tls;
    if trunk.srtp == SrtpPolicy::Required && !by_words {
        tell("call", "not made: the media of this trunk are protected by DTLS, which is not tried here");
        return Ok(());
    }
    let ear = Ear::open(config, talk.line.flow.local.ip()).await.map_err(|e| words::no_port(&e))?;
    let offer = offer(talk, &ear);
    let began = Instant::now();
    let (invite, response) = invite(talk, number, routes, &offer, &ear).await?;
    let dialog = Dialog::as_client(&invite, &response);
    let mut dialog = dialog.map_err(|e| words::unreadable(&words::said(&response), &e.to_string()))?;
    listen_to(&response, &ear);
    let cseq = invite.headers.cseq().map(|cseq| cseq.number).unwrap_or(1);
    let broken = |talk: &Talk<'_>, error| words::broken("the call", talk, &Broken::Line(error));
    let ack = talk.acknowledge(dialog.ack(cseq)).await.map_err(|e| broken(talk, e))?;
    tell("call", &format!("answered after {:.1} s", began.elapsed().as_secs_f32()));
    talk.listen(LISTEN, &ack).await.map_err(|e| broken(talk, e))?;
    if !talk.hung_up {
        let mut bye = talk.signed(dialog.request(Method::BYE));
        // That the sound came matters, not how the call ended.
        let _ = talk.ask(&mut bye, PATIENCE, |_| ()).await;
    }
    judge(&ear)
}

/// The INVITE that was answered, and the 2xx. Where nobody picks up, sound before that is good enough.
async fn invite(
    talk: &mut Talk<'_>,
    number: &Address,
    routes: &[NameAddr],
    offer: &Description,
    ear: &Ear,
) -> Result<(Request, Response), Wrong> {
    let trunk = talk.trunk;
    let mut proof = Proof::default();
    let (call_id, tag) = (talk.dice.token(24), talk.dice.token(12));
    let from = caller(talk);
    let origin = Origin::new(u64::from(talk.dice.u32()), ear.address.ip());
    let body = sdp::write(offer, &origin);
    for cseq in 1.. {
        let uri = say::uri_at_trunk(number, trunk);
        let mut request = Request::new(Method::INVITE, uri.clone())
            .with(Header::of(Name::MaxForwards, 70))
            .with(Header::of(Name::From, from.from.clone().with_tag(&tag)))
            .with(Header::of(Name::To, NameAddr::new(uri)))
            .with(Header::new(Name::CallId, call_id.as_str()))
            .with_cseq(cseq)
            .with(Header::of(Name::Contact, NameAddr::new(talk.contact().with_user("patchcord"))));
        for route in routes {
            request.headers.push(Header::of(Name::Route, route));
        }
        for header in from.identity.iter().chain(proof.headers()) {
            request.headers.push(header.clone());
        }
        let mut request = talk.signed(request).with_body(hear::SDP, body.clone());
        let answer = talk.ask(&mut request, RING, |early| listen_to(early, ear)).await;
        let response = match answer {
            Ok(response) => response,
            Err(Broken::Silent { provisional: true }) => {
                talk.cancel(&request, CANCEL_PATIENCE).await;
                return Err(words::nobody_answers(RING, ear.packets()));
            }
            Err(broken) => return Err(words::broken("the call", talk, &broken)),
        };
        let is_challenge = matches!(response.code(), 401 | 407);
        if is_challenge && proof.take(&response, &request, Some(trunk), &mut talk.dice) {
            continue;
        }
        return match response.is_success() {
            true => Ok((request, response)),
            false => Err(words::refused(talk, &request, offer, &response)),
        };
    }
    unreachable!("credentials are tried a few times")
}

/// Who calls: as the gateway would say it of somebody without a number.
fn caller(talk: &Talk<'_>) -> say::Caller {
    let trunk = talk.trunk;
    let known = match trunk.caller {
        CallerPolicy::OwnNumber => None,
        CallerPolicy::PassThrough => trunk.number.clone().or_else(|| trunk.profile.account.clone()),
    };
    let user = known.or_else(|| trunk.user.clone()).unwrap_or_else(|| "patchcord".to_owned());
    say::caller_for_trunk(&Party::new(Address::here(user)), trunk)
}

fn offer(talk: &mut Talk<'_>, ear: &Ear) -> Description {
    let trunk = talk.trunk;
    let seal = match trunk.srtp {
        SrtpPolicy::Required => {
            let mut key = [0; SUITE.1];
            talk.dice.fill(&mut key);
            Seal::Sdes(Sdes { cryptos: [Crypto::of(1, SUITE.0, &key)].into(), optional: false })
        }
        SrtpPolicy::Off | SrtpPolicy::Optional => Seal::Plain,
    };
    let transport =
        MediaTransport { seal, ice: None, address: Some(ear.address), rtcp_address: None, feedback_profile: false };
    let mut stream = Stream::new(Kind::Audio, transport);
    let offered = if trunk.codecs.is_empty() { USUAL } else { SPEECH.len() };
    let speech = SPEECH.iter().take(offered);
    stream.codecs =
        speech.map(|(number, name, clock, channels)| Codec::new(*number, name, *clock, *channels)).collect();
    stream.codecs.push(Codec::telephone_event(101, 8_000));
    let description = Description { streams: vec![stream], groups: Vec::new(), extras: Vec::new() };
    say::lean(&description, Some(trunk))
}

/// Sends to where a response wants it, so that a trunk behind which everybody is latched onto sends too.
fn listen_to(response: &Response, ear: &Ear) {
    let Body::Description(description) = hear::body(&response.headers, &response.body) else { return };
    let Some(stream) = description.audio() else { return };
    let plain = matches!(stream.transport.seal, Seal::Plain);
    if let (Some(address), Some(codec)) = (stream.transport.address, stream.codecs.first()) {
        ear.aim(ear::Aim { address, payload_type: codec.payload_type, plain });
    }
}

fn judge(ear: &Ear) -> Result<(), Wrong> {
    match (ear.packets(), ear.loud(), ear.is_understood()) {
        (0, _, _) => Err(words::no_sound(ear.address)),
        (packets, _, false) => {
            tell("sound", &format!("{packets} packets"));
            Ok(())
        }
        (packets, 0, true) => {
            tell("sound", &format!("{packets} packets, all of them silence"));
            Ok(())
        }
        (packets, loud, true) => {
            tell("sound", &format!("{packets} packets, something to be heard in {loud} of them"));
            Ok(())
        }
    }
}
