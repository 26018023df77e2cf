//! What a receiver counts (RFC 3550 §6.4.1, appendices A.3 and A.8).
