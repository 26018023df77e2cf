//! The dialplan: who may call what, and where it goes.
//!
//! Floor 3. May import: base, model.
//!
//! `plan` reads the files, `normalise` the numbers; `decide` is a pure function of both, and `explain` tells
//! its steps. `guard` keeps what is allowed from being abused.

pub mod decide;
pub mod defaults;
pub mod ears;
pub mod entry;
pub mod expected;
pub mod explain;
pub mod group;
pub mod guard;
pub mod hours;
pub mod normalise;
pub mod pattern;
pub mod plan;
mod print;
pub mod services;
pub mod template;

pub use decide::{Action, Condition, Decision, Dial, Request, Step, Target, decide};
pub use expected::Expected;
pub use explain::explain;
pub use group::Group;
pub use hours::Minute;
pub use normalise::{Dialled, Numbering};
pub use plan::{Dialplan, Names, Rule};

/// The most targets that one rule may name.
pub const MAX_TARGETS: usize = 16;

#[cfg(test)]
mod tests;
