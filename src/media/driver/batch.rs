//! Many datagrams, received and sent in as few system calls as the sockets allow.

use std::mem;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::ptr;
use std::time::Duration;

use super::system::{ADDRESS_SIZE, RawAddress, stamp};
use crate::media::shard::{Outgoing, SocketId};

/// Bytes of a buffer for one datagram and what protection adds to it.
pub const BUFFER: usize = 2048;

/// The largest datagram that is taken in.
pub const LARGEST: usize = BUFFER - crate::media::shard::TAILROOM;

/// Datagrams that are received before they are handled, and handled before they are sent.
pub const BATCH: usize = 64;

/// Bytes for the time of arrival of a datagram.
const CONTROL: usize = 32;

/// Room for what the kernel says beside a datagram, aligned as it wants it.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Datagrams that have come, each in a buffer of its own.
pub struct Arrivals {
    buffers: Box<[[u8; BUFFER]]>,
    addresses: Box<[RawAddress]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    sockets: Box<[SocketId]>,
    count: usize,
}

/// One that has come.
pub struct Arrival<'a> {
    /// By which socket.
    pub socket: SocketId,
    /// From where.
    pub from: SocketAddr,
    /// Its bytes, and room behind them.
    pub buffer: &'a mut [u8; BUFFER],
    /// How many bytes.
    pub length: usize,
    /// When it reached this machine, since 1970, if the kernel says.
    pub stamp: Option<Duration>,
}

// SAFETY: the pointers in `vectors` and `headers` are used only by `receive`, which sets them before.
unsafe impl Send for Arrivals {}

impl Arrivals {
    /// Room for [`BATCH`] datagrams.
    pub fn new() -> Arrivals {
        Arrivals {
            buffers: vec![[0; BUFFER]; BATCH].into_boxed_slice(),
            addresses: vec![RawAddress::empty(); BATCH].into_boxed_slice(),
            controls: vec![Control([0; CONTROL]); BATCH].into_boxed_slice(),
            vectors: empty_vectors(),
            headers: empty_headers(),
            sockets: vec![SocketId(0); BATCH].into_boxed_slice(),
            count: 0,
        }
    }

    /// How many more there is room for.
    pub fn room(&self) -> usize {
        BATCH - self.count
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Forgets them.
    pub fn clear(&mut self) {
        self.count = 0;
    }

    /// Takes up to `limit` datagrams of a socket without waiting, as far as there is room; returns how many.
    /// `with_stamps`: and asks when they arrived.
    pub fn receive(&mut self, fd: RawFd, socket: SocketId, limit: usize, with_stamps: bool) -> usize {
        let wanted = limit.min(self.room());
        let places = self.buffers.iter_mut().zip(&mut self.addresses).zip(&mut self.controls);
        let headers = self.vectors.iter_mut().zip(&mut self.headers);
        for (((buffer, address), control), (vector, header)) in places.zip(headers).skip(self.count).take(wanted) {
            *vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: LARGEST };
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            header.msg_hdr.msg_namelen = ADDRESS_SIZE;
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = if with_stamps { CONTROL as _ } else { 0 };
        }
        let Some(headers) = self.headers.get_mut(self.count..self.count + wanted) else { return 0 };
        // SAFETY: every header leads to a buffer, an address and a control buffer of ours, with their true sizes.
        let result = match headers {
            [] => return 0,
            [one] if !with_stamps => unsafe {
                let (name, size) = (one.msg_hdr.msg_name.cast(), &mut one.msg_hdr.msg_namelen);
                let vector = *one.msg_hdr.msg_iov;
                let length = libc::recvfrom(fd, vector.iov_base, vector.iov_len, libc::MSG_DONTWAIT, name, size);
                one.msg_len = u32::try_from(length).unwrap_or(0);
                if length < 0 { -1 } else { 1 }
            },
            many => unsafe {
                libc::recvmmsg(fd, many.as_mut_ptr(), wanted as u32, libc::MSG_DONTWAIT as _, ptr::null_mut())
            },
        };
        let count = usize::try_from(result).unwrap_or(0);
        if let Some(sockets) = self.sockets.get_mut(self.count..self.count + count) {
            sockets.fill(socket);
        }
        self.count += count;
        count
    }

    /// One of those that came; `None` if the kernel did not say from where.
    pub fn get(&mut self, number: usize) -> Option<Arrival<'_>> {
        let header = self.headers.get(number).filter(|_| number < self.count)?;
        Some(Arrival {
            socket: *self.sockets.get(number)?,
            from: self.addresses.get(number)?.read()?,
            length: (header.msg_len as usize).min(LARGEST),
            stamp: stamp(&header.msg_hdr),
            buffer: self.buffers.get_mut(number)?,
        })
    }

    /// The buffer of one of those that came.
    fn buffer(&mut self, number: usize) -> Option<&mut [u8; BUFFER]> {
        self.buffers.get_mut(number)
    }
}

/// Datagrams to be sent, in the buffers in which they came.
pub struct Departures {
    addresses: Box<[RawAddress]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    sockets: Box<[SocketId]>,
    count: usize,
}

// SAFETY: the pointers in `headers` lead into the boxes beside them, which move along; those in `vectors` are used only
// by `flush`, which is given what they lead into.
unsafe impl Send for Departures {}

impl Departures {
    /// Room for [`BATCH`] datagrams.
    pub fn new() -> Departures {
        Departures {
            addresses: vec![RawAddress::empty(); BATCH].into_boxed_slice(),
            vectors: empty_vectors(),
            headers: empty_headers(),
            sockets: vec![SocketId(0); BATCH].into_boxed_slice(),
            count: 0,
        }
    }

    /// A part of the buffer of an arrival is to go out. There is room for each arrival once. `is_aimed`: by a socket that
    /// is connected to where it goes.
    pub fn push(&mut self, arrivals: &mut Arrivals, number: usize, out: Outgoing, is_aimed: bool) {
        let Some(bytes) = arrivals.buffer(number).and_then(|buffer| buffer.get_mut(out.start..out.end)) else { return };
        let at = self.count;
        if let (Some(vector), Some(address), Some(header), Some(socket)) =
            (self.vectors.get_mut(at), self.addresses.get_mut(at), self.headers.get_mut(at), self.sockets.get_mut(at))
        {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            (*address, header.msg_hdr.msg_namelen) = RawAddress::of(out.to);
            header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            if is_aimed {
                (header.msg_hdr.msg_name, header.msg_hdr.msg_namelen) = (ptr::null_mut(), 0);
            }
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            *socket = out.socket;
            self.count += 1;
        }
    }

    /// Sends all, those in a row for one socket together; what the network does not take is lost, as it is on the
    /// network. `_arrivals` hold the bytes.
    pub fn flush(&mut self, _arrivals: &mut Arrivals, fd_of: impl Fn(SocketId) -> Option<RawFd>) {
        let count = mem::take(&mut self.count);
        let (Some(mut sockets), Some(mut headers)) = (self.sockets.get(..count), self.headers.get_mut(..count)) else {
            return;
        };
        while let Some(socket) = sockets.first().copied() {
            let same = sockets.iter().take_while(|other| **other == socket).count();
            let (run, rest) = headers.split_at_mut(same);
            if let Some(fd) = fd_of(socket) {
                send_run(fd, run);
            }
            (sockets, headers) = (&sockets[same..], rest);
        }
    }
}

/// Sends one datagram without waiting.
pub fn send(fd: RawFd, datagram: &[u8], to: SocketAddr) {
    let (raw, size) = RawAddress::of(to);
    // SAFETY: the datagram and the address are ours for the call, with their true sizes.
    unsafe {
        libc::sendto(fd, datagram.as_ptr().cast(), datagram.len(), libc::MSG_DONTWAIT, ptr::from_ref(&raw).cast(), size)
    };
}

fn send_run(fd: RawFd, mut run: &mut [libc::mmsghdr]) {
    while !run.is_empty() {
        // SAFETY: the headers lead to bytes and addresses of ours, with their true sizes.
        let sent = match run {
            [one] => unsafe {
                let (vector, name) = (*one.msg_hdr.msg_iov, one.msg_hdr.msg_name.cast_const().cast());
                let size = one.msg_hdr.msg_namelen;
                libc::sendto(fd, vector.iov_base, vector.iov_len, libc::MSG_DONTWAIT, name, size);
                1
            },
            _ => unsafe { libc::sendmmsg(fd, run.as_mut_ptr(), run.len() as u32, libc::MSG_DONTWAIT as _) },
        };
        // An error belongs to the first datagram of the rest, and that one is passed over.
        let done = usize::try_from(sent).unwrap_or(0).max(1);
        run = run.get_mut(done..).unwrap_or_default();
    }
}

fn empty_headers() -> Box<[libc::mmsghdr]> {
    // SAFETY: all zeroes is a valid message header.
    vec![unsafe { mem::zeroed() }; BATCH].into_boxed_slice()
}

fn empty_vectors() -> Box<[libc::iovec]> {
    vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; BATCH].into_boxed_slice()
}
