//! The pictures among the other things of a leg: which link they take, and what a shard does with them.

use std::net::SocketAddr;
use std::time::Instant;

use tracing::{info, warn};

use super::{Pictures, Wish};
use crate::base::LegId;
use crate::media::bridge::Content;
use crate::media::leg::inward::Heard;
use crate::media::leg::link::Link;
use crate::media::leg::refusal::Refusal;
use crate::media::leg::{Certificate, Context, Leg, Wires};
use crate::media::shard::Outgoing;
use crate::model::{Codec, GraphVideo, LocalVideo, RelayEvent, VideoStats};
use crate::rtp::Packet;

impl Leg {
    /// The pictures, while they are there, and the link that they take.
    fn pictures_and_link(&mut self) -> Option<(&mut Pictures, &mut Link)> {
        let pictures = self.pictures.as_deref_mut().filter(|pictures| pictures.is_there)?;
        let link = if pictures.bundled { &mut self.link } else { self.picture_link.as_deref_mut()? };
        Some((pictures, link))
    }

    /// Whether its peer may send pictures of this payload type on the link of the sound.
    pub(in crate::media::leg) fn bundles(pictures: Option<&Pictures>, payload_type: u8) -> bool {
        pictures.is_some_and(|p| p.is_there && p.bundled && p.format(payload_type).is_some())
    }

    /// The link of its pictures alone, if they have one.
    pub fn picture_link(&self) -> Option<&Link> {
        self.picture_link.as_deref()
    }

    /// Gives the pictures a link of their own.
    pub fn lay_pictures(&mut self, cx: &mut Context, video: &GraphVideo, wires: Wires) {
        let link = Link::new(cx, self.link.spec(), wires, video.remote.is_none()).of_pictures();
        self.picture_link = Some(Box::new(link));
    }

    /// Takes their own link from the pictures.
    pub fn take_picture_link(&mut self, cx: &mut Context) -> Option<Box<Link>> {
        let mut link = self.picture_link.take()?;
        link.close(cx);
        Some(link)
    }

    /// Makes the pictures as the graph wants them; returns whether our own end should be told (anew).
    pub(in crate::media::leg) fn apply_pictures(&mut self, cx: &mut Context, video: Option<&GraphVideo>) -> bool {
        let Some(video) = video else {
            if let Some(pictures) = &mut self.pictures {
                pictures.vanish();
            }
            return false;
        };
        let pictures = self.pictures.get_or_insert_with(|| Box::new(Pictures::new(cx)));
        let is_told = pictures.apply(cx.now, self.id, video);
        if let (Some(link), Some(remote), true) = (&mut self.picture_link, &video.remote, is_told) {
            link.describe(cx, remote);
        }
        if let Some(link) = &mut self.picture_link {
            link.count_arrivals(cx.now, video.transport_cc);
        }
        is_told
    }

    /// What has become of the pictures' own link. Whatever it is, the sound goes on.
    pub(in crate::media::leg) fn settle_pictures(&mut self, cx: &mut Context) {
        let Some(link) = &mut self.picture_link else { return };
        let news = link.settle(cx);
        if let Some(why) = news.failed {
            warn!(call = %self.call, leg = %self.id, why, "the pictures have no link");
        }
        if news.is_connected {
            info!(call = %self.call, leg = %self.id, seal = link.seal.name().unwrap_or_default(), "pictures can flow");
        }
        if let Some(why) = news.lacks_rtcp {
            warn!(call = %self.call, leg = %self.id, why, "the reports on pictures have no keys");
        }
    }

    /// Our own end of them, for descriptions.
    pub(in crate::media::leg) fn local_video(&self, certificate: &Certificate) -> Option<Box<LocalVideo>> {
        let pictures = self.pictures.as_deref().filter(|pictures| pictures.is_there)?;
        let link = if pictures.bundled { &self.link } else { self.picture_link.as_deref()? };
        Some(Box::new(LocalVideo { transport: link.transport(certificate), ssrc: pictures.track.ssrc() }))
    }

    /// Takes an RTP packet that came on the pictures' own link. `None` if it is turned away, or not wanted.
    pub(in crate::media::leg) fn receive_pictures(
        &mut self,
        cx: &mut Context,
        from: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<Heard> {
        let (pictures, link) = (self.pictures.as_deref_mut()?, self.picture_link.as_deref_mut()?);
        let is_negotiated = |number| pictures.format(number).is_some();
        let opened = link.open_rtp(cx.now, from, buffer.get_mut(..length)?, is_negotiated);
        let packet = opened.and_then(|length| Packet::parse(buffer.get(..length)?));
        let Some(packet) = packet.filter(|packet| is_negotiated(packet.payload_type())) else {
            link.refused += 1;
            let refusal = link.refusal.take().unwrap_or(Refusal::Other);
            pictures.refusals.get_or_insert_default().count(refusal, pictures.hearing.counts().0);
            cx.tally.refused(refusal);
            return None;
        };
        let (range, payload) = (packet.payload_range(), packet.payload());
        let (start, end) = (range.start, range.end);
        let heard = Heard { fields: packet.fields(), content: Content::Picture, start, end, hurries: false };
        pictures.take(cx.now, heard, payload)
    }

    /// Takes a packet of pictures that came with the sound.
    pub(in crate::media::leg) fn take_picture(&mut self, now: Instant, heard: Heard, payload: &[u8]) -> Option<Heard> {
        self.pictures.as_deref_mut()?.take(now, heard, payload)
    }

    /// Takes an RTCP compound that came on the pictures' own link.
    pub(in crate::media::leg) fn receive_picture_rtcp(
        &mut self,
        cx: &mut Context,
        for_rtcp: bool,
        from: SocketAddr,
        packet: &mut [u8],
    ) {
        let (Some(pictures), Some(link)) = (&mut self.pictures, &mut self.picture_link) else { return };
        match link.open_rtcp(cx, for_rtcp, from, packet) {
            Ok(compound) => pictures.heed(cx, link, &self.cname, compound),
            Err(refusal) => cx.tally.refused(refusal),
        }
    }

    /// Heeds what a compound that came with the sound says of pictures.
    pub(in crate::media::leg) fn heed_pictures(&mut self, cx: &mut Context, compound: &[u8]) {
        if let Some(pictures) = self.pictures.as_deref_mut().filter(|p| p.is_there && p.bundled) {
            pictures.heed(cx, &mut self.link, &self.cname, compound);
        }
    }

    /// Passes on a packet of the pictures that are seen here, changed in place.
    pub(in crate::media::leg) fn send_picture(
        &mut self,
        now: Instant,
        heard: &Heard,
        buffer: &mut [u8],
    ) -> Option<Outgoing> {
        let (pictures, link) = self.pictures_and_link()?;
        pictures.send(now, link, heard, buffer)
    }

    /// Does what is due of the pictures.
    pub(in crate::media::leg) fn handle_picture_timeout(&mut self, cx: &mut Context) {
        let pictures = self.pictures.as_deref_mut().filter(|pictures| pictures.is_there);
        if let Some(link) = &mut self.picture_link {
            link.handle_timeout(cx.now);
            link.tell_arrivals(cx, pictures.as_ref().map_or(0, |pictures| pictures.track.ssrc()), &self.cname);
        }
        let Some(pictures) = pictures else { return };
        let link = if pictures.bundled { Some(&mut self.link) } else { self.picture_link.as_deref_mut() };
        let wanted = link.and_then(|link| pictures.handle_timeout(cx, link, &self.cname));
        if let Some(leg) = wanted {
            cx.events.push_back(RelayEvent::RefreshWanted { call: self.call, leg });
        }
    }

    /// When the pictures want to be looked after next.
    pub(in crate::media::leg) fn poll_picture_timeout(&mut self) -> Option<Instant> {
        let pictures = self.pictures.as_deref().filter(|pictures| pictures.is_there)?;
        let link = self.picture_link.as_deref_mut().and_then(Link::poll_timeout);
        let others = link.into_iter().chain(pictures.watch_deadline());
        Some(others.fold(pictures.poll_timeout(), Instant::min))
    }

    /// The last words of the pictures.
    pub(in crate::media::leg) fn close_pictures(&mut self, cx: &mut Context) {
        let Some(pictures) = self.pictures.as_deref_mut().filter(|pictures| pictures.is_there) else { return };
        let link = if pictures.bundled { Some(&mut self.link) } else { self.picture_link.as_deref_mut() };
        if let Some(link) = link {
            pictures.say_goodbye(cx, link, &self.cname);
        }
    }

    /// The leg whose pictures its peer sees.
    pub fn sees(&self) -> Option<LegId> {
        self.pictures.as_deref()?.sees
    }

    /// The formats of pictures that its peer may send.
    pub fn picture_codecs(&self) -> &[Codec] {
        self.pictures.as_deref().filter(|pictures| pictures.is_there).map_or(&[], |pictures| &pictures.codecs)
    }

    /// The ways from the leg that is seen, at that place of the shard, to this leg's peer.
    pub fn connect_pictures_to(&mut self, seen: Option<usize>, shown: &[Codec]) {
        if let Some(pictures) = &mut self.pictures {
            pictures.connect_to(seen, shown);
        }
    }

    /// The places of the legs that take what comes in here.
    pub fn audience(&self, content: Content) -> &[usize] {
        if content == Content::Picture { self.viewers() } else { &self.listeners }
    }

    /// The places of the legs that see this one.
    pub fn viewers(&self) -> &[usize] {
        self.pictures.as_deref().map_or(&[], |pictures| &pictures.viewers)
    }

    /// Nobody sees it, until [`Leg::add_viewer`] says otherwise.
    pub fn forget_viewers(&mut self) {
        if let Some(pictures) = &mut self.pictures {
            pictures.viewers.clear();
            pictures.viewer = None;
            pictures.telling.forget();
        }
    }

    /// The leg at that place sees it, and takes so many bits a second if it said so.
    pub fn add_viewer(&mut self, now: Instant, place: usize, id: LegId, most: Option<u64>) {
        if let Some(pictures) = &mut self.pictures {
            pictures.viewers.push(place);
            pictures.viewer.get_or_insert(id);
            pictures.telling.heed(now, id, most);
            pictures.is_due = true;
        }
    }

    /// How many bits a second of pictures its peer takes, if it said so.
    pub fn takes_at_most(&self) -> Option<u64> {
        self.pictures.as_deref()?.taking.most()
    }

    /// What its peer wants of the leg whose pictures it sees, and where that is, since this was asked before.
    pub fn take_wish(&mut self) -> Option<(usize, Wish)> {
        let pictures = self.pictures.as_deref_mut()?;
        let wish = pictures.take_wish()?;
        Some((pictures.seen?, wish))
    }

    /// Its pictures, or its links, want to be looked after since this was asked before.
    pub fn has_picture_news(&mut self) -> bool {
        let has_new_aim = self.picture_link.as_deref().is_some_and(Link::has_new_aim);
        let links = [Some(&mut self.link), self.picture_link.as_deref_mut()];
        let is_due = links.into_iter().flatten().fold(has_new_aim, |is_due, link| link.take_news() | is_due);
        self.pictures.as_deref_mut().is_some_and(|pictures| std::mem::take(&mut pictures.is_due)) | is_due
    }

    /// One who sees its pictures wants something of its peer.
    pub fn grant(&mut self, now: Instant, viewer: LegId, wish: Wish) {
        let Some(pictures) = self.pictures.as_deref_mut() else { return };
        if wish.refresh {
            pictures.asking.want(now, viewer);
        }
        if wish.most.is_some() {
            pictures.telling.heed(now, viewer, wish.most);
        }
    }

    /// Figures of the pictures.
    pub(in crate::media::leg) fn picture_stats(&self) -> Option<VideoStats> {
        self.pictures.as_deref().map(Pictures::stats)
    }
}
