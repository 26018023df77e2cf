//! The calls: what happens between two legs, as a function of signals and time.
//!
//! Floor 3. May import: base, model.
//!
//! A [`Call`] hears signals of its legs and events of the relay, and gives out what is to be said, what is
//! to be ordered of the relay, and at the end one record. It knows no protocol and no codec library; what a
//! leg's wire has no words for is in its [`Abilities`](crate::model::Abilities).

mod aside;
mod candidates;
mod dialling;
mod direct;
mod diverted;
mod ears;
mod glare;
mod keys;
mod leg;
mod naming;
mod negotiate;
mod once;
mod opening;
mod path;
mod pictures;
mod plan;
mod pressing;
mod record;
mod sounds;
mod talking;
mod transfer;
mod two_party;
mod wiring;
mod words;

pub use opening::Opening;
pub use plan::{Action, Attempt, Branch, Far, Plan, Step};
pub use two_party::{Call, Output};
