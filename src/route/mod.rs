//! The dialplan: who may call what, and where it goes.
//!
//! Floor 3. May import: base, model.
//!
//! `plan` reads the files, `normalise` the numbers; `decide` is a pure function of both, and `explain` tells
//! its steps.

pub mod decide;
pub mod hours;
pub mod normalise;
pub mod plan;

pub use decide::{Action, Condition, Decision, Dial, Request, Step, Target, decide};
pub use hours::Minute;
pub use normalise::{Dialled, Numbering};
pub use plan::{Dialplan, Names};

/// The most targets that one rule may name.
pub const MAX_TARGETS: usize = 16;
