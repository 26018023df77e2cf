//! A name service on loopback, whose answers the test writes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const A: u16 = 1;
const SOA: u16 = 6;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const NAPTR: u16 = 35;

/// The records by name and kind, each as its octets.
type Zone = HashMap<(String, u16), Vec<Vec<u8>>>;

/// The service. It ends when this is dropped.
pub struct Names {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
    is_down: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Names {
    /// Knows nothing yet.
    pub fn start() -> Names {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, asked): (Arc<Mutex<Zone>>, Arc<Mutex<Vec<_>>>) = Default::default();
        let (is_down, ends): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let (known, noted) = (Arc::clone(&zone), Arc::clone(&asked));
        let (down, over) = (Arc::clone(&is_down), Arc::clone(&ends));
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !over.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let query = &buffer[..length];
                let (name, kind, end) = question(query);
                noted.lock().unwrap().push((name.clone(), kind));
                if !down.load(Ordering::Relaxed) {
                    let reply = answer(&query[..end], known.lock().unwrap().get(&(name, kind)));
                    socket.send_to(&reply, from).unwrap();
                }
            }
        });
        Names { address, zone, asked, is_down, ends, thread: Some(thread) }
    }

    /// The line of `[sip]` that points to it.
    pub fn setting(&self) -> String {
        format!("sip.name_servers = [\"{}\"]\n", self.address)
    }

    fn add(&self, name: &str, kind: u16, data: Vec<u8>) {
        self.zone.lock().unwrap().entry((name.to_owned(), kind)).or_default().push(data);
    }

    /// A host at this machine.
    pub fn host(&self, name: &str) {
        self.add(name, A, Ipv4Addr::LOCALHOST.octets().to_vec());
    }

    /// A host at this machine, by IPv6 alone.
    pub fn host_by_ipv6(&self, name: &str) {
        self.add(name, AAAA, std::net::Ipv6Addr::LOCALHOST.octets().to_vec());
    }

    /// A server of a service.
    pub fn server(&self, service: &str, priority: u16, port: u16, host: &str) {
        let mut data = [priority, 0, port].map(u16::to_be_bytes).concat();
        data.extend(labels(host));
        self.add(service, SRV, data);
    }

    /// A service of a domain.
    pub fn service(&self, domain: &str, order: u16, field: &str, replacement: &str) {
        let mut data = [order, 0].map(u16::to_be_bytes).concat();
        for text in ["s", field, ""] {
            data.push(text.len() as u8);
            data.extend(text.as_bytes());
        }
        data.extend(labels(replacement));
        self.add(domain, NAPTR, data);
    }

    /// Answers nothing from here on, or does again.
    pub fn be_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Whether that was asked for.
    pub fn was_asked_for_naptr(&self, domain: &str) -> bool {
        self.asked.lock().unwrap().contains(&(domain.to_owned(), NAPTR))
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// The name and kind that are asked for, and where the question ends (RFC 1035 §4.1.2).
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut at, mut name) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        name.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (name.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5)
}

fn labels(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// The answer to a question; with a record of the zone where there is none (RFC 2308 §2.2).
fn answer(question: &[u8], records: Option<&Vec<Vec<u8>>>) -> Vec<u8> {
    let kind = u16::from_be_bytes([question[question.len() - 4], question[question.len() - 3]]);
    let known: &[Vec<u8>] = records.map_or(&[], Vec::as_slice);
    let none = u16::from(known.is_empty());
    let mut reply = question[..2].to_vec();
    // Authoritative, recursion wished for and available; no error.
    reply.extend([0x85, 0x80]);
    reply.extend([1, known.len() as u16, none, 0].map(u16::to_be_bytes).concat());
    reply.extend(&question[12..]);
    let mut record = |kind: u16, data: &[u8]| {
        // The name is that of the question.
        reply.extend([0xc0, 12]);
        reply.extend([kind, 1, 0, 60, data.len() as u16].map(u16::to_be_bytes).concat());
        reply.extend(data);
    };
    known.iter().for_each(|data| record(kind, data));
    if known.is_empty() {
        let serial_and_times = [1u32, 60, 60, 60, 60].map(u32::to_be_bytes).concat();
        record(SOA, &[labels("ns.test"), labels("admin.test"), serial_and_times].concat());
    }
    reply
}
