//! io_uring as a shard's way to the network: each socket has one request that receives into buffers which the kernel
//! chooses, and what is to be sent is handed over together.
//!
//! What counts here is who owns memory. A buffer is the kernel's until a completion names it, then ours until it is given
//! back. Sends are made not to wait (`MSG_DONTWAIT`), so each is over when the call that submits it returns: it is sent or
//! it has failed. So buffers are given back as soon as the submission queue is empty, and not before.
//!
//! A request holds its socket open, and with it the port, until it has ended. So a socket that is closed is cancelled, and
//! again until its last completion has come.

mod slots;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode};

use self::slots::{Filled, SLOTS, Slots};
use crate::media::budget::LEG_BUDGET;
use crate::media::shard::{Outgoing, SocketId};

/// Requests that are handed over in one call at most.
const SUBMISSIONS: u32 = 1024;

/// Completions that may wait: all buffers at once, and the ends of the requests of seven thousand sockets.
const COMPLETIONS: u32 = 8192;

/// Sockets that one shard may have: all ports.
const MAX_SOCKETS: u32 = 65_536;

/// Requests that are made anew in one turn. Where buffers have run out every socket's request has ended, and one that finds
/// no buffer ends again: all of them together would cost more than the datagrams that there are buffers for.
const RENEWED: usize = 128;

/// After so many datagrams in one turn more are there.
const MANY: usize = 16;

/// How often a submission is tried that the kernel does not take at once, for want of memory.
const MAX_TRIES: usize = 16;

/// How often the request of a closed socket is cancelled. One that is on its way to be started anew is not found, but is
/// the next time.
const MAX_CANCELS: u32 = 64;

/// Buffers that a ring begins with, one megabyte: what five hundred calls receive in ten milliseconds.
const FIRST_SLOTS: u16 = 512;

/// How many sockets share one more buffer: those of four calls.
const SOCKETS_A_SLOT: usize = 16;

/// How long a ring that ends waits for its requests at most.
const PARTING: Duration = Duration::from_millis(100);

/// The group of buffers, as the kernel knows it.
const GROUP: u16 = 0;

/// What a completion belongs to, in its user data: above the generation and the number of a socket.
const RECEIVE: u64 = 0 << 62;
const BELL: u64 = 1 << 62;
const SEND: u64 = 2 << 62;
const CANCEL: u64 = 3 << 62;
const KIND: u64 = 3 << 62;

/// A request by which a socket receives: which socket, and which of those that had its number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Request {
    socket: u32,
    generation: u32,
}

impl Request {
    fn data(self) -> u64 {
        u64::from(self.generation & 0x3fff_ffff) << 32 | u64::from(self.socket)
    }

    fn read(data: u64) -> Request {
        Request { socket: data as u32, generation: (data & !KIND).wrapping_shr(32) as u32 }
    }
}

/// A place for a socket.
#[derive(Clone, Copy, Default)]
struct Place {
    generation: u32,
    is_open: bool,
    is_shared: bool,
    /// A request of it is with the kernel.
    is_armed: bool,
    /// The turn in which it received last, how much it received in that, and how much it ever did beyond its budget.
    turn: u32,
    taken: u16,
    refused: u32,
}

/// A datagram that has come.
#[derive(Clone, Copy)]
pub struct Arrived {
    /// By which socket.
    pub socket: SocketId,
    /// In which buffer.
    pub slot: u16,
    size: u32,
}

/// What [`Ring::take`] says of a datagram.
pub enum Taken {
    /// It is to be handled.
    Fresh(Arrived),
    /// It is more than its socket may bring in one turn; the first of its turn.
    TooMany(SocketId),
}

/// An io_uring, its sockets and its buffers.
pub struct Ring {
    // First, so that it is closed before the memory goes that it writes to.
    ring: IoUring,
    slots: Slots,
    header: Box<libc::msghdr>,
    bell: Option<RawFd>,
    is_bell_armed: bool,
    has_rung: bool,
    places: Vec<Place>,
    max_sockets: u32,
    turn: u32,
    arrived: Vec<Arrived>,
    next: usize,
    /// Buffers that there are, and the sockets that use them.
    stocked: u16,
    open: usize,
    /// Buffers that are to be given back.
    used: Vec<u16>,
    /// Sockets whose request has ended and is to be made anew.
    ended: VecDeque<Request>,
    /// Requests of closed sockets that have not ended yet, and how often they were cancelled.
    closing: Vec<(Request, u32)>,
    /// Those of them that are to be cancelled once more.
    escaped: Vec<Request>,
    /// There are requests to receive that are queued and not handed over.
    has_new: bool,
}

impl Ring {
    /// A ring without sockets, of the thread that calls.
    ///
    /// # Errors
    /// The kernel has no io_uring, is older than 6.1, or does not let us; or the system is out of memory.
    pub fn new() -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_cqsize(COMPLETIONS)
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .build(SUBMISSIONS)?;
        let max_sockets = descriptors().min(MAX_SOCKETS);
        ring.submitter().register_files_sparse(max_sockets)?;
        let slots = Slots::new(FIRST_SLOTS)?;
        // SAFETY: the memory holds as many entries, and outlives the ring.
        unsafe { ring.submitter().register_buf_ring_with_flags(slots.ring(), SLOTS, GROUP, 0)? };
        let mut made = Ring {
            ring,
            slots,
            header: Box::new(Slots::header()),
            bell: None,
            is_bell_armed: false,
            has_rung: false,
            places: Vec::new(),
            max_sockets,
            turn: 0,
            arrived: Vec::with_capacity(COMPLETIONS as usize),
            next: 0,
            stocked: 0,
            open: 0,
            used: Vec::with_capacity(usize::from(SLOTS)),
            ended: VecDeque::new(),
            closing: Vec::new(),
            escaped: Vec::new(),
            has_new: false,
        };
        made.stock();
        Ok(made)
    }

    /// Gives the kernel as many buffers as so many sockets want: memory that is never written to costs nothing.
    fn stock(&mut self) {
        let more = u16::try_from(self.open / SOCKETS_A_SLOT).unwrap_or(SLOTS);
        while self.stocked < FIRST_SLOTS.saturating_add(more).min(SLOTS) {
            self.slots.give(self.stocked);
            self.stocked += 1;
        }
    }

    /// Waits for this bell too.
    pub fn watch_bell(&mut self, fd: RawFd) {
        self.bell = Some(fd);
    }

    /// Receives by a socket from here on.
    ///
    /// # Errors
    /// There are more sockets than a ring may have.
    pub fn open(&mut self, fd: RawFd, socket: u32, is_shared: bool) -> io::Result<()> {
        if socket >= self.max_sockets {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        self.ring.submitter().register_files_update(socket, &[fd])?;
        let number = socket as usize;
        if self.places.len() <= number {
            self.places.resize(number + 1, Place::default());
        }
        if let Some(place) = self.places.get_mut(number) {
            let generation = place.generation.wrapping_add(1) & 0x3fff_ffff;
            *place = Place { generation, is_open: true, is_shared, ..Place::default() };
            self.ended.push_front(Request { socket, generation });
            self.open += 1;
        }
        self.stock();
        // Handed over with what else the turn brings: what comes until then waits in the socket.
        self.renew();
        Ok(())
    }

    /// Receives no more by a socket, and lets go of it.
    pub fn close(&mut self, socket: u32) {
        let Some(place) = self.places.get_mut(socket as usize).filter(|place| place.is_open) else { return };
        let request = Request { socket, generation: place.generation };
        place.is_open = false;
        self.open = self.open.saturating_sub(1);
        self.ended.retain(|ended| *ended != request);
        if place.is_armed {
            place.is_armed = false;
            self.closing.push((request, 0));
            self.escaped.push(request);
        }
        // A request that is not with the kernel yet must be before its socket goes from the table. What cancels it goes with
        // what the turn brings else.
        if self.has_new {
            self.submit();
        }
        self.cancel_escaped();
        let _ = self.ring.submitter().register_files_update(socket, &[-1]);
    }

    /// Waits until something has come or the time has passed (`None`: for ever).
    pub fn wait(&mut self, due: Option<Duration>) {
        self.renew();
        // Sockets whose request is still to be made must not wait for long, nor must the bell that has been heard.
        let is_whole = self.ended.is_empty() && self.is_bell_armed == self.bell.is_some() && !self.has_rung;
        let due = if is_whole { due } else { Some(Duration::ZERO) };
        self.turn = self.turn.wrapping_add(1);
        // Asked for one the kernel works off some twenty at a time, and a busy ring has more.
        if self.ring.completion().is_empty() && self.arrived.len() >= MANY {
            self.enter(usize::from(SLOTS), Some(Duration::ZERO));
        }
        if self.ring.completion().is_empty() || !self.ring.submission().is_empty() {
            self.enter(1, due);
        }
        self.reap();
    }

    /// Receives once more in the same turn what there were no buffers for; returns whether something has come.
    pub fn again(&mut self) -> bool {
        if self.ended.is_empty() {
            return false;
        }
        self.renew();
        self.enter(usize::from(SLOTS), Some(Duration::ZERO));
        self.reap();
        !self.arrived.is_empty()
    }

    /// Sleeps, whatever comes, and gathers it.
    pub fn rest(&mut self, rest: Duration) {
        self.renew();
        // More than can come: then the kernel wakes nobody up, and works off all that there is when it is asked.
        self.enter(usize::from(SLOTS), Some(rest));
    }

    /// Whether the bell has been rung since it was asked last.
    pub fn has_rung(&mut self) -> bool {
        std::mem::take(&mut self.has_rung)
    }

    /// The next datagram that has come; `None`: that was all.
    pub fn take(&mut self) -> Option<Taken> {
        loop {
            let arrived = self.arrived.get(self.next).copied()?;
            self.next += 1;
            let turn = self.turn;
            let Some(place) = self.places.get_mut(arrived.socket.0 as usize) else { continue };
            if place.turn != turn {
                (place.turn, place.taken) = (turn, 0);
            }
            place.taken = place.taken.saturating_add(1);
            if place.is_shared || place.taken <= LEG_BUDGET {
                return Some(Taken::Fresh(arrived));
            }
            place.refused = place.refused.saturating_add(1);
            let is_first = place.taken == LEG_BUDGET + 1;
            self.used.push(arrived.slot);
            if is_first {
                return Some(Taken::TooMany(arrived.socket));
            }
        }
    }

    /// How many datagrams were more than a socket may bring in a turn.
    pub fn refused(&self, socket: SocketId) -> u32 {
        self.places.get(socket.0 as usize).map_or(0, |place| place.refused)
    }

    /// What has come.
    pub fn filled(&mut self, arrived: Arrived) -> Option<Filled<'_>> {
        self.slots.filled(arrived.slot, arrived.size as usize, &self.header)
    }

    /// When it reached this machine, since 1970, if the kernel says.
    pub fn stamp(&self, arrived: Arrived) -> Option<Duration> {
        self.slots.stamp(arrived.slot)
    }

    /// This buffer is not needed any more.
    pub fn done(&mut self, arrived: Arrived) {
        self.used.push(arrived.slot);
    }

    /// A part of the buffer is to go out, with the next [`Ring::flush`]. `is_aimed`: by a socket that is connected to
    /// where it goes. After this it is not needed any more.
    pub fn send(&mut self, arrived: Arrived, out: Outgoing, is_aimed: bool) {
        if let Some(parcel) = self.slots.parcel(arrived.slot, out.start..out.end, out.to) {
            let send = opcode::Send::new(Fixed(out.socket.0), parcel.bytes, parcel.length).flags(libc::MSG_DONTWAIT);
            let send = match is_aimed {
                true => send,
                false => send.dest_addr(parcel.address).dest_addr_len(parcel.address_size),
            };
            self.push(send.build().flags(Flags::SKIP_SUCCESS).user_data(SEND));
        }
        self.used.push(arrived.slot);
    }

    /// Hands over what is to be sent, and gives back what is not needed any more.
    pub fn flush(&mut self) {
        // Where nothing is sent there is no hurry: what else is queued goes with the next wait.
        if !self.used.is_empty() && self.submit() {
            let slots = &mut self.slots;
            self.used.drain(..).for_each(|slot| slots.give(slot));
        }
    }

    /// Sockets that are closed and yet held open by a request.
    #[cfg(test)]
    pub fn closing(&self) -> usize {
        self.closing.len()
    }

    fn reap(&mut self) {
        self.arrived.clear();
        self.next = 0;
        for completion in self.ring.completion() {
            let (data, result, flags) = (completion.user_data(), completion.result(), completion.flags());
            match data & KIND {
                RECEIVE => {}
                BELL => {
                    self.has_rung = true;
                    self.is_bell_armed &= cqueue::more(flags);
                    continue;
                }
                CANCEL => {
                    // It may have been on its way to be started anew. Whether it has ended, its own completion says.
                    if result < 0 {
                        self.escaped.push(Request::read(data));
                    }
                    continue;
                }
                _ => continue,
            }
            let request = Request::read(data);
            let place = self.places.get_mut(request.socket as usize);
            let place = place.filter(|place| place.is_open && place.generation == request.generation);
            let slot = cqueue::buffer_select(flags);
            if let Some(slot) = slot {
                match (&place, u32::try_from(result)) {
                    (Some(_), Ok(size)) => {
                        self.arrived.push(Arrived { socket: SocketId(request.socket), slot, size });
                    }
                    _ => self.used.push(slot),
                }
            }
            if !cqueue::more(flags) {
                match place {
                    Some(place) => {
                        place.is_armed = false;
                        self.ended.push_back(request);
                    }
                    None => self.closing.retain(|(closing, _)| *closing != request),
                }
            }
        }
    }

    /// The place of a request's socket; `None` if that socket is closed.
    fn place(&mut self, request: Request) -> Option<&mut Place> {
        let place = self.places.get_mut(request.socket as usize)?;
        (place.is_open && place.generation == request.generation).then_some(place)
    }

    /// Makes anew the requests that have ended.
    fn renew(&mut self) {
        if let Some(fd) = self.bell.filter(|_| !self.is_bell_armed) {
            self.is_bell_armed =
                self.push(opcode::PollAdd::new(Fd(fd), libc::POLLIN as u32).multi(true).build().user_data(BELL));
        }
        for _ in 0..RENEWED {
            let Some(request) = self.ended.pop_front() else { break };
            if self.place(request).is_none() {
                continue;
            }
            let receive = opcode::RecvMsgMulti::new(Fixed(request.socket), &raw const *self.header, GROUP);
            if !self.push(receive.build().user_data(RECEIVE | request.data())) {
                self.ended.push_front(request);
                break;
            }
            self.has_new = true;
            if let Some(place) = self.place(request) {
                place.is_armed = true;
            }
        }
        self.cancel_escaped();
    }

    fn cancel_escaped(&mut self) {
        while let Some(request) = self.escaped.pop() {
            let Some(at) = self.closing.iter().position(|(closing, _)| *closing == request) else { continue };
            if self.closing.get(at).is_some_and(|(_, cancels)| *cancels >= MAX_CANCELS) {
                // It is not to be found, so its end was lost: the kernel loses one only when it is out of memory.
                self.closing.swap_remove(at);
                continue;
            }
            let cancel = opcode::AsyncCancel::new(RECEIVE | request.data()).build();
            if !self.push(cancel.flags(Flags::SKIP_SUCCESS).user_data(CANCEL | request.data())) {
                self.escaped.push(request);
                return;
            }
            if let Some((_, cancels)) = self.closing.get_mut(at) {
                *cancels += 1;
            }
        }
    }

    /// Queues a request; returns whether there was room. There is none only if the kernel is out of memory.
    fn push(&mut self, entry: Entry) -> bool {
        for _ in 0..2 {
            // SAFETY: what a request leads to are the buffers and the header, which live as long as the ring; a buffer
            // is given back only when the queue is empty.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return true;
            }
            self.submit();
        }
        false
    }

    /// Hands over what is queued, without waiting; returns whether nothing is left.
    fn submit(&mut self) -> bool {
        for _ in 0..MAX_TRIES {
            if self.ring.submission().is_empty() {
                break;
            }
            // What is not taken stays queued.
            let _ = self.ring.submit();
        }
        let is_empty = self.ring.submission().is_empty();
        self.has_new &= !is_empty;
        is_empty
    }

    fn enter(&mut self, wanted: usize, limit: Option<Duration>) {
        let limit = limit.map(Timespec::from);
        let arguments = match &limit {
            Some(limit) => SubmitArgs::new().timespec(limit),
            None => SubmitArgs::new(),
        };
        // The time being over is no error, and any other shows again.
        let _ = self.ring.submitter().submit_with_args(wanted, &arguments);
        self.has_new &= !self.ring.submission().is_empty();
    }
}

impl Drop for Ring {
    /// Lets go of the sockets, so that their ports are free when the thread has ended: of itself the kernel takes a ring
    /// down some time later.
    fn drop(&mut self) {
        self.submit();
        let _ = self.ring.submitter().register_sync_cancel(Some(Timespec::from(PARTING)), CancelBuilder::any());
        self.enter(COMPLETIONS as usize, Some(Duration::ZERO));
        let _ = self.ring.submitter().register_files_update(0, &vec![-1; self.places.len()]);
    }
}

/// How many descriptors we may have.
fn descriptors() -> u32 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is ours for the call.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    if result < 0 { 1024 } else { u32::try_from(limit.rlim_cur).unwrap_or(u32::MAX) }
}
