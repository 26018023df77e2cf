//! The ClientHellos of browsers, which span two datagrams.

use std::time::{Duration, Instant};

use patchcord::media::leg::{Certificate, Dtls, Role};

use crate::shared;

const HANDSHAKE: u8 = 22;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// The two datagrams of each hello.
fn hellos() -> Vec<(String, Vec<Vec<u8>>)> {
    let files = shared::files("fixtures/dtls");
    files
        .chunks_exact(2)
        .map(|pair| (pair[0].0.clone(), pair.iter().map(|(_, bytes)| bytes.clone()).collect()))
        .collect()
}

fn is_answered(dtls: &mut Dtls) -> bool {
    let datagrams: Vec<_> = std::iter::from_fn(|| dtls.poll_transmit()).collect();
    assert!(datagrams.len() <= 1);
    datagrams.iter().any(|d| d[0] == HANDSHAKE && d[13] == HELLO_VERIFY_REQUEST)
}

#[test]
fn browsers_hellos_are_answered_in_any_order_of_their_pieces_and_never_by_half() {
    let certificate = Certificate::generate().unwrap();
    for (name, pieces) in hellos() {
        let swapped: Vec<_> = pieces.iter().rev().cloned().collect();
        for order in [pieces, swapped] {
            let now = Instant::now();
            let mut dtls = Dtls::new(&certificate, Role::Passive, Vec::new(), now);
            dtls.handle_datagram(now, &order[0]);
            assert!(!is_answered(&mut dtls), "{name}");
            dtls.handle_datagram(now, &order[0]);
            assert!(!is_answered(&mut dtls), "{name}");
            dtls.handle_datagram(now, &order[1]);
            assert!(is_answered(&mut dtls), "{name}");
            // Repeated: answered again.
            let later = now + Duration::from_millis(50);
            for mut piece in order {
                // A repeated flight has new record numbers (RFC 6347 §4.2.4).
                piece[10] += 10;
                dtls.handle_datagram(later, &piece);
            }
            assert!(is_answered(&mut dtls), "{name}");
        }
    }
}
