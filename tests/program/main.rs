//! The program as an operator runs it: the built binary, its files, its signals, and telephones over UDP.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod door;
mod drain;
mod emergency;
mod files;
mod fraud;
mod house;
mod identity;
mod killed;
mod many;
mod metrics;
mod names;
mod openmetrics;
mod outage;
mod page;
mod phone;
mod ports;
mod record;
mod relay;
mod reload;
mod silence;
mod start;
mod trunk;
