//! How a shard reaches the network: io_uring where the kernel has it and lets us, else epoll.

use std::io;
use std::os::fd::RawFd;
use std::thread;
use std::time::Duration;

use tracing::{debug, info};

use super::ring::Ring;
use super::system::Epoll;
use crate::media::config::Driver;

/// The token of the bell.
const BELL: u64 = u64::MAX;

/// One of the ways.
pub enum Net {
    /// It is told which sockets can be read, and reads and writes by itself.
    Epoll(Epoll),
    /// It is told of datagrams that have come, and hands over those that go.
    Ring(Box<Ring>),
}

/// What there is to be done.
pub enum Ready {
    /// The bell has been rung.
    Bell,
    /// This socket can be read.
    Socket(u32),
}

impl Net {
    /// The way that is wished for; to be called on the thread that uses it. `tells`: and says which it is.
    ///
    /// # Errors
    /// The system is out of descriptors or memory, or has not the way that alone is wanted.
    pub fn new(driver: Driver, tells: bool) -> io::Result<Net> {
        let ring = match driver {
            Driver::Epoll => None,
            Driver::IoUring => Some(Ring::new().map_err(|why| {
                io::Error::new(why.kind(), format!("there is no io_uring for the relay, which is to use it: {why}"))
            })?),
            Driver::Auto => match Ring::new() {
                Ok(ring) => Some(ring),
                Err(why) => {
                    match tells {
                        true => info!(%why, "the relay uses epoll: there is no io_uring for it"),
                        false => debug!(%why, "this thread of the relay uses epoll: there is no io_uring for it"),
                    }
                    None
                }
            },
        };
        match ring {
            Some(ring) => {
                if tells {
                    info!("the relay uses io_uring");
                }
                Ok(Net::Ring(Box::new(ring)))
            }
            None => Ok(Net::Epoll(Epoll::new()?)),
        }
    }

    /// Waits for this bell too.
    ///
    /// # Errors
    /// The system is out of memory or watches.
    pub fn watch_bell(&mut self, fd: RawFd) -> io::Result<()> {
        match self {
            Net::Epoll(epoll) => epoll.watch(fd, BELL),
            Net::Ring(ring) => {
                ring.watch_bell(fd);
                Ok(())
            }
        }
    }

    /// Receives by a socket from here on. `is_shared`: by many legs.
    ///
    /// # Errors
    /// The system is out of memory or watches.
    pub fn open(&mut self, fd: RawFd, socket: u32, is_shared: bool) -> io::Result<()> {
        match self {
            Net::Epoll(epoll) => epoll.watch(fd, u64::from(socket)),
            Net::Ring(ring) => ring.open(fd, socket, is_shared),
        }
    }

    /// Receives no more by a socket that is about to be closed.
    pub fn close(&mut self, socket: u32) {
        match self {
            // It forgets what is closed.
            Net::Epoll(_) => {}
            Net::Ring(ring) => ring.close(socket),
        }
    }

    /// Waits until something has come or the time has passed (`None`: for ever).
    pub fn wait(&mut self, due: Option<Duration>) {
        match self {
            Net::Epoll(epoll) => epoll.wait(millis(due)),
            Net::Ring(ring) => ring.wait(due),
        }
    }

    /// Sleeps, whatever comes.
    pub fn rest(&mut self, rest: Duration) {
        match self {
            _ if rest.is_zero() => {}
            Net::Epoll(_) => thread::sleep(rest),
            Net::Ring(ring) => ring.rest(rest),
        }
    }

    /// The next thing to do that [`Net::wait`] found.
    pub fn ready(&mut self) -> Option<Ready> {
        match self {
            Net::Epoll(epoll) => match epoll.ready()? {
                BELL => Some(Ready::Bell),
                token => Some(Ready::Socket(token as u32)),
            },
            Net::Ring(ring) => ring.has_rung().then_some(Ready::Bell),
        }
    }
}

/// Time in whole milliseconds, rounded up so that what is due is due; -1 for none.
fn millis(due: Option<Duration>) -> i32 {
    match due {
        None => -1,
        Some(due) => i32::try_from(due.as_micros().div_ceil(1000)).unwrap_or(i32::MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    /// From here on the kernel has no io_uring for this thread, as in many containers.
    fn forbid_io_uring() {
        let step = |code: u32, jt, jf, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
        // The number of the system call lies at the beginning of what a filter is shown.
        let mut filter = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, libc::SYS_io_uring_setup as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: the program and its steps are ours for the calls, which change this thread alone.
        unsafe {
            assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
            assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
        }
    }

    #[test]
    fn where_io_uring_is_forbidden_there_is_epoll_and_a_clear_word_for_who_wants_nothing_else() {
        thread::spawn(|| {
            forbid_io_uring();
            assert!(matches!(Net::new(Driver::Auto, true), Ok(Net::Epoll(_))));
            let refused = Net::new(Driver::IoUring, true).err().expect("refused");
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().contains("no io_uring"), "{refused}");
        })
        .join()
        .expect("all of it is so");
    }
}
