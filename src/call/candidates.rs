//! Candidates that came before there was anybody to give them to.

use crate::model::Candidates;

/// Candidates that are kept for one leg, at most. Browsers and IM clients have some dozen.
pub const MAX_KEPT: usize = 64;

/// Candidates in the order in which they came.
#[derive(Debug, Default)]
pub struct Kept {
    kept: Vec<Candidates>,
}

impl Kept {
    /// Keeps them; what is beyond [`MAX_KEPT`] is left out.
    pub fn push(&mut self, mut candidates: Candidates) {
        // The end of candidates carries none and takes a place as well.
        let taken: usize = self.kept.iter().map(|k| k.candidates.len().max(1)).sum();
        let room = MAX_KEPT.saturating_sub(taken);
        if room > 0 {
            candidates.candidates.truncate(room);
            self.kept.push(candidates);
        }
    }

    /// All of them, still kept.
    pub fn all(&self) -> Vec<Candidates> {
        self.kept.clone()
    }

    /// All of them, kept no longer.
    pub fn take(&mut self) -> Vec<Candidates> {
        std::mem::take(&mut self.kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Candidate, CandidateHost, CandidateKind, CandidateProtocol};

    #[test]
    fn a_peer_that_never_stops_trickling_fills_no_memory() {
        let candidate = Candidate {
            foundation: "1".into(),
            component: 1,
            protocol: CandidateProtocol::Udp,
            priority: 1,
            host: CandidateHost::Name("a.local".into()),
            port: 1,
            kind: CandidateKind::Host,
            related: None,
            rest: String::new(),
        };
        let mut kept = Kept::default();
        for n in 0..1000 {
            let candidates = vec![candidate.clone(); n % 3];
            kept.push(Candidates { mid: None, ufrag: None, candidates, more: true });
        }
        let kept = kept.take();
        assert!(kept.len() <= MAX_KEPT && kept.iter().map(|k| k.candidates.len()).sum::<usize>() <= MAX_KEPT);
    }
}
