//! The system calls of the relay: epoll, addresses, how full a socket is, a wake-up from another thread.

use std::ffi::CString;
use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

/// An address as the kernel writes it.
#[derive(Clone, Copy)]
#[repr(C)]
pub union RawAddress {
    family: libc::sa_family_t,
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl RawAddress {
    /// No address.
    pub fn empty() -> RawAddress {
        // SAFETY: all zeroes is a valid value of each member.
        unsafe { mem::zeroed() }
    }

    /// An address for the kernel, and its size.
    pub fn of(address: SocketAddr) -> (RawAddress, libc::socklen_t) {
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

    /// The address that the kernel wrote; `None` if it is of neither family.
    pub fn read(&self) -> Option<SocketAddr> {
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

/// Bytes that an address may take.
pub const ADDRESS_SIZE: libc::socklen_t = mem::size_of::<RawAddress>() as libc::socklen_t;

/// Asks for the time of arrival of each datagram (see [`stamp`]). Without it a datagram counts as fresh.
pub fn ask_for_stamps(fd: RawFd) {
    let on: libc::c_int = 1;
    // SAFETY: four bytes of ours.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, ptr::from_ref(&on).cast(), 4) };
}

/// Connects a socket to an address, or parts it from the one it is connected to; returns whether that worked.
pub fn connect(fd: RawFd, to: Option<SocketAddr>) -> bool {
    let (raw, size) = match to {
        Some(to) => RawAddress::of(to),
        None => (RawAddress { family: libc::AF_UNSPEC as libc::sa_family_t }, ADDRESS_SIZE),
    };
    // SAFETY: the address is ours for the call, with its true size.
    unsafe { libc::connect(fd, ptr::from_ref(&raw).cast(), size) == 0 }
}

/// When a datagram arrived, since 1970.
pub fn stamp(header: &libc::msghdr) -> Option<Duration> {
    // SAFETY: the header was filled by the kernel; the macros stay within its control buffer.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(message) = control.as_ref() {
            if (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) {
                let time: libc::timespec = ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                return Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?));
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}

/// How many datagrams the kernel has dropped at a socket because its buffer was full.
pub fn dropped(fd: RawFd) -> u32 {
    /// `SK_MEMINFO_DROPS` of `linux/sock_diag.h`, the last of nine.
    const DROPS: usize = 8;
    let mut figures = [0u32; DROPS + 1];
    let mut size = mem::size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the array is ours for the call, with its true size.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_MEMINFO, figures.as_mut_ptr().cast(), &mut size) };
    if result < 0 { 0 } else { figures[DROPS] }
}

/// Sockets that are told of in one turn.
const MAX_READY: usize = 2048;

/// Tells which sockets have datagrams.
pub struct Epoll {
    fd: OwnedFd,
    events: Box<[libc::epoll_event]>,
    count: usize,
    next: usize,
}

impl Epoll {
    /// An empty set.
    ///
    /// # Errors
    /// The system is out of descriptors or memory.
    pub fn new() -> io::Result<Epoll> {
        // SAFETY: no pointers; the result is checked before it is owned.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; MAX_READY].into_boxed_slice();
        Ok(Epoll { fd: own(fd)?, events, count: 0, next: 0 })
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

    /// Waits until something is ready or `millis` have passed (-1: for ever).
    pub fn wait(&mut self, millis: i32) {
        let events = &mut self.events;
        // SAFETY: the array is ours for the call, with its true length.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), events.as_mut_ptr(), events.len() as i32, millis) };
        (self.count, self.next) = (usize::try_from(count).unwrap_or(0), 0);
    }

    /// The token of the next one that is ready; `None`: that was all.
    pub fn ready(&mut self) -> Option<u64> {
        let event = self.events.get(self.next).filter(|_| self.next < self.count)?;
        self.next += 1;
        Some(event.u64)
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

/// Bytes that are free for us on the disk of a folder; `None` if the system does not say.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: all zeroes is a valid value; the path ends with a zero and both are ours for the call.
    let (result, figures) = unsafe {
        let mut figures: libc::statvfs = mem::zeroed();
        (libc::statvfs(path.as_ptr(), &mut figures), figures)
    };
    (result == 0).then(|| figures.f_bavail.saturating_mul(figures.f_frsize))
}

fn own(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was made just now and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
