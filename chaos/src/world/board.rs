//! What terminals know of the festival: the version that they fetched last, which may be behind what a
//! shard goes by, or ahead of it. Says where a device stands and what it sells there, for how much.

use std::sync::Arc;

use actors::command::{AskedLine, AskedLines, Command};
use actors::festival::{Festival, Item, Role};
use fastrand::Rng;
use ledger::ids::{At, DeviceNumber, ItemId, TillId, VendorId};

use super::fixture::ITEMS;

/// See the module.
#[derive(Clone, Debug)]
pub struct Board {
    festival: Arc<Festival>,
    /// What the clocks of terminals show.
    wall: At,
}

impl Board {
    /// Terminals that know a version.
    pub const fn new(festival: Arc<Festival>, wall: At) -> Self {
        Self { festival, wall }
    }

    /// They fetch another version.
    pub fn fetched(&mut self, festival: &Arc<Festival>) {
        self.festival = Arc::clone(festival);
    }

    /// Time passes.
    pub const fn clock_shows(&mut self, wall: At) {
        self.wall = wall;
    }

    /// The till that a device stands at.
    pub fn till(&self, device: DeviceNumber) -> Option<TillId> {
        self.festival.device(device).map(|device| device.till)
    }

    /// A device to do this: mostly the usual one, sometimes any that a change let do it.
    pub fn instead(&self, rng: &mut Rng, usual: u32, role: Role) -> u32 {
        if self.festival.version.get() == 1 || rng.bool() {
            return usual;
        }
        let may = self.festival.devices().iter().filter(|device| device.roles.has(role));
        let may: Vec<_> = may.collect();
        rng.choice(may).map_or(usual, |device| device.number.get())
    }

    fn vendor(&self, device: u32) -> Option<VendorId> {
        self.festival.till(self.till(DeviceNumber::new(device)?)?)?.vendor
    }

    /// One to five lines of what the device's till sells; a desk tries it with what the first bar sells.
    pub fn basket(&self, rng: &mut Rng, device: u32) -> Command {
        let vendor = self.vendor(device).map_or(1, VendorId::get);
        let items: Vec<_> = ITEMS.iter().filter(|item| item.1 == vendor).collect();
        let mut lines = AskedLines::new();
        for _ in 0..rng.usize(1..=5) {
            let item = items[rng.usize(0..items.len())];
            let unit_price = self.price(rng, item.0).unwrap_or(item.2);
            lines.push(AskedLine { item: item.0, quantity: rng.u16(1..=2), unit_price });
        }
        Command::Purchase { amount: sum(&lines), lines, confirmed: rng.u8(0..3) != 0 }
    }

    /// The price that is shown; where it changes, sometimes another than the clock would have.
    fn price(&self, rng: &mut Rng, item: u32) -> Option<u32> {
        let Item { prices, .. } = self.festival.item(ItemId::new(item)?)?;
        if prices.scheduled().is_empty() || rng.bool() {
            return Some(prices.at(self.wall));
        }
        rng.choice(prices.scheduled()).map(|change| change.price)
    }
}

/// What lines come to.
pub fn sum(lines: &[AskedLine]) -> i64 {
    lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum()
}
