//! Wire formats against the public corpora: what real and hostile programs send, read without harm.
