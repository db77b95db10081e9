//! What the tests of the format share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    dead_code,
    reason = "shared by several tests, none of which uses all of it"
)]

pub mod annotate;
pub mod deeds;
pub mod document;
pub mod examples;
pub mod files;
pub mod messages;
