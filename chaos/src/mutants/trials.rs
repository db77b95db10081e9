//! Crafted cases for what no simulated history can show: what happens before there is one, and what
//! somebody does to the log on purpose, with every checksum made right again (L7).

use std::sync::Arc;

use actors::festival::Festival;
use gateway::festival_file;
use ledger::block::Head;
use ledger::ids::ItemId;
use ledger::journal::conformance::draft;
use ledger::journal::embedded::trials::Trial;
use ledger::journal::embedded::{Log, LogConfig, OpenError, SimDisk};
use ledger::journal::{Event, Journal as _};

use crate::laws::watch::{FramePlace, Watch};
use crate::points::change;
use crate::world::fixture;

/// Every case.
pub const ALL: &[Trial] = &[
    ("prices and limits of a festival file are exact minor units", minor_units),
    ("of two desks with one band one wins, and its wallet waits for the band", pairing_race),
    ("a log that a block was cut out of is refused", block_cut_out),
    ("a change of the configuration reaches every shard and is there after a restart", change::undisturbed),
];

const FILE: &str = r#"
[festival]
id = 1
name = "Exact Fields"
currency = "EUR"
time_zone = "Europe/Paris"
cut_over_hour = 6

[limits]
balance_cap = "250.50"
top_up_min = "1.00"
top_up_max = "150"
largest_amount = "250"
looks_repeated_seconds = 20
purse_order = ["bonus", "paid"]

[[vendors]]
id = 1
name = "Bar"

[[items]]
id = 1
name = "Beer"
vendor = 1
price = "6.50"
vat = "20"

[[tills]]
id = 1
name = "Till"
vendor = 1

[[devices]]
number = 1
till = 1
roles = ["sell"]
"#;

fn parsed(text: &str) -> Result<Festival, String> {
    festival_file::parse(text, fixture::START).map_err(|error| error.to_string())
}

/// A beer at 6.50 is 650 cents, or every customer pays 6 cents for it.
fn minor_units() -> Result<(), String> {
    let festival = parsed(FILE)?;
    let price = ItemId::new(1).and_then(|item| festival.item(item)).map(|item| item.prices.first());
    let limits = festival.limits;
    let read = (price, limits.balance_cap, limits.top_up_min);
    if read == (Some(650), 25_050, 100) { Ok(()) } else { Err(format!("read as {read:?}")) }
}

/// Two guests with one band, or a wallet that pays before it has it.
fn pairing_race() -> Result<(), String> {
    crate::points::race::race(None, 0).map(|_| ())
}

fn config() -> LogConfig {
    LogConfig { mark_every_micros: u64::MAX, ..LogConfig::small(Arc::new(|| 0)) }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn text(error: impl ToString) -> String {
    error.to_string()
}

/// Somebody takes a sale out of the log and closes the gap, every checksum made right again: only
/// the chain can tell.
fn block_cut_out() -> Result<(), String> {
    let disk = three_blocks()?;
    let mut watch = Watch::default();
    watch.look(&disk, &mut |_| {});
    let [.., second, third] = watch.frames() else { return Err("no frames were written".into()) };
    let mut bytes = disk.durable(&third.name(), third.offset, third.length).ok_or("not durable")?;
    let second_bytes = disk.durable(&second.name(), second.offset, second.length).ok_or("not durable")?;
    // Place and number of the frame that was cut out; then the checksum over everything behind it.
    bytes[24..56].copy_from_slice(&second_bytes[24..56]);
    let checksum = crc32fast::hash(&bytes[12..]);
    bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    let FramePlace { offset, .. } = *second;
    disk.poke(&second.name(), offset, &bytes);
    disk.poke(&third.name(), third.offset, &vec![0; third.length]);
    match Log::open(Arc::new(disk.image()), config(), &mut |_| Ok(())) {
        Err(OpenError::Journal(_)) => Ok(()),
        Err(error) => Err(text(error)),
        Ok(_) => Err("the rest of the log was believed".into()),
    }
}

/// A log of one shard with three blocks, each in a frame of its own.
fn three_blocks() -> Result<SimDisk, String> {
    let disk = SimDisk::new(1);
    let log = Log::create(Arc::new(disk.clone()), config()).map_err(text)?;
    let mut port = log.port(None);
    let mut head = Head::default();
    for fill in 1..=3 {
        port.submit(draft(0, head, 1, fill)).map_err(text)?;
        port.commit(true);
        let mut events = Vec::new();
        port.events(&mut events);
        let confirmed = events.iter().find_map(|event| match event {
            Event::Confirmed { head, .. } => Some(*head),
            _ => None,
        });
        head = confirmed.ok_or("not confirmed")?;
    }
    Ok(disk)
}
