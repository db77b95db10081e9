//! The actors from outside: only addresses, requests, records. A naive model predicts every answer
//! of random histories; tables cover every code, role and command.
//!
//! Checks L1 (conservation), L2 (floors), L4 (exactly once), L6 (replay) and L13 (isolation).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod allowance_model;
mod allowances;
mod audit;
mod codes;
mod configuration;
mod festival_office;
mod given_back;
mod holds;
mod mail;
mod model;
mod money;
mod office;
mod programs;
mod regressions;
mod roles;
mod tags;
mod world;
