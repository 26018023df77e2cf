//! Frames of speech that a leg makes by itself, translated, its own or to fill a pause: how they go out.

use std::net::SocketAddr;
use std::time::Instant;

use super::Leg;
use crate::media::codec::MAX_PAYLOAD;
use crate::media::outbox::Outbox;
use crate::rtp::packet::FIXED_HEADER;

/// Room for the tag of the protection.
const TAG: usize = 32;

/// When a frame is due, and how it goes out.
pub(super) struct Frame {
    pub(super) at: Instant,
    pub(super) payload_type: u8,
    pub(super) clock_hz: u32,
}

impl Leg {
    /// Sends a frame whose payload `write` puts in its place; without one there is nothing to send.
    ///
    /// `goes_on`: the frame before went out, so that this one begins no talk spurt.
    pub(super) fn send_frame(
        &mut self,
        outbox: &mut Outbox,
        to: SocketAddr,
        frame: Frame,
        goes_on: &mut bool,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        let mut buffer = outbox.buffer();
        buffer.resize(FIXED_HEADER + MAX_PAYLOAD + TAG, 0);
        let place = buffer.get_mut(FIXED_HEADER..FIXED_HEADER + MAX_PAYLOAD);
        let Some(length) = place.and_then(write) else {
            *goes_on = false;
            return outbox.put_back(buffer);
        };
        let marker = !std::mem::replace(goes_on, true);
        let fields = self.track.frame(frame.at, marker, frame.payload_type, frame.clock_hz);
        self.clock_hz = frame.clock_hz;
        fields.write_new(&mut buffer);
        match self.link.seal.protect_rtp(&mut buffer, FIXED_HEADER + length) {
            Ok(whole) => {
                buffer.truncate(whole);
                self.track.count(length);
                outbox.push(self.link.wires.rtp, to, buffer);
            }
            Err(_) => outbox.put_back(buffer),
        }
    }
}
