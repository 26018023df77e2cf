//! What ICMP says of datagrams of ours (RFC 3261 §18.4): that nobody is there. The kernel keeps it apart from what comes
//! in, with the address that the datagram was for.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use tracing::debug;

/// Errors read of one socket at once.
const BATCH: usize = 64;

/// Has the kernel keep errors.
pub fn keep(socket: &std::net::UdpSocket, is_ipv6: bool) {
    let kept = match is_ipv6 {
        true => setsockopt(socket, sockopt::Ipv6RecvErr, &true),
        false => setsockopt(socket, sockopt::Ipv4RecvErr, &true),
    };
    if let Err(error) = kept {
        debug!(%error, "who cannot be reached is found out by waiting");
    }
}

/// The peers that cannot be reached, as far as is known since last asked.
pub fn take(socket: &std::net::UdpSocket) -> Vec<SocketAddr> {
    let mut unreachable = Vec::new();
    // Of the datagram itself nothing is needed.
    let mut data = [0; 1];
    let mut control = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    for _ in 0..BATCH {
        let mut buffers = [IoSliceMut::new(&mut data)];
        let Ok(error) = recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut buffers, Some(&mut control), flags) else {
            break;
        };
        let Some(peer) = error.address.as_ref().and_then(plain) else { continue };
        let mut said = error.cmsgs().into_iter().flatten();
        if said.any(|message| is_final(&message)) && !unreachable.contains(&peer) {
            debug!(%peer, "cannot be reached");
            unreachable.push(peer);
        }
    }
    unreachable
}

fn is_final(message: &ControlMessageOwned) -> bool {
    let error = match message {
        ControlMessageOwned::Ipv4RecvErr(error, _) | ControlMessageOwned::Ipv6RecvErr(error, _) => error.ee_errno,
        _ => return false,
    };
    // A datagram that was too long, or one hop too many, says nothing of the peer.
    let is_there = i32::try_from(error).map(Errno::from_raw);
    matches!(is_there, Ok(Errno::ECONNREFUSED | Errno::EHOSTUNREACH | Errno::ENETUNREACH))
}

fn plain(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::from(SocketAddrV4::from(*a)));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::from(SocketAddrV6::from(*a))))
}
