//! What the process takes of the machine.

use procfs::process::{LimitValue, Process};

/// The figures of the process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessFigures {
    /// Processor time, in seconds: its own and the system's for it.
    pub cpu_seconds: f64,
    /// Memory that is really there, in bytes.
    pub resident_bytes: u64,
    /// Memory that it has addresses for, in bytes.
    pub virtual_bytes: u64,
    /// Open descriptors.
    pub descriptors: u64,
    /// How many of them it may have; `None`: as many as it wants.
    pub most_descriptors: Option<u64>,
    /// Threads.
    pub threads: u64,
}

/// Asks the system; `None` where it does not tell.
pub fn read() -> Option<ProcessFigures> {
    let process = Process::myself().ok()?;
    let stat = process.stat().ok()?;
    let most = process.limits().ok()?.max_open_files.soft_limit;
    Some(ProcessFigures {
        cpu_seconds: (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64,
        resident_bytes: stat.rss * procfs::page_size(),
        virtual_bytes: stat.vsize,
        descriptors: process.fd_count().ok()? as u64,
        most_descriptors: match most {
            LimitValue::Value(most) => Some(most),
            LimitValue::Unlimited => None,
        },
        threads: u64::try_from(stat.num_threads).ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_process_knows_what_it_takes() {
        let before = read().unwrap();
        let held: Vec<_> = (0..20).map(|_| std::fs::File::open("/proc/self/stat").unwrap()).collect();
        let after = read().unwrap();
        assert!(after.descriptors >= held.len() as u64 && after.most_descriptors.is_none_or(|m| m > after.descriptors));
        assert!((1 << 20..1 << 40).contains(&before.resident_bytes) && before.virtual_bytes >= before.resident_bytes);
        assert!(before.threads >= 1 && before.cpu_seconds >= 0.0 && after.cpu_seconds >= before.cpu_seconds);
    }
}
