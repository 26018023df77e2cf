//! The buffers that the kernel fills of itself: memory that it shares with us, and the ring by which it gets them back.

use std::io;
use std::mem::{align_of, size_of};
use std::net::SocketAddr;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use io_uring::types::{BufRingEntry, RecvMsgOut};

use crate::media::driver::batch::{BUFFER, LARGEST};
use crate::media::driver::system::{ADDRESS_SIZE, RawAddress, stamp};

/// Buffers that one shard may have: what a thousand calls receive while the thread stands still for ten milliseconds. What is more
/// stays in the sockets.
pub const SLOTS: u16 = 1024;

/// Bytes of what the kernel says of a datagram at the head of its buffer.
const OUT: usize = 16;

/// Bytes for the address it came from, aligned as what follows wants it.
const NAME: usize = 32;

/// Bytes for the time of its arrival.
const CONTROL: usize = 32;

/// Where a datagram begins in its buffer.
const HEAD: usize = OUT + NAME + CONTROL;

/// What the kernel fills: what it says of a datagram, and the datagram with room behind it.
#[repr(C, align(16))]
struct Slot {
    head: [u8; HEAD],
    body: [u8; BUFFER],
}

const _: () = assert!(ADDRESS_SIZE as usize <= NAME && align_of::<RawAddress>() <= 16);

/// One that has come, in its buffer.
pub struct Filled<'a> {
    /// From where.
    pub from: SocketAddr,
    /// Its bytes, and room behind them.
    pub buffer: &'a mut [u8],
    /// How many bytes.
    pub length: usize,
}

/// The buffers, and the ring by which they are given to the kernel.
pub struct Slots {
    memory: NonNull<u8>,
    tail: u16,
}

impl Slots {
    const RING: usize = size_of::<BufRingEntry>() * SLOTS as usize;
    const SIZE: usize = Slots::RING + size_of::<Slot>() * SLOTS as usize;

    /// All of them, none given to the kernel yet. The first ones have their memory from the start, the others when they
    /// are used for the first time.
    ///
    /// # Errors
    /// The system is out of memory.
    pub fn new(first: u16) -> io::Result<Slots> {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS | libc::MAP_PRIVATE);
        // SAFETY: new memory, at no address of ours; the result is checked before it is used.
        let memory = unsafe { libc::mmap(ptr::null_mut(), Slots::SIZE, access, kind, -1, 0) };
        match NonNull::new(memory.cast::<u8>()) {
            Some(memory) if memory.as_ptr().cast() != libc::MAP_FAILED => {
                let size = (Slots::RING + size_of::<Slot>() * usize::from(first)).min(Slots::SIZE);
                // SAFETY: within the new memory. If it does nothing, the memory comes when it is used.
                unsafe { libc::madvise(memory.as_ptr().cast(), size, libc::MADV_POPULATE_WRITE) };
                Ok(Slots { memory, tail: 0 })
            }
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Where the ring begins, for the kernel.
    pub fn ring(&self) -> u64 {
        self.memory.as_ptr() as u64
    }

    /// What the kernel is to leave room for in front of each datagram.
    pub fn header() -> libc::msghdr {
        // SAFETY: all zeroes is a valid message header.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = NAME as libc::socklen_t;
        header.msg_controllen = CONTROL as _;
        header
    }

    /// A buffer that the kernel does not have; `None`: there is none of that number.
    fn slot(&self, number: u16) -> Option<NonNull<Slot>> {
        let at = Slots::RING + size_of::<Slot>() * usize::from(number);
        // SAFETY: the memory holds the ring, a multiple of the alignment, and behind it as many buffers as are counted.
        (number < SLOTS).then(|| unsafe { self.memory.add(at).cast() })
    }

    /// Gives a buffer to the kernel. It must not be in use by a request.
    pub fn give(&mut self, number: u16) {
        let Some(slot) = self.slot(number) else { return };
        let entries = self.memory.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the entry lies in the ring, which the kernel reads only up to the tail; the tail is written last.
        unsafe {
            let entry = &mut *entries.add(usize::from(self.tail & (SLOTS - 1)));
            entry.set_addr(slot.as_ptr() as u64);
            entry.set_len((HEAD + LARGEST) as u32);
            entry.set_bid(number);
            self.tail = self.tail.wrapping_add(1);
            let tail = BufRingEntry::tail(entries).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }

    /// What the kernel wrote into a buffer, `size` bytes of it; `None` if it is no datagram with an address.
    pub fn filled(&mut self, number: u16, size: usize, header: &libc::msghdr) -> Option<Filled<'_>> {
        let slot = self.slot(number)?.as_ptr();
        // SAFETY: the kernel has given the buffer back with this completion, and nobody else looks at it; head and body
        // lie one behind the other without a gap.
        let whole = unsafe { std::slice::from_raw_parts(slot.cast::<u8>(), HEAD + LARGEST) };
        let out = RecvMsgOut::parse(whole.get(..size)?, header).ok()?;
        let length = out.payload_data().len();
        // SAFETY: the address lies in the head, and any bytes are a valid value.
        let from = unsafe { slot.cast::<u8>().add(OUT).cast::<RawAddress>().read_unaligned() }.read()?;
        // SAFETY: as above; what was looked at is not used any more.
        let buffer = unsafe { &mut (*slot).body };
        Some(Filled { from, length, buffer })
    }

    /// When the datagram in a buffer arrived, since 1970, if the kernel says.
    pub fn stamp(&self, number: u16) -> Option<Duration> {
        let mut header = Slots::header();
        // SAFETY: the buffer is ours until it is given back; the kernel has written its head.
        unsafe {
            let head = self.slot(number)?.as_ptr().cast::<u8>();
            // `controllen` of `struct io_uring_recvmsg_out`, its second number.
            let length = head.add(4).cast::<u32>().read();
            header.msg_control = head.add(OUT + NAME).cast();
            header.msg_controllen = (length as usize).min(CONTROL) as _;
        }
        stamp(&header)
    }

    /// Where a part of a buffer lies that is to be sent, and the address to send it to, which is kept in its head;
    /// `None` if there is no such part.
    pub fn parcel(&mut self, number: u16, part: std::ops::Range<usize>, to: SocketAddr) -> Option<Parcel> {
        // SAFETY: the buffer is ours until it is given back.
        let slot = unsafe { self.slot(number)?.as_mut() };
        let bytes = slot.body.get(part)?;
        let (raw, address_size) = RawAddress::of(to);
        let address = slot.head.as_mut_ptr().cast::<RawAddress>();
        // SAFETY: the head is aligned for an address and has room for it.
        unsafe { address.write(raw) };
        Some(Parcel { bytes: bytes.as_ptr(), length: bytes.len() as u32, address: address.cast(), address_size })
    }
}

/// Pointers into a buffer, for a request to send.
pub struct Parcel {
    /// Where it begins.
    pub bytes: *const u8,
    /// How many bytes.
    pub length: u32,
    /// Where it goes.
    pub address: *const libc::sockaddr,
    /// Bytes of the address.
    pub address_size: libc::socklen_t,
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the memory is ours, with its true size, and the ring that wrote to it is closed.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), Slots::SIZE) };
    }
}
