//! STUN.

use patchcord::stun::{Message, is_stun};

use crate::shared;

pub fn stun(data: &[u8]) {
    let message = Message::parse(data);
    assert!(message.is_none() || is_stun(data));
    let Some(message) = message else { return };
    assert!(message.attributes().map(|(_, value)| value.len() + 4).sum::<usize>() <= data.len());
    assert!(message.method() < 0x1000);
    let _ = (message.class(), message.transaction(), message.ufrags(), message.has_right_fingerprint());
}

#[test]
fn no_stun_message_does_harm() {
    let files = shared::files("cases/stun");
    let each = 10_000usize.div_ceil(files.len().max(1));
    for (seed, (_, bytes)) in files.iter().filter(|(_, b)| b.len() < 4096).enumerate() {
        stun(bytes);
        for mut damaged in shared::mutations(seed as u64, bytes, each) {
            stun(&damaged);
            // A right cookie and length let the damage reach the attributes.
            if damaged.len() >= 20 {
                let length = (damaged.len() - 20) & !3;
                damaged.truncate(20 + length);
                damaged[0] &= 3;
                damaged[2..4].copy_from_slice(&(length as u16).to_be_bytes());
                damaged[4..8].copy_from_slice(&0x2112_a442u32.to_be_bytes());
                stun(&damaged);
            }
        }
    }
}
