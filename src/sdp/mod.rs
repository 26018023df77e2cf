//! SDP (RFC 8866): text to [Description](crate::model::Description) and back.
//!
//! Floor 2. May import: base, model.
