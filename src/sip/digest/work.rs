//! Counts what is hashed, so that a test can tell whether two paths do the same work.

use std::cell::Cell;

/// How many hashes were computed, and of how many octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    pub hashes: u64,
    pub octets: u64,
}

thread_local! {
    static DONE: Cell<Work> = const { Cell::new(Work { hashes: 0, octets: 0 }) };
}

/// A hash of so many octets was computed.
pub fn note(octets: usize) {
    DONE.set(Work { hashes: DONE.get().hashes + 1, octets: DONE.get().octets + octets as u64 });
}

/// What this thread hashes in the course of something.
pub fn of(something: impl FnOnce()) -> Work {
    let before = DONE.replace(Work::default());
    something();
    let done = DONE.get();
    DONE.set(Work { hashes: before.hashes + done.hashes, octets: before.octets + done.octets });
    done
}
