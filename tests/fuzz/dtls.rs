//! DTLS before and during a handshake.

use std::time::{Duration, Instant};

use patchcord::media::leg::dtls::State;
use patchcord::media::leg::{Certificate, Dtls, Role};

use crate::shared;

/// Two sides that would agree get `data` in between, and agree all the same, or give up in words.
pub fn dtls(data: &[u8]) {
    thread_local! {
        static CERTIFICATE: Certificate = Certificate::generate().unwrap();
    }
    let certificate = CERTIFICATE.with(Certificate::clone);
    let mut now = Instant::now();
    let fingerprints = vec![certificate.fingerprint().clone()];
    let mut active = Dtls::new(&certificate, Role::Active, fingerprints.clone(), now);
    let mut passive = Dtls::new(&certificate, Role::Passive, fingerprints, now);
    for _ in 0..12 {
        active.handle_datagram(now, data);
        passive.handle_datagram(now, data);
        while let Some(datagram) = active.poll_transmit() {
            passive.handle_datagram(now, &datagram);
        }
        while let Some(datagram) = passive.poll_transmit() {
            active.handle_datagram(now, &datagram);
        }
        now += Duration::from_millis(100);
        active.handle_timeout(now);
        passive.handle_timeout(now);
    }
    assert!(!matches!(active.state(), State::Closed));
    assert!(!matches!(passive.state(), State::Closed));
}

#[test]
fn no_dtls_datagram_does_harm() {
    let files = shared::files("fixtures/dtls");
    let each = 100usize.div_ceil(files.len().max(1));
    for (seed, (_, bytes)) in files.iter().enumerate() {
        dtls(bytes);
        shared::mutations(seed as u64, bytes, each).for_each(|m| dtls(&m));
    }
}
