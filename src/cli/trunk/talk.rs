//! Requests and their answers on one line, one at a time (RFC 3261 §17).

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::base::Dice;
use crate::sip::config::{Config, Trunk};
use crate::sip::driver::line::Line;
use crate::sip::flow::Transport;
use crate::sip::message::{
    Header, Host, Message, Method, Name, NameAddr, Params, Request, Response, SipUri, Uri, Via, ViaTransport,
};
use crate::sip::transaction::key::COOKIE;
use crate::sip::transaction::table;
use crate::sip::wire::ALLOW;

/// After which time a datagram is sent again first (RFC 3261 §17.1.1.1, T1).
const T1: Duration = Duration::from_millis(500);
/// And at the longest (T2).
const T2: Duration = Duration::from_secs(4);
/// How long an INVITE may stay without any response.
const SILENCE: Duration = Duration::from_secs(8);

/// Why a request has no answer.
#[derive(Debug)]
pub enum Broken {
    /// The line broke.
    Line(io::Error),
    /// Nobody answered in time; whether somebody said at least that the request is worked on.
    Silent {
        /// A provisional response came.
        provisional: bool,
    },
}

/// A talk with the trunk.
pub struct Talk<'a> {
    /// The way there.
    pub line: Line,
    /// The trunk.
    pub trunk: &'a Trunk,
    /// Chance.
    pub dice: Dice,
    /// The peer has ended the call that is up.
    pub hung_up: bool,
    config: &'a Config,
}

impl<'a> Talk<'a> {
    /// On this line.
    pub fn new(line: Line, config: &'a Config, trunk: &'a Trunk, dice: Dice) -> Talk<'a> {
        Talk { line, trunk, dice, hung_up: false, config }
    }

    /// The host that the trunk is told.
    pub fn host(&self) -> Host {
        match &self.config.advertise {
            Some(host) => Host::from(host.as_str()),
            None => self.line.flow.local.ip().into(),
        }
    }

    /// Our own address, without a user.
    pub fn contact(&self) -> SipUri {
        let uri = SipUri::new(self.host()).with_port(self.line.flow.local.port());
        match self.line.flow.transport.uri_word() {
            Some(word) => uri.with_param("transport", word),
            None => uri,
        }
    }

    /// The request with what all of ours say.
    pub fn signed(&self, request: Request) -> Request {
        request.with(Header::new(Name::UserAgent, &self.config.agent))
    }

    /// A new OPTIONS.
    pub fn options(&mut self, routes: &[NameAddr]) -> Request {
        let mut uri = SipUri::new(Host::from(self.trunk.address.host.as_str()));
        if let Some(port) = self.trunk.address.port {
            uri = uri.with_port(port);
        }
        let from = NameAddr::new(SipUri::new(self.host()).with_user("patchcord")).with_tag(&self.dice.token(12));
        let mut request = Request::new(Method::OPTIONS, Uri::Sip(uri.clone()))
            .with(Header::of(Name::MaxForwards, 70))
            .with(Header::of(Name::From, from))
            .with(Header::of(Name::To, NameAddr::new(uri)))
            .with(Header::new(Name::CallId, self.dice.token(24)))
            .with_cseq(1)
            .with(Header::of(Name::Contact, NameAddr::new(self.contact().with_user("patchcord"))));
        for route in routes {
            request.headers.push(Header::of(Name::Route, route));
        }
        self.signed(request)
    }

    /// Sends a request, again and again on a way that loses things, until its final response; `patience` is that of an
    /// INVITE once it is worked on, and else the whole. The request gets its `Via`.
    ///
    /// # Errors
    /// [`Broken`]
    pub async fn ask(
        &mut self,
        request: &mut Request,
        patience: Duration,
        mut hear: impl FnMut(&Response),
    ) -> Result<Response, Broken> {
        let branch = self.stamp(request);
        let is_invite = request.method == Method::INVITE;
        let bytes = request.to_bytes();
        self.line.send(&bytes).await.map_err(Broken::Line)?;
        let mut deadline = Instant::now() + if is_invite { SILENCE } else { patience };
        let mut interval = T1;
        let mut again = (self.line.flow.transport == Transport::Udp).then(|| Instant::now() + T1);
        let mut provisional = false;
        loop {
            let until = again.map_or(deadline, |at| at.min(deadline));
            match self.line.receive(until).await.map_err(Broken::Line)? {
                Some(Message::Response(response)) if is_of(&response, &branch, &request.method) => {
                    if response.is_provisional() {
                        if is_invite && !provisional {
                            (again, deadline) = (None, Instant::now() + patience);
                        }
                        provisional = true;
                        hear(&response);
                        continue;
                    }
                    if is_invite && !response.is_success() {
                        self.line.send(&table::ack(request, &response)).await.map_err(Broken::Line)?;
                    }
                    return Ok(response);
                }
                Some(Message::Response(_)) => {}
                Some(Message::Request(theirs)) => self.serve(&theirs).await.map_err(Broken::Line)?,
                None if Instant::now() >= deadline => return Err(Broken::Silent { provisional }),
                None => {
                    self.line.send(&bytes).await.map_err(Broken::Line)?;
                    interval = (interval * 2).min(T2);
                    again = Some(Instant::now() + interval);
                }
            }
        }
    }

    /// Gives an INVITE up (RFC 3261 §9.1), and waits a moment for its end.
    pub async fn cancel(&mut self, invite: &Request, patience: Duration) {
        if self.line.send(&table::cancel(invite).to_bytes()).await.is_err() {
            return;
        }
        let deadline = Instant::now() + patience;
        while let Ok(Some(message)) = self.line.receive(deadline).await {
            let Message::Response(response) = message else { continue };
            let is_invites = response.headers.cseq().is_ok_and(|cseq| cseq.method == Method::INVITE);
            if is_invites && !response.is_provisional() {
                // A trunk that does not hear it asks again, and is not waited for.
                let _ = self.line.send(&table::ack(invite, &response)).await;
                return;
            }
        }
    }

    /// Sends the ACK of a 2xx, which is no transaction; gives its bytes.
    ///
    /// # Errors
    /// The line broke.
    pub async fn acknowledge(&mut self, mut ack: Request) -> io::Result<Bytes> {
        self.stamp(&mut ack);
        let bytes = ack.to_bytes();
        self.line.send(&bytes).await?;
        Ok(bytes)
    }

    /// Lets the talk go on for so long, or until the peer hangs up.
    ///
    /// # Errors
    /// The line broke.
    pub async fn listen(&mut self, length: Duration, ack: &Bytes) -> io::Result<()> {
        let until = Instant::now() + length;
        while !self.hung_up {
            match self.line.receive(until).await? {
                // The 2xx comes again until its ACK has arrived (RFC 3261 §13.3.1.4).
                Some(Message::Response(response)) if response.is_success() => self.line.send(ack).await?,
                Some(Message::Response(_)) => {}
                Some(Message::Request(theirs)) => self.serve(&theirs).await?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    async fn serve(&mut self, request: &Request) -> io::Result<()> {
        let status = match request.method.as_str() {
            "ACK" => return Ok(()),
            "BYE" => {
                self.hung_up = true;
                200
            }
            "OPTIONS" => 200,
            // A change of the session: not now.
            "INVITE" | "UPDATE" => 491,
            _ => 405,
        };
        let response = Response::to(request, status).with_to_tag(&self.dice.token(8));
        self.line.send(&response.with(Header::new(Name::Allow, ALLOW)).to_bytes()).await
    }

    /// Puts a new `Via` on top; gives its branch.
    fn stamp(&mut self, request: &mut Request) -> String {
        let branch = format!("{COOKIE}{}", self.dice.token(16));
        let mut params = Params::default();
        params.set("branch", &branch);
        params.flag("rport");
        let flow = self.line.flow;
        let transport = ViaTransport::read(flow.transport.via_word());
        let via = Via { transport, host: self.host(), port: Some(flow.local.port()), params };
        request.headers.prepend(Header::of(Name::Via, via));
        branch
    }
}

fn is_of(response: &Response, branch: &str, method: &Method) -> bool {
    let same = response.headers.via().is_ok_and(|via| via.branch() == Some(branch));
    same && response.headers.cseq().is_ok_and(|cseq| cseq.method == *method)
}
