//! Random parties over bad networks, and what must hold whatever they do.
