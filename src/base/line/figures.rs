//! What is counted of those who wait, and of those who are turned away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often the log tells of calls that are turned away.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What is counted, for whoever watches.
#[derive(Debug, Default)]
pub struct Figures {
    waiting: AtomicUsize,
    turned_away: AtomicU64,
}

impl Figures {
    /// How many wait to be taken up.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many were ever turned away.
    pub fn turned_away(&self) -> u64 {
        self.turned_away.load(Ordering::Relaxed)
    }
}

/// Who counts.
#[derive(Debug, Default)]
pub struct Account {
    figures: Arc<Figures>,
    reported: Option<Instant>,
    since_report: u64,
}

impl Account {
    /// What is counted.
    pub fn figures(&self) -> Arc<Figures> {
        Arc::clone(&self.figures)
    }

    /// So many wait.
    pub fn set_waiting(&self, waiting: usize) {
        self.figures.waiting.store(waiting, Ordering::Relaxed);
    }

    /// One is turned away; how many there are to tell of, if it is time to.
    pub fn turn_away(&mut self, now: Instant) -> Option<u64> {
        self.figures.turned_away.fetch_add(1, Ordering::Relaxed);
        self.since_report += 1;
        if self.reported.is_some_and(|at| now < at + REPORT_EVERY) {
            return None;
        }
        self.reported = Some(now);
        Some(std::mem::take(&mut self.since_report))
    }
}
