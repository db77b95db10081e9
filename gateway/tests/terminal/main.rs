//! A terminal's view of a server: real sockets on loopback, a ledger in memory, the clock and every
//! round of every loop driven by hand, so that nothing sleeps and nothing depends on speed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod allowances;
mod clocks;
mod codes;
mod holds;
mod hostile;
mod limits;
mod loops;
mod offices;
mod requests;
mod shutdown;
mod support;
mod tags;
mod transfers;
