//! The files of the dialplan.

use std::collections::BTreeSet;

/// The rules, in order.
#[derive(Debug, Clone, Default)]
pub struct Dialplan {}

/// The names that targets may use.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The users of the directory.
    pub users: BTreeSet<String>,
    /// The trunks, in the order of the configuration.
    pub trunks: Vec<String>,
}
