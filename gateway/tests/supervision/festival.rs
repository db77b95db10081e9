//! A festival whose wallets hold out: what is sold costs a cent.

use std::fmt::Write as _;
use std::net::SocketAddr;

use gateway::commands::init::{Founding, init};
use gateway::festival_file;
use ledger::ids::At;
use ledger::journal::embedded::MIN_SEGMENT;

use crate::till::{Order, Till};

/// Wristbands.
pub const BANDS: usize = 20;
/// What each is topped up with: as many sales as minor units.
pub const TOP_UP: i64 = 15_000;
/// The desk's device; the bars are the ones after it.
const DESK: u32 = 1;
const BARS: u32 = 3;

const TEXT: &str = r#"
[festival]
id = 1
name = "Supervised"
currency = "EUR"
time_zone = "Europe/Paris"
cut_over_hour = 6
[limits]
transfers = true
balance_cap = "250.00"
top_up_min = "1.00"
top_up_max = "150.00"
largest_amount = "500.00"
looks_repeated_seconds = 20
purse_order = ["bonus", "paid"]
[[vendors]]
id = 1
name = "Bar"
[[items]]
id = 1
name = "Sip"
vendor = 1
price = "0.01"
vat = "20"
[[tills]]
id = 1
name = "Desk"
"#;

/// A ledger of it, in a directory that goes with what is returned.
pub fn founded() -> tempfile::TempDir {
    founded_with(4)
}

/// The same with as many shards.
pub fn founded_with(shards: u16) -> tempfile::TempDir {
    let mut text = TEXT.to_owned();
    text.push_str("[[devices]]\nnumber = 1\ntill = 1\nroles = [\"pair\", \"top_up\"]\n");
    for bar in DESK + 1..=DESK + BARS {
        write!(text, "[[tills]]\nid = {bar}\nname = \"Bar {bar}\"\nvendor = 1\n").unwrap();
        write!(text, "[[devices]]\nnumber = {bar}\ntill = {bar}\nroles = [\"sell\", \"refund\"]\n").unwrap();
    }
    let parent = tempfile::tempdir().unwrap();
    let at = At(1_780_272_000_000_000);
    let festival = festival_file::parse(&text, at).unwrap();
    let founding = Founding { shards, segment_bytes: 2 * MIN_SEGMENT, at };
    init(&parent.path().join("ledger"), &festival, &founding).unwrap();
    parent
}

/// The desk, which has opened and filled every wallet, and the bars.
pub fn tills(server: SocketAddr) -> Vec<Till> {
    let mut desk = Till::new(DESK, false);
    for band in 0..BANDS {
        desk.orders.push(Order::opening(DESK, 2 * band as u64 + 1, band));
        desk.orders.push(Order::top_up(DESK, 2 * band as u64 + 2, band, TOP_UP));
    }
    desk.send_all_again(server);
    let bars = (DESK + 1..=DESK + BARS).map(|bar| Till::new(bar, true));
    std::iter::once(desk).chain(bars).collect()
}
