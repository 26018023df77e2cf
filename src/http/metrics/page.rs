//! The figures as text: names, words of help and labels. The form itself is the crate `prometheus-client`'s.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::process::ProcessFigures;
use crate::model::{Flow, Histogram, LegFigures, MediaFigures};
use crate::switch::figures::{CallFigures, Figures, Worlds};

type Label<'a> = (&'static str, &'a str);

/// Writes the whole page.
pub fn write(figures: Figures, process: Option<ProcessFigures>, up: Duration) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page { figures, process, up }));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Page {
    figures: Figures,
    process: Option<ProcessFigures>,
    up: Duration,
}

impl Collector for Page {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut sheet = Sheet(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        sheet.0.encode_descriptor("patchcord_build", "The program", None, MetricType::Info)?.encode_info(&version)?;
        let seconds = Some(Unit::Seconds);
        sheet.gauges("patchcord_uptime", "Since the start", seconds, [([], self.up.as_secs_f64())])?;
        sheet.calls(&self.figures.calls)?;
        sheet.newcomers(&self.figures)?;
        sheet.legs(&self.figures.media)?;
        sheet.media(&self.figures.media)?;
        sheet.gauge("patchcord_page_sessions", "Pages that are signed in", self.figures.pages)?;
        sheet.gauge("patchcord_im_contacts_online", "IM accounts known to be online", self.figures.contacts)?;
        let connections = &self.figures.connections;
        let lamps =
            connections.iter().map(|(name, is_up)| ([("connection", name.as_str())], f64::from(u8::from(*is_up))));
        sheet.gauges("patchcord_xmpp_connection_up", "Whether a stream to an XMPP server is up", None, lamps)?;
        self.process.as_ref().map_or(Ok(()), |process| sheet.process(process))
    }
}

/// Where families of figures are written, one after the other.
struct Sheet<'a>(DescriptorEncoder<'a>);

impl Sheet<'_> {
    fn newcomers(&mut self, figures: &Figures) -> fmt::Result {
        let waiting = "New calls by SIP that wait to be taken up";
        self.gauge("patchcord_sip_calls_waiting", waiting, figures.sip.waiting)?;
        let turned_away = "New calls by SIP that were answered with 503 because there were too many";
        self.counters("patchcord_sip_calls_turned_away", turned_away, None, [([], figures.sip.turned_away)])?;
        let waiting = "New calls from pages and IM clients that wait to be taken up";
        self.gauge("patchcord_page_and_im_calls_waiting", waiting, figures.others.waiting)?;
        let turned_away = "New calls from pages and IM clients that were refused because there were too many";
        self.counters("patchcord_page_and_im_calls_turned_away", turned_away, None, [([], figures.others.turned_away)])
    }

    fn calls(&mut self, calls: &CallFigures) -> fmt::Result {
        let worlds = |(from, to): &Worlds| [("from", *from), ("to", *to)];
        let now = calls.now.iter().map(|(pair, count)| (worlds(pair), *count as f64));
        self.gauges("patchcord_calls", "Calls now, by the worlds they join", None, now)?;
        let begun = calls.begun.iter().map(|(from, count)| ([("from", *from)], *count));
        self.counters("patchcord_calls_begun", "Calls that came in", None, begun)?;
        let ended = calls.ended.iter().map(|((pair, cause), count)| {
            let [from, to] = worlds(pair);
            ([from, to, ("cause", *cause)], *count)
        });
        self.counters("patchcord_calls_ended", "Calls that have ended, with why", None, ended)?;
        let seconds = Some(Unit::Seconds);
        let ringing = calls.ringing.iter().map(|(pair, histogram)| (worlds(pair), histogram));
        self.histograms("patchcord_call_ringing", "Until somebody rings or answers", seconds.as_ref(), ringing)?;
        let answer = calls.answer.iter().map(|(pair, histogram)| (worlds(pair), histogram));
        self.histograms("patchcord_call_answer", "Until somebody answers", seconds.as_ref(), answer)?;
        let bindings = calls.bindings.iter().map(|(world, count)| ([("world", *world)], *count as f64));
        self.gauges("patchcord_bindings", "Devices that can be rung", None, bindings)?;
        let silences = "Silences on answered legs that were told of";
        self.counters("patchcord_silences", silences, None, [([], calls.silences)])?;
        let failed = "Recordings and forks that ended before they should";
        self.counters("patchcord_ears_failed", failed, None, [([], calls.ears_failed)])
    }

    fn legs(&mut self, media: &MediaFigures) -> fmt::Result {
        let kinds = media.by_kind();
        let each = |figure: fn(&LegFigures) -> u64| kinds.map(|(kind, legs)| ([("kind", kind)], figure(legs)));
        let now = each(|legs| legs.now).map(|(kind, count)| (kind, count as f64));
        self.gauges("patchcord_legs", "Media legs now", None, now)?;
        self.counters("patchcord_legs_opened", "Media legs that were opened", None, each(|legs| legs.opened))?;
        self.gauge("patchcord_legs_transcoded", "Media legs now whose peers hear translated speech", media.transcoded)?;
        let jitter = kinds.map(|(kind, legs)| ([("kind", kind)], &legs.jitter));
        let (seconds, of_ended) = (Some(Unit::Seconds), "of legs that have ended");
        self.histograms("patchcord_leg_jitter", &format!("Jitter {of_ended}"), seconds.as_ref(), jitter)?;
        let round_trip = kinds.map(|(kind, legs)| ([("kind", kind)], &legs.round_trip));
        self.histograms("patchcord_leg_round_trip", &format!("Round trip {of_ended}"), seconds.as_ref(), round_trip)?;
        let score = kinds.map(|(kind, legs)| ([("kind", kind)], &legs.score));
        self.histograms("patchcord_leg_mos", &format!("Mean opinion score (E-model) {of_ended}"), None, score)
    }

    fn media(&mut self, media: &MediaFigures) -> fmt::Result {
        let packets = "RTP packets that were taken or sent";
        self.flows("patchcord_rtp_packets", packets, None, media, |f| [f.packets_in, f.packets_out])?;
        let octets = "Bytes of payload in them";
        self.flows("patchcord_rtp_payload", octets, Some(Unit::Bytes), media, |f| [f.octets_in, f.octets_out])?;
        let lost = "RTP packets lost on the way to us, and to peers by their reports";
        self.flows("patchcord_rtp_lost_packets", lost, None, media, |f| [f.lost_in, f.lost_out])?;
        let dropped = media.dropped.by_reason().map(|(reason, count)| ([("reason", reason)], count));
        self.counters("patchcord_rtp_dropped_packets", "Datagrams that were turned away", None, dropped)?;
        let handshakes = [("ok", media.handshakes), ("failed", media.handshakes_failed)];
        let handshakes = handshakes.map(|(result, count)| ([("result", result)], count));
        self.counters("patchcord_dtls_handshakes", "DTLS handshakes by their end", None, handshakes)?;
        self.gauge("patchcord_recordings", "Recordings now", media.recordings.now)?;
        self.counters("patchcord_recordings_begun", "Recordings begun", None, [([], media.recordings.begun)])?;
        self.gauge("patchcord_forks", "Forks now", media.forks.now)?;
        self.counters("patchcord_forks_begun", "Forks begun", None, [([], media.forks.begun)])
    }

    fn process(&mut self, process: &ProcessFigures) -> fmt::Result {
        let cpu = "Processor time";
        let (kind, seconds) = (MetricType::Counter, Some(Unit::Seconds));
        let mut encoder = self.0.encode_descriptor("process_cpu", cpu, seconds.as_ref(), kind)?;
        encoder.encode_counter::<NoLabelSet, f64, u64>(&process.cpu_seconds, None)?;
        let bytes = |bytes: u64| [([], bytes as f64)];
        let unit = Some(Unit::Bytes);
        self.gauges("process_resident_memory", "Memory that is there", unit.clone(), bytes(process.resident_bytes))?;
        self.gauges("process_virtual_memory", "Memory with addresses", unit, bytes(process.virtual_bytes))?;
        self.gauge("process_open_fds", "Open descriptors", process.descriptors)?;
        if let Some(most) = process.most_descriptors {
            self.gauge("process_max_fds", "Descriptors that may be open", most)?;
        }
        self.gauge("process_threads", "Threads", process.threads)
    }

    /// A family by kind of leg, sort of media and direction.
    fn flows(
        &mut self,
        name: &'static str,
        help: &str,
        unit: Option<Unit>,
        media: &MediaFigures,
        counts: fn(&Flow) -> [u64; 2],
    ) -> fmt::Result {
        let values = media.by_kind().into_iter().flat_map(|(kind, legs)| {
            [("audio", &legs.sound), ("video", &legs.pictures)].into_iter().flat_map(move |(sort, flow)| {
                let directions = ["in", "out"].into_iter().zip(counts(flow));
                directions.map(move |(way, count)| ([("kind", kind), ("media", sort), ("direction", way)], count))
            })
        });
        self.counters(name, help, unit, values)
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: u64) -> fmt::Result {
        self.gauges(name, help, None, [([], value as f64)])
    }

    fn gauges<'a, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = ([Label<'a>; N], f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
        values
            .into_iter()
            .try_for_each(|(labels, value)| of(&mut family, &labels, |metric| metric.encode_gauge(&value)))
    }

    fn counters<'a, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        unit: Option<Unit>,
        values: impl IntoIterator<Item = ([Label<'a>; N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
        values.into_iter().try_for_each(|(labels, value)| {
            of(&mut family, &labels, |metric| metric.encode_counter::<NoLabelSet, u64, u64>(&value, None))
        })
    }

    fn histograms<'a, 'h, const N: usize>(
        &mut self,
        name: &'static str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = ([Label<'a>; N], &'h Histogram)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Histogram)?;
        values.into_iter().try_for_each(|(labels, histogram)| {
            let steps: Vec<_> = histogram.steps().map(|(end, count)| (end.unwrap_or(f64::INFINITY), count)).collect();
            of(&mut family, &labels, |metric| {
                metric.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &steps, None)
            })
        })
    }
}

/// One figure of a family, with its labels, if it has any.
fn of<'a, const N: usize>(
    family: &mut MetricEncoder<'_>,
    labels: &[Label<'a>; N],
    encode: impl FnOnce(&mut MetricEncoder<'_>) -> fmt::Result,
) -> fmt::Result {
    if N == 0 { encode(family) } else { encode(&mut family.encode_family(labels)?) }
}
