//! Owns: the configuration as the gateway works by it: a version that every shard has in force for
//! good, and its devices' standing. Each loop holds one and exchanges it for the next.
//! Must never: be of a version that a shard could still lose; decide (`decide` looks at its own).
//! Laws: L10 (a terminal is told of what is stored), L13 (a device loads what concerns it).

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use actors::festival::{Festival, Hours, Prices};
use ledger::ids::{DeviceNumber, VendorId, ZoneId};
use wire::{Interval, Own, OwnItem, ScheduledPrice};

use crate::standing::{Member, Standing};

/// See the module.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) festival: Arc<Festival>,
    pub(crate) standing: Standing,
    /// Its bytes, once an administrator asked for them.
    whole: OnceLock<Vec<u8>>,
}

impl View {
    pub(crate) fn new(festival: Arc<Festival>, highest: &HashMap<DeviceNumber, u64>) -> Self {
        let standing = Standing::new(&festival, highest);
        Self { festival, standing, whole: OnceLock::new() }
    }

    /// The next version; what was seen of each device stays.
    pub(crate) fn followed_by(&self, festival: Arc<Festival>) -> Self {
        let standing = self.standing.of_next(&festival);
        Self { festival, standing, whole: OnceLock::new() }
    }

    pub(crate) fn version(&self) -> u32 {
        self.festival.version.get()
    }

    /// All of it, as the journal has it.
    pub(crate) fn whole(&self) -> &[u8] {
        self.whole.get_or_init(|| self.festival.encode())
    }

    /// What concerns a device.
    pub(crate) fn own(&self, member: &Member) -> Own {
        let festival = &*self.festival;
        let till = festival.till(member.till);
        let vendor = till.and_then(|till| till.vendor).and_then(|vendor| festival.vendor(vendor));
        let revoked = festival.device(member.number).is_some_and(|device| device.revoked);
        let marks = [
            (Own::VENDOR_STOPPED, vendor.is_some_and(|vendor| vendor.stopped)),
            (Own::REVOKED, revoked),
            (Own::TRANSFERS, festival.transfers),
            (Own::ALLOWANCES, festival.allowances),
        ];
        let sold = festival.items().iter().filter(|item| vendor.is_some_and(|own| own.id == item.vendor));
        let item = |item: &actors::festival::Item| OwnItem {
            id: item.id.get(),
            price: item.prices.first(),
            vat: item.vat.hundredths(),
            stopped: item.stopped,
            name: item.name.clone(),
            scheduled: scheduled(&item.prices),
        };
        Own {
            version: self.version(),
            festival: festival.id.0,
            currency: festival.currency.numeric(),
            exponent: u8::try_from(festival.currency.exponent()).unwrap_or(0),
            standing: festival.standing as u8,
            marks: marks.into_iter().filter(|(_, set)| *set).fold(0, |marks, (mark, _)| marks | mark),
            cut_over_hour: festival.local_time.cut_over_hour,
            roles: wire::Roles(member.roles.0),
            zone: till.and_then(|till| till.zone).map_or(0, zone),
            till: member.till.get(),
            vendor: vendor.map_or(0, |vendor| VendorId::get(vendor.id)),
            balance_cap: festival.limits.balance_cap,
            top_up_min: festival.limits.top_up_min,
            top_up_max: festival.limits.top_up_max,
            largest_amount: festival.limits.largest_amount,
            looks_repeated_seconds: festival.limits.looks_repeated_seconds,
            most_hold_seconds: festival.most_hold_seconds,
            festival_name: festival.name.clone(),
            vendor_name: vendor.map_or_else(String::new, |vendor| vendor.name.clone()),
            till_name: till.map_or_else(String::new, |till| till.name.clone()),
            hours: intervals(&festival.hours),
            vendor_hours: vendor.map_or_else(Vec::new, |vendor| intervals(&vendor.hours)),
            offsets: festival.local_time.transitions.iter().map(|(from, offset)| (from.0, *offset)).collect(),
            items: sold.map(item).collect(),
        }
    }
}

/// The wire has 16 bits for a zone, as requests have.
fn zone(zone: ZoneId) -> u16 {
    u16::try_from(zone.get()).unwrap_or(0)
}

fn intervals(hours: &Hours) -> Vec<Interval> {
    let interval = |own: &actors::festival::Interval| Interval { from: own.from.0, until: own.until.0 };
    hours.intervals().iter().map(interval).collect()
}

fn scheduled(prices: &Prices) -> Vec<ScheduledPrice> {
    let change = |own: &actors::festival::Scheduled| ScheduledPrice { from: own.from.0, price: own.price };
    prices.scheduled().iter().map(change).collect()
}
