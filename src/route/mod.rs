//! The dialplan: who may call what, and where it goes.
//!
//! Floor 3. May import: base, model.
