//! What a focus tells of its conference.
#![no_main]
// The bodies have tests beside them, which are not built here.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used)]

#[path = "../conference.rs"]
mod body;
#[path = "../../shared/mod.rs"]
mod shared;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    body::conference(data);
});
