//! The system calls of the relay: epoll, many datagrams at once, a wake-up from another thread.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// Bytes of a buffer for one datagram and what protection adds to it.
pub const BUFFER: usize = 2048;

/// The largest datagram that is taken in.
pub const LARGEST: usize = BUFFER - crate::media::shard::TAILROOM;

/// Datagrams in one system call.
pub const BATCH: usize = 64;

/// An address as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C)]
union RawAddress {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl RawAddress {
    fn empty() -> RawAddress {
        // SAFETY: all zeroes is a valid value of each member.
        unsafe { mem::zeroed() }
    }

    fn of(address: SocketAddr) -> (RawAddress, libc::socklen_t) {
        let mut raw = RawAddress::empty();
        match address {
            SocketAddr::V4(v4) => {
                raw.v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: v4.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                    sin_zero: [0; 8],
                };
                (raw, mem::size_of::<libc::sockaddr_in>() as libc::socklen_t)
            }
            SocketAddr::V6(v6) => {
                raw.v6 = libc::sockaddr_in6 {
                    sin6_family: libc::AF_INET6 as libc::sa_family_t,
                    sin6_port: v6.port().to_be(),
                    sin6_flowinfo: v6.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                    sin6_scope_id: v6.scope_id(),
                };
                (raw, mem::size_of::<libc::sockaddr_in6>() as libc::socklen_t)
            }
        }
    }

    fn read(&self) -> Option<SocketAddr> {
        // SAFETY: the family lies at the same place in every member, and says which of them was written.
        unsafe {
            match i32::from(self.family) {
                libc::AF_INET => {
                    let ip = Ipv4Addr::from(self.v4.sin_addr.s_addr.to_ne_bytes());
                    Some(SocketAddrV4::new(ip, u16::from_be(self.v4.sin_port)).into())
                }
                libc::AF_INET6 => {
                    let ip = Ipv6Addr::from(self.v6.sin6_addr.s6_addr);
                    let port = u16::from_be(self.v6.sin6_port);
                    Some(SocketAddrV6::new(ip, port, 0, self.v6.sin6_scope_id).into())
                }
                _ => None,
            }
        }
    }
}

const ADDRESS_SIZE: libc::socklen_t = mem::size_of::<RawAddress>() as libc::socklen_t;

/// Takes one datagram without waiting.
pub fn receive(fd: RawFd, buffer: &mut [u8; BUFFER]) -> Option<(usize, SocketAddr)> {
    let mut raw = RawAddress::empty();
    let mut size = ADDRESS_SIZE;
    // SAFETY: the buffer and the address are ours for the call, with their true sizes.
    let length = unsafe {
        libc::recvfrom(
            fd,
            buffer.as_mut_ptr().cast(),
            LARGEST,
            libc::MSG_DONTWAIT,
            ptr::from_mut(&mut raw).cast(),
            &mut size,
        )
    };
    Some((usize::try_from(length).ok()?, raw.read()?))
}

/// Sends one datagram without waiting. What the network does not take is lost, as it is on the network.
pub fn send(fd: RawFd, datagram: &[u8], to: SocketAddr) {
    let (raw, size) = RawAddress::of(to);
    // SAFETY: the datagram and the address are ours for the call, with their true sizes.
    unsafe {
        libc::sendto(fd, datagram.as_ptr().cast(), datagram.len(), libc::MSG_DONTWAIT, ptr::from_ref(&raw).cast(), size)
    };
}

/// Room for many datagrams, to be received or sent by one system call.
pub struct Batch {
    buffers: Box<[[u8; BUFFER]]>,
    addresses: Box<[RawAddress]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

// SAFETY: the pointers in `vectors` and `headers` lead into the boxes beside them, which move along.
unsafe impl Send for Batch {}

impl Batch {
    /// Room for [`BATCH`] datagrams.
    pub fn new() -> Batch {
        let mut buffers = vec![[0; BUFFER]; BATCH].into_boxed_slice();
        let mut addresses = vec![RawAddress::empty(); BATCH].into_boxed_slice();
        let mut vectors: Box<[_]> = buffers
            .iter_mut()
            .map(|buffer| libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: LARGEST })
            .collect();
        let headers = vectors
            .iter_mut()
            .zip(addresses.iter_mut())
            .map(|(vector, address)| {
                // SAFETY: all zeroes is a valid message header.
                let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
                header.msg_hdr.msg_name = ptr::from_mut(address).cast();
                header
            })
            .collect();
        Batch { buffers, addresses, vectors, headers }
    }

    /// Takes what has come, without waiting; returns how many datagrams.
    pub fn receive(&mut self, fd: RawFd) -> usize {
        for ((header, vector), buffer) in self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.buffers) {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = LARGEST;
            header.msg_hdr.msg_namelen = ADDRESS_SIZE;
        }
        // SAFETY: every header leads to a buffer and an address of ours, with their true sizes.
        let count = unsafe {
            libc::recvmmsg(fd, self.headers.as_mut_ptr(), BATCH as u32, libc::MSG_DONTWAIT as _, ptr::null_mut())
        };
        usize::try_from(count).unwrap_or(0)
    }

    /// A datagram that was received: its buffer, its length, and where it came from.
    pub fn datagram(&mut self, number: usize) -> Option<(&mut [u8; BUFFER], usize, SocketAddr)> {
        let length = self.headers.get(number)?.msg_len as usize;
        let from = self.addresses.get(number)?.read()?;
        Some((self.buffers.get_mut(number)?, length.min(LARGEST), from))
    }

    /// The buffer of a datagram to be sent.
    pub fn buffer(&mut self, number: usize) -> Option<&mut [u8; BUFFER]> {
        self.buffers.get_mut(number)
    }

    /// Makes a part of a buffer a datagram to be sent.
    pub fn address(&mut self, number: usize, start: usize, end: usize, to: SocketAddr) {
        let Some(bytes) = self.buffers.get_mut(number).and_then(|buffer| buffer.get_mut(start..end)) else { return };
        let (raw, size) = RawAddress::of(to);
        if let (Some(vector), Some(address), Some(header)) =
            (self.vectors.get_mut(number), self.addresses.get_mut(number), self.headers.get_mut(number))
        {
            vector.iov_base = bytes.as_mut_ptr().cast();
            vector.iov_len = bytes.len();
            *address = raw;
            header.msg_hdr.msg_namelen = size;
        }
    }

    /// Sends the first `count` datagrams without waiting; one that the network does not take is lost.
    pub fn send(&mut self, fd: RawFd, count: usize) {
        let mut done = 0;
        while done < count.min(BATCH) {
            let rest = (count.min(BATCH) - done) as u32;
            // SAFETY: the headers from `done` on lead to buffers and addresses of ours, with their true sizes.
            let sent =
                unsafe { libc::sendmmsg(fd, self.headers.as_mut_ptr().add(done), rest, libc::MSG_DONTWAIT as _) };
            // An error belongs to the first datagram of the rest, and that one is passed over.
            done += usize::try_from(sent).unwrap_or(0).max(1);
        }
    }
}

/// Tells which sockets have datagrams.
pub struct Epoll {
    fd: OwnedFd,
    ready: Box<[libc::epoll_event]>,
}

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// The system is out of descriptors or memory.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        Ok(Epoll { fd: own(fd)?, ready: vec![libc::epoll_event { events: 0, u64: 0 }; 512].into_boxed_slice() })
    }

    /// Watches a descriptor, as `token`, until it is closed.
    ///
    /// # Errors
    /// The system is out of memory or watches.
    pub fn watch(&self, fd: RawFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        // SAFETY: the event is ours for the call.
        let result = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Waits until something is ready or `millis` have passed (-1: for ever); returns how many are ready.
    pub fn wait(&mut self, millis: i32) -> usize {
        // SAFETY: the array is ours for the call, with its true length.
        let count =
            unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.ready.as_mut_ptr(), self.ready.len() as i32, millis) };
        usize::try_from(count).unwrap_or(0)
    }

    /// The token of one that is ready.
    pub fn token(&self, number: usize) -> Option<u64> {
        self.ready.get(number).map(|event| event.u64)
    }
}

/// A bell that another thread can ring.
pub struct Bell(OwnedFd);

impl Bell {
    /// A silent bell.
    ///
    /// # Errors
    /// The system is out of descriptors.
    pub fn new() -> io::Result<Bell> {
        // SAFETY: no pointers; the result is checked before it is owned.
        Ok(Bell(own(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?))
    }

    /// Rings it.
    pub fn ring(&self) {
        let one = 1u64;
        // SAFETY: eight bytes of ours.
        unsafe { libc::write(self.0.as_raw_fd(), ptr::from_ref(&one).cast(), 8) };
    }

    /// Makes it silent.
    pub fn hush(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes of ours.
        unsafe { libc::read(self.0.as_raw_fd(), ptr::from_mut(&mut count).cast(), 8) };
    }

    /// Its descriptor.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
