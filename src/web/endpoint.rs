//! The core that owns the browsers' sessions.
//!
//! It finds the connection, the session and the leg that an input is for; what happens there is theirs.
//! `endpoint/texts.rs` has the messages between people.

mod texts;

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::config::{Config, IceServer};
use super::connection::{Connection, Pace, State};
use super::error::{FrameError, FrameErrorCode};
use super::frame::{CallName, FromClient, Hello, NewCall, VERSION};
use super::resume::Tokens;
use super::session::{RESUME_WITHIN, Session, SessionId, Wants};
use super::to_page::{ToPage, Welcome};
use super::wakes::Wakes;
use crate::base::{AdapterId, Dice, LegId, LegMint, Pii, Secret};
use crate::model::{Address, Binding, Cause, Directory, Hangup, PREFERRED, Party, Signal, Text, TextId, Undelivered};

/// One WebSocket, by a number that is never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId(pub u64);

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a frame.
    Text {
        /// To whom.
        conn: ConnId,
        /// The frame.
        text: String,
    },
    /// Close the socket, after the frames before this.
    Close {
        /// Which.
        conn: ConnId,
        /// The WebSocket's closing code (RFC 6455 §7.4).
        code: u16,
    },
    /// Tell the calls what the party on a leg said.
    Signal {
        /// The leg.
        leg: LegId,
        /// What it said.
        signal: Signal,
    },
    /// Give the switch a message that a page wrote.
    Written(Text),
    /// Tell the switch what became of a message that it gave.
    Delivered {
        /// The message.
        id: TextId,
        /// Whether it was delivered, or why not.
        result: Result<(), Undelivered>,
    },
    /// A page can be rung from now on.
    Bind(Binding),
    /// It cannot any more.
    Unbind(Binding),
}

/// The closing code where the gateway has no room (RFC 6455 §7.4, registered as "Try Again Later").
const NO_ROOM: u16 = 1013;
/// The closing code of a client that says nothing (RFC 6455 §7.4.1, "policy violation").
const POLICY: u16 = 1008;
/// The closing code of a socket whose session was taken back on another.
const TAKEN_BACK: u16 = 4000;
/// The most sign-in tokens that are out at once.
const MAX_TOKENS: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Due {
    Conn(ConnId),
    Session(SessionId),
}

/// The browsers' sessions and their calls.
pub struct Endpoint {
    adapter: AdapterId,
    config: Config,
    directory: Arc<Directory>,
    dice: Dice,
    mint: LegMint,
    sign_ins: Tokens<String>,
    /// By the token that each `welcome` gave; one for each session.
    resumes: HashMap<String, SessionId>,
    conns: HashMap<ConnId, Connection>,
    sessions: HashMap<SessionId, Owned>,
    legs: HashMap<LegId, (SessionId, CallName)>,
    /// Whose the messages are whose fate is not known.
    texts: HashMap<u64, SessionId>,
    next_text: u64,
    next_session: u64,
    wakes: Wakes<Due>,
    outputs: VecDeque<Output>,
}

struct Owned {
    session: Session,
    resume: String,
}

impl Endpoint {
    /// How long a sign-in token is good for.
    pub const TOKEN_LIFETIME: Duration = Duration::from_secs(60);

    /// An endpoint without sessions.
    pub fn new(adapter: AdapterId, config: Config, directory: Arc<Directory>, dice: Dice) -> Endpoint {
        Endpoint {
            adapter,
            config,
            directory,
            dice,
            mint: LegMint::heard(adapter),
            sign_ins: Tokens::new(MAX_TOKENS),
            resumes: HashMap::new(),
            conns: HashMap::new(),
            sessions: HashMap::new(),
            legs: HashMap::new(),
            texts: HashMap::new(),
            next_text: 0,
            next_session: 0,
            wakes: Wakes::new(),
            outputs: VecDeque::new(),
        }
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Takes the users as they are from now on. Who is not among them any more keeps the calls that are up,
    /// and can neither make one nor come back.
    pub fn set_directory(&mut self, directory: &Arc<Directory>) {
        if !Arc::ptr_eq(&self.directory, directory) {
            self.directory = Arc::clone(directory);
        }
    }

    /// A token with which `user`, who has proven to be that, may open one connection; `None` if too many
    /// are out.
    pub fn mint_token(&mut self, now: Instant, user: &str) -> Option<Secret> {
        self.sign_ins.mint(now, now + Self::TOKEN_LIFETIME, user.to_owned(), &mut self.dice)
    }

    /// A socket was opened from that address.
    pub fn handle_connected(&mut self, now: Instant, conn: ConnId, peer: IpAddr) {
        if self.conns.len() >= self.config.max_connections {
            self.outputs.push_back(Output::Close { conn, code: NO_ROOM });
            return;
        }
        tracing::debug!(conn = conn.0, peer = %Pii(peer), "a browser connects");
        let connection = Connection::new(now);
        self.wakes.set(Due::Conn(conn), connection.deadline());
        self.conns.insert(conn, connection);
    }

    /// A text message came in.
    pub fn handle_text(&mut self, now: Instant, conn: ConnId, text: &str) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        if connection.state == State::Gone {
            return;
        }
        match connection.pace(now) {
            Pace::Fits => {}
            Pace::Tell => {
                let error = FrameError::new(FrameErrorCode::TooFast, "more than 50 frames in a second");
                return self.tell_error(now, conn, error);
            }
            Pace::Drop => return,
        }
        if text.len() > super::FRAME_LIMIT {
            return self.handle_oversized(now, conn);
        }
        let state = connection.state;
        let heard = FromClient::read(text).and_then(|frame| self.hear(now, conn, state, frame));
        if let Err(error) = heard {
            self.tell_error(now, conn, error);
        }
    }

    /// A message came in that was too large to be read.
    pub fn handle_oversized(&mut self, now: Instant, conn: ConnId) {
        if self.conns.get(&conn).is_some_and(|c| c.state != State::Gone) {
            self.tell_error(now, conn, FrameError::new(FrameErrorCode::TooLarge, "a frame has at most 64 KiB"));
        }
    }

    /// The socket is gone.
    pub fn handle_closed(&mut self, now: Instant, conn: ConnId) {
        self.wakes.set(Due::Conn(conn), None);
        let Some(connection) = self.conns.remove(&conn) else { return };
        if let State::Open(session) = connection.state {
            self.lose(now, session);
        }
    }

    /// The client closed the socket because it leaves (RFC 6455 §7.4.1, 1000): nobody comes back, so its calls
    /// end now.
    pub fn handle_left(&mut self, conn: ConnId) {
        self.wakes.set(Due::Conn(conn), None);
        let Some(connection) = self.conns.remove(&conn) else { return };
        let State::Open(id) = connection.state else { return };
        let user = self.in_session(id, |s, _, wants| {
            s.abandon(Cause::Normal, wants);
            s.user().to_owned()
        });
        if let Some(user) = user {
            tracing::info!(session = %id, "the browser leaves");
            self.outputs.push_back(Output::Unbind(self.binding(id, user)));
        }
        self.forget(id);
    }

    /// The calls had no room for a signal of that leg; `opens`: it was the one that opens the leg.
    pub fn handle_overflow(&mut self, leg: LegId, opens: bool) {
        let Some((session, name)) = self.legs.get(&leg).cloned() else { return };
        self.in_session(session, |s, _, wants| s.overflow(&name, opens, wants));
    }

    /// Says a signal to the party on a leg. A leg that has ended hears nothing any more.
    pub fn say(&mut self, now: Instant, leg: LegId, signal: Signal) {
        match (self.legs.get(&leg).cloned(), signal) {
            (Some((session, name)), signal) => {
                self.in_session(session, |s, _, wants| s.say(now, &name, signal, wants));
            }
            (None, Signal::Start(start)) => {
                let target = start.contact.as_ref().and_then(SessionId::of).filter(|s| self.sessions.contains_key(s));
                let Some(id) = target else {
                    let signal = Signal::Hangup(Hangup::new(Cause::Unavailable));
                    return self.outputs.push_back(Output::Signal { leg, signal });
                };
                let rung = self.in_session(id, |s, dice, wants| s.ring(now, leg, *start, dice, wants));
                if let Some(Some(name)) = rung {
                    tracing::info!(%leg, session = %id, call = %name, "a browser is called");
                    self.legs.insert(leg, (id, name));
                }
            }
            (None, _) => {}
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(due) = self.wakes.due(now) {
            match due {
                Due::Conn(conn) => self.close(now, conn, POLICY),
                Due::Session(id) => {
                    if self.sessions.get(&id).is_some_and(|o| o.session.is_over(now)) {
                        tracing::info!(session = %id, "the browser does not come back");
                        self.in_session(id, |s, _, wants| s.abandon(Cause::Network, wants));
                        self.forget(id);
                    } else {
                        self.in_session(id, |s, _, wants| s.handle_timeout(now, wants));
                    }
                }
            }
        }
    }

    /// What is to be done, one thing at a time.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Endpoint::handle_timeout`] is next due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.wakes.first()
    }

    fn hear(&mut self, now: Instant, conn: ConnId, state: State, frame: FromClient) -> Result<(), FrameError> {
        let kind = frame.kind();
        match (state, frame) {
            (State::Greeting { .. }, FromClient::Hello(hello)) => {
                self.greet(now, conn, hello).map_err(|e| e.about(kind))
            }
            (State::Greeting { .. }, _) => {
                Err(FrameError::new(FrameErrorCode::NotSignedIn, "the first frame is hello").about(kind))
            }
            (State::Open(_), FromClient::Hello(_)) => {
                Err(FrameError::new(FrameErrorCode::WrongState, "hello is said once").about(kind))
            }
            (State::Open(session), FromClient::Call(wish)) => self.call(now, session, wish),
            (State::Open(session), FromClient::Text(wish)) => self.write(now, session, wish),
            (State::Open(session), FromClient::InCall(name, verb)) => {
                self.in_session(session, |s, _, wants| s.hear(now, &name, verb, wants)).unwrap_or(Ok(()))
            }
            (State::Gone, _) => Ok(()),
        }
    }

    fn greet(&mut self, now: Instant, conn: ConnId, hello: Hello) -> Result<(), FrameError> {
        if hello.version != VERSION {
            let text = format!("the gateway speaks version {VERSION}");
            return Err(FrameError::new(FrameErrorCode::BadVersion, text));
        }
        match (hello.token, hello.resume) {
            (Some(token), None) => {
                let user = self.sign_ins.redeem(now, &token).filter(|user| self.party(user).is_some());
                let user = user.ok_or_else(|| {
                    FrameError::new(FrameErrorCode::BadToken, "the token is wrong, too old or used; sign in anew")
                })?;
                self.open(now, conn, user);
                Ok(())
            }
            (None, Some(token)) => self.resume(now, conn, &token).ok_or_else(|| {
                FrameError::new(FrameErrorCode::CannotResume, "nothing is left to resume; sign in anew")
            }),
            _ => Err(FrameError::new(FrameErrorCode::BadToken, "hello has either a token or a resume")),
        }
    }

    fn open(&mut self, now: Instant, conn: ConnId, user: String) {
        // Those who have just left count for as long as they may come back.
        if self.sessions.len() >= self.config.max_connections.saturating_mul(2) {
            return self.close(now, conn, NO_ROOM);
        }
        self.next_session += 1;
        let id = SessionId(self.next_session);
        tracing::info!(session = %id, user = %Pii(&user), "a browser signs in");
        let session = Session::new(user, conn);
        self.sessions.insert(id, Owned { session, resume: String::new() });
        self.welcome(now, conn, id);
    }

    fn resume(&mut self, now: Instant, conn: ConnId, token: &str) -> Option<()> {
        let id = *self.resumes.get(token)?;
        let session = &self.sessions.get(&id)?.session;
        self.party(session.user())?;
        if session.is_over(now) {
            return None;
        }
        if let Some(old) = session.conn() {
            self.close(now, old, TAKEN_BACK);
        }
        let waited = self.in_session(id, |s, _, wants| s.come_back(conn, wants))?;
        tracing::info!(session = %id, "the browser is back");
        self.welcome(now, conn, id);
        for frame in waited {
            self.tell(conn, &frame);
        }
        Some(())
    }

    fn welcome(&mut self, now: Instant, conn: ConnId, id: SessionId) {
        let Some(owned) = self.sessions.get_mut(&id) else { return };
        self.resumes.remove(&owned.resume);
        owned.resume = self.dice.token(32);
        self.resumes.insert(owned.resume.clone(), id);
        let (user, resume, calls) = (owned.session.user().to_owned(), owned.resume.clone(), owned.session.live(now));
        let welcome = Welcome {
            version: VERSION,
            display: self.party(&user).and_then(|p| p.display),
            resume,
            resume_within: RESUME_WITHIN.as_secs(),
            ice_servers: self.config.ice_servers.iter().map(ice_server).collect(),
            calls,
            user: user.clone(),
        };
        if let Some(connection) = self.conns.get_mut(&conn) {
            connection.state = State::Open(id);
        }
        self.wakes.set(Due::Conn(conn), None);
        self.tell(conn, &ToPage::Welcome(Box::new(welcome)));
        self.outputs.push_back(Output::Bind(self.binding(id, user)));
    }

    fn call(&mut self, now: Instant, id: SessionId, wish: NewCall) -> Result<(), FrameError> {
        let Some(user) = self.sessions.get(&id).map(|o| o.session.user().to_owned()) else { return Ok(()) };
        let name = wish.call.clone();
        let Some(from) = self.party(&user) else {
            let text = "the user is not known any more; sign in anew";
            return Err(FrameError::new(FrameErrorCode::BadToken, text).in_call(Some(name)).about("call"));
        };
        let leg = self.mint.mint();
        self.in_session(id, |s, dice, wants| s.call(now, wish, from, leg, dice, wants)).unwrap_or(Ok(()))?;
        tracing::info!(%leg, session = %id, call = %name, "a browser calls");
        self.legs.insert(leg, (id, name));
        Ok(())
    }

    /// Who calls when that user does: by number where there is one, so that it can be called back from
    /// anywhere. `None`: there is no such user.
    fn party(&self, user: &str) -> Option<Party> {
        let Some(known) = self.directory.users.get(user) else {
            return (self.config.guest.as_deref() == Some(user)).then(|| Party::new(Address::here(user)));
        };
        let address = Address::here(known.number.as_deref().unwrap_or(user));
        Some(Party { display: known.display.clone(), ..Party::new(address) })
    }

    fn binding(&self, id: SessionId, user: String) -> Binding {
        Binding { user, adapter: self.adapter, contact: id.contact(), preference: PREFERRED }
    }

    fn lose(&mut self, now: Instant, id: SessionId) {
        let user = self.in_session(id, |s, _, wants| {
            s.lose(now, wants);
            s.user().to_owned()
        });
        if let Some(user) = user {
            tracing::info!(session = %id, "the browser is lost");
            self.outputs.push_back(Output::Unbind(self.binding(id, user)));
        }
    }

    fn forget(&mut self, id: SessionId) {
        if let Some(owned) = self.sessions.remove(&id) {
            self.resumes.remove(&owned.resume);
            for text in owned.session.texts() {
                self.texts.remove(&text);
            }
        }
        self.wakes.set(Due::Session(id), None);
    }

    /// Does something in a session and carries out what it wants.
    fn in_session<T>(
        &mut self,
        id: SessionId,
        what: impl FnOnce(&mut Session, &mut Dice, &mut Wants) -> T,
    ) -> Option<T> {
        let owned = self.sessions.get_mut(&id)?;
        let mut wants = Wants::default();
        let result = what(&mut owned.session, &mut self.dice, &mut wants);
        self.wakes.set(Due::Session(id), owned.session.deadline());
        for leg in wants.over {
            self.legs.remove(&leg);
        }
        for text in wants.told {
            self.texts.remove(&text);
        }
        for (leg, signal) in wants.signals {
            self.outputs.push_back(Output::Signal { leg, signal });
        }
        for (conn, frame) in wants.frames {
            self.tell(conn, &frame);
        }
        Some(result)
    }

    fn tell(&mut self, conn: ConnId, frame: &ToPage) {
        self.outputs.push_back(Output::Text { conn, text: frame.write() });
    }

    fn tell_error(&mut self, now: Instant, conn: ConnId, error: FrameError) {
        let code = error.code;
        tracing::debug!(conn = conn.0, ?code, "a frame is in error");
        self.tell(conn, &ToPage::Error(error));
        if let Some(code) = code.closes_with() {
            self.close(now, conn, code);
        }
    }

    /// Tells the driver to close. For the session this is a loss like any other.
    fn close(&mut self, now: Instant, conn: ConnId, code: u16) {
        let Some(connection) = self.conns.get_mut(&conn) else { return };
        let before = std::mem::replace(&mut connection.state, State::Gone);
        self.wakes.set(Due::Conn(conn), None);
        self.outputs.push_back(Output::Close { conn, code });
        if let State::Open(session) = before {
            self.lose(now, session);
        }
    }
}

/// For a page alone: here the credential is said.
fn ice_server(server: &IceServer) -> serde_json::Value {
    let mut value = json!({ "urls": server.urls });
    if let Some(username) = &server.username {
        value["username"] = json!(username);
    }
    if let Some(credential) = &server.credential {
        value["credential"] = json!(credential.expose());
    }
    value
}
