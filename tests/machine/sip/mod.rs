//! The SIP endpoint: two of them on a lossy network, and one against a peer that the test plays.

mod calls;
mod changes;
mod doors;
mod forks;
mod keys;
mod net;
mod refresh;
mod register;
mod texts;
