//! All transactions of an endpoint: found by their keys, woken by their deadlines.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use bytes::Bytes;

use super::key::{ClientKey, RequestKey, ServerKey};
use super::{Client, ClientInvite, Server, ServerInvite, Step, Tell, Timers};
use crate::base::IdMap;
use crate::sip::deadlines::Deadlines;
use crate::sip::flow::Flow;
use crate::sip::message::{Method, Name, Request, Response};

/// The most transactions at once; more requests are not taken.
pub const TRANSACTIONS_LIMIT: usize = 200_000;

/// Names a transaction within its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(u64);

/// What comes of an input: bytes to send and where, and who learns what.
#[derive(Debug)]
pub struct Outcome<O> {
    /// To be sent.
    pub send: Option<(Flow, Bytes)>,
    /// To be told to the transaction's owner.
    pub tell: Option<(O, Tell)>,
}

#[derive(Debug)]
enum Machine {
    ClientInvite(ClientInvite),
    Client(Client),
    ServerInvite(ServerInvite),
    Server(Server),
}

#[derive(Debug)]
enum Key {
    Client(ClientKey),
    Server(ServerKey, RequestKey),
}

#[derive(Debug)]
struct Live<O> {
    machine: Machine,
    key: Key,
    flow: Flow,
    owner: O,
    /// The INVITE of a client, as far as the ACK of a failure, CANCEL and the dialogs of other branches need it.
    invite: Option<Box<Request>>,
}

/// The transactions. `O` names the user of a transaction.
#[derive(Debug)]
pub struct Table<O> {
    timers: Timers,
    next: u64,
    live: IdMap<TransactionId, Box<Live<O>>>,
    clients: HashMap<ClientKey, TransactionId>,
    servers: HashMap<ServerKey, TransactionId>,
    requests: HashMap<RequestKey, TransactionId>,
    by_flow: BTreeSet<(Flow, TransactionId)>,
    deadlines: Deadlines<TransactionId>,
}

impl<O: Copy> Table<O> {
    /// Without transactions.
    pub fn new(timers: Timers) -> Table<O> {
        Table {
            timers,
            next: 0,
            live: IdMap::default(),
            clients: HashMap::new(),
            servers: HashMap::new(),
            requests: HashMap::new(),
            by_flow: BTreeSet::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// Begins a client transaction with a request that has our `Via` on top; the caller sends `bytes` once.
    pub fn start_client(
        &mut self,
        now: Instant,
        request: Request,
        bytes: Bytes,
        branch: &str,
        flow: Flow,
        owner: O,
    ) -> TransactionId {
        let reliable = flow.transport.is_reliable();
        let key = ClientKey::new(branch, request.method.as_str());
        let (machine, invite) = if request.method == Method::INVITE {
            (
                Machine::ClientInvite(ClientInvite::new(now, bytes, reliable, &self.timers)),
                Some(Box::new(kept(request))),
            )
        } else {
            (Machine::Client(Client::new(now, bytes, reliable, &self.timers)), None)
        };
        let id = self.mint();
        self.clients.insert(key.clone(), id);
        self.insert(id, Live { machine, key: Key::Client(key), flow, owner, invite });
        id
    }

    /// Begins the server transaction of a request of that method.
    pub fn start_server(
        &mut self,
        method: &Method,
        keys: (ServerKey, RequestKey),
        flow: Flow,
        owner: O,
    ) -> TransactionId {
        let (key, request) = keys;
        let reliable = flow.transport.is_reliable();
        let machine = if *method == Method::INVITE {
            Machine::ServerInvite(ServerInvite::new(reliable, &self.timers))
        } else {
            Machine::Server(Server::new(reliable, &self.timers))
        };
        let id = self.mint();
        self.servers.insert(key.clone(), id);
        self.requests.insert(request.clone(), id);
        self.insert(id, Live { machine, key: Key::Server(key, request), flow, owner, invite: None });
        id
    }

    fn mint(&mut self) -> TransactionId {
        self.next += 1;
        TransactionId(self.next)
    }

    fn insert(&mut self, id: TransactionId, live: Live<O>) {
        self.by_flow.insert((live.flow, id));
        self.live.insert(id, Box::new(live));
        self.settle(id);
    }

    /// Sets the deadline of a transaction anew, or forgets it if it is over.
    fn settle(&mut self, id: TransactionId) {
        let Some(live) = self.live.get(&id) else { return };
        if !live.machine.is_terminated() {
            match live.machine.poll_timeout() {
                Some(at) if live.machine.only_lingers() => self.deadlines.set_leisurely(id, at),
                at => self.deadlines.set(id, at),
            }
            return;
        }
        self.deadlines.set(id, None);
        let Some(live) = self.live.remove(&id) else { return };
        self.by_flow.remove(&(live.flow, id));
        match live.key {
            Key::Client(key) => {
                self.clients.remove(&key);
            }
            Key::Server(key, request) => {
                self.servers.remove(&key);
                if self.requests.get(&request) == Some(&id) {
                    self.requests.remove(&request);
                }
            }
        }
    }

    /// The client transaction that a response belongs to.
    pub fn client(&self, key: &ClientKey) -> Option<TransactionId> {
        self.clients.get(key).copied()
    }

    /// The server transaction of that key.
    pub fn server(&self, key: &ServerKey) -> Option<TransactionId> {
        self.servers.get(key).copied()
    }

    /// A live server transaction of the same request, come by another way.
    pub fn merged(&self, request: &RequestKey) -> Option<TransactionId> {
        self.requests.get(request).copied()
    }

    /// Who uses a transaction.
    pub fn owner(&self, id: TransactionId) -> Option<O> {
        self.live.get(&id).map(|l| l.owner)
    }

    /// Gives a transaction to another user.
    pub fn set_owner(&mut self, id: TransactionId, owner: O) {
        if let Some(live) = self.live.get_mut(&id) {
            live.owner = owner;
        }
    }

    /// The INVITE of a client transaction, as it was sent but for its body and the headers that are of no dialog.
    pub fn invite(&self, id: TransactionId) -> Option<(&Request, Flow)> {
        let live = self.live.get(&id)?;
        Some((live.invite.as_deref()?, live.flow))
    }

    /// Whether there is no room for another.
    pub fn is_full(&self) -> bool {
        self.live.len() >= TRANSACTIONS_LIMIT
    }

    /// How many transactions are alive.
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Whether none is alive.
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// A response came to a client transaction.
    pub fn handle_response(&mut self, now: Instant, id: TransactionId, response: &Response) -> Option<Outcome<O>> {
        let live = self.live.get_mut(&id)?;
        let status = response.code();
        let step = match &mut live.machine {
            Machine::ClientInvite(machine) => {
                let invite = live.invite.as_deref();
                machine.handle_response(now, status, || invite.map(|i| ack(i, response)).unwrap_or_default())
            }
            Machine::Client(machine) => machine.handle_response(now, status),
            Machine::ServerInvite(_) | Machine::Server(_) => return None,
        };
        Some(self.finish(id, step))
    }

    /// A request came again to its server transaction, or the ACK of an INVITE's failure.
    pub fn handle_request(&mut self, now: Instant, id: TransactionId, is_ack: bool) -> Option<Outcome<O>> {
        let live = self.live.get_mut(&id)?;
        let step = match &mut live.machine {
            Machine::ServerInvite(machine) if is_ack => machine.handle_ack(now),
            Machine::ServerInvite(machine) => machine.handle_retransmission(),
            Machine::Server(machine) => machine.handle_retransmission(),
            Machine::ClientInvite(_) | Machine::Client(_) => return None,
        };
        Some(self.finish(id, step))
    }

    /// Says a response on a server transaction.
    pub fn respond(&mut self, now: Instant, id: TransactionId, status: u16, response: Bytes) -> Option<(Flow, Bytes)> {
        let live = self.live.get_mut(&id)?;
        let step = match &mut live.machine {
            Machine::ServerInvite(machine) => machine.respond(now, status, response),
            Machine::Server(machine) => machine.respond(now, status, response),
            Machine::ClientInvite(_) | Machine::Client(_) => return None,
        };
        self.finish(id, step).send
    }

    /// Lets an INVITE of ours be that went to a server which says nothing: it is not repeated, what still comes is
    /// heard, and it ends within the patience of a transaction.
    pub fn leave(&mut self, now: Instant, id: TransactionId) {
        if let Some(live) = self.live.get_mut(&id)
            && let Machine::ClientInvite(machine) = &mut live.machine
        {
            machine.leave(now);
        }
        self.settle(id);
    }

    /// Forgets a client transaction that nobody waits for any more.
    pub fn forget(&mut self, id: TransactionId) {
        if let Some(live) = self.live.get_mut(&id) {
            match &mut live.machine {
                Machine::ClientInvite(machine) => drop(machine.handle_transport_error()),
                Machine::Client(machine) => drop(machine.handle_transport_error()),
                Machine::ServerInvite(_) | Machine::Server(_) => {}
            }
        }
        self.settle(id);
    }

    /// The first deadline.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// Wakes one transaction whose deadline has passed; `None` when there is none.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Outcome<O>> {
        let id = self.deadlines.take_due(now)?;
        let Some(live) = self.live.get_mut(&id) else { return Some(Outcome { send: None, tell: None }) };
        let step = match &mut live.machine {
            Machine::ClientInvite(machine) => machine.handle_timeout(now),
            Machine::Client(machine) => machine.handle_timeout(now),
            Machine::ServerInvite(machine) => machine.handle_timeout(now),
            Machine::Server(machine) => machine.handle_timeout(now),
        };
        Some(self.finish(id, step))
    }

    /// A flow failed: gives who has to know.
    pub fn handle_transport_error(&mut self, flow: &Flow) -> Vec<(O, Tell)> {
        self.fail(flow, |_| true)
    }

    /// Nobody is at the end of a flow: gives whose requests there have heard nothing yet.
    pub fn handle_unreachable(&mut self, flow: &Flow) -> Vec<(O, Tell)> {
        self.fail(flow, Machine::has_heard_nothing)
    }

    fn fail(&mut self, flow: &Flow, is_hit: impl Fn(&Machine) -> bool) -> Vec<(O, Tell)> {
        let by_flow = self.by_flow.range((*flow, TransactionId(0))..=(*flow, TransactionId(u64::MAX)));
        let of_flow: Vec<TransactionId> = by_flow.map(|(_, id)| *id).collect();
        let mut told = Vec::new();
        for id in of_flow {
            let Some(live) = self.live.get_mut(&id).filter(|live| is_hit(&live.machine)) else { continue };
            let step = match &mut live.machine {
                Machine::ClientInvite(machine) => machine.handle_transport_error(),
                Machine::Client(machine) => machine.handle_transport_error(),
                Machine::ServerInvite(machine) => machine.handle_transport_error(),
                Machine::Server(machine) => machine.handle_transport_error(),
            };
            told.extend(self.finish(id, step).tell);
        }
        told
    }

    fn finish(&mut self, id: TransactionId, step: Step) -> Outcome<O> {
        let live = self.live.get(&id);
        let send = step.send.filter(|b| !b.is_empty()).and_then(|bytes| live.map(|l| (l.flow, bytes)));
        let tell = step.tell.and_then(|tell| live.map(|l| (l.owner, tell)));
        self.settle(id);
        Outcome { send, tell }
    }
}

impl Machine {
    fn poll_timeout(&self) -> Option<Instant> {
        match self {
            Machine::ClientInvite(machine) => machine.poll_timeout(),
            Machine::Client(machine) => machine.poll_timeout(),
            Machine::ServerInvite(machine) => machine.poll_timeout(),
            Machine::Server(machine) => machine.poll_timeout(),
        }
    }

    fn has_heard_nothing(&self) -> bool {
        match self {
            Machine::ClientInvite(machine) => machine.has_heard_nothing(),
            Machine::Client(machine) => machine.has_heard_nothing(),
            Machine::ServerInvite(_) | Machine::Server(_) => false,
        }
    }

    fn only_lingers(&self) -> bool {
        match self {
            Machine::ClientInvite(machine) => machine.only_lingers(),
            Machine::Client(machine) => machine.only_lingers(),
            Machine::ServerInvite(machine) => machine.only_lingers(),
            Machine::Server(machine) => machine.only_lingers(),
        }
    }

    fn is_terminated(&self) -> bool {
        match self {
            Machine::ClientInvite(machine) => machine.is_terminated(),
            Machine::Client(machine) => machine.is_terminated(),
            Machine::ServerInvite(machine) => machine.is_terminated(),
            Machine::Server(machine) => machine.is_terminated(),
        }
    }
}

/// The ACK of a final response that is no 2xx (RFC 3261 §17.1.1.3): the INVITE's own headers, with the `To`
/// of the response.
pub fn ack(invite: &Request, response: &Response) -> Bytes {
    let mut ack = like(invite, "ACK");
    if let Some(to) = response.headers.get(&Name::To) {
        ack.headers.set(crate::sip::message::Header::new(Name::To, to));
    }
    ack.to_bytes()
}

/// A CANCEL of an INVITE (RFC 3261 §9.1): same branch, same number, no `Require`.
pub fn cancel(invite: &Request) -> Request {
    like(invite, "CANCEL")
}

/// What is kept of an INVITE once it is sent.
fn kept(invite: Request) -> Request {
    let is_kept = |name: &Name| {
        use Name::*;
        matches!(name, Via | From | To | CallId | CSeq | Route | MaxForwards | SessionId)
    };
    let headers = invite.headers.iter().filter(|header| is_kept(&header.name)).cloned().collect();
    Request { headers, body: Bytes::new(), ..invite }
}

fn like(invite: &Request, method: &str) -> Request {
    use crate::sip::message::Header;
    let mut request = Request::new(method, invite.uri.clone());
    // Only the topmost Via: it is the only one in a request of ours.
    for header in invite.headers.iter() {
        match header.name {
            Name::Via | Name::From | Name::To | Name::CallId | Name::Route | Name::MaxForwards | Name::SessionId => {
                request.headers.push(header.clone());
            }
            Name::CSeq => {
                let number = header.value.split(' ').next().unwrap_or_default();
                request.headers.push(Header::new(Name::CSeq, format!("{number} {method}")));
            }
            _ => {}
        }
    }
    request
}
