//! State machines in virtual time, one file a machine.
