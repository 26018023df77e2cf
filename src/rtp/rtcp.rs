//! RTCP (RFC 3550 §6, RFC 4585): compounds read tolerantly and written strictly.
