//! The calls: what happens between two legs, as a function of signals and time.
//!
//! Floor 3. May import: base, model.
