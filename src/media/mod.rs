//! The media plane: legs, how they are found and sealed, and what flows between them.
//!
//! Floor 3. May import: base, model, rtp, stun.
