//! The festival that the simulator runs: small, so that wallets, tills and ids collide often. Owns
//! its numbers; decides nothing.

use actors::address::{Keys, Tag};
use actors::command::{Command, Request};
use actors::festival::{
    Device, Festival, FestivalError, Hours, Item, Limits, Lists, LocalTime, Prices, Purse, Role, Roles,
    Settings, Standing, Till, Vendor,
};
use ledger::ids::{
    At, DeviceNumber, FestivalId, ItemId, LedgerId, Office, OperatorId, RequestId, TillId, VendorId, Version,
};
use ledger::money::{Currency, VatRate};
use ledger::record::{Genesis, Mode};

/// The ledger.
pub const LEDGER: LedgerId = LedgerId([0x5a; 16]);
/// The festival.
pub const FESTIVAL: FestivalId = FestivalId(1);
/// Most money a wallet may hold.
pub const CAP: i64 = 6_000;
/// Smallest top-up.
pub const TOP_UP_MIN: i64 = 100;
/// Largest top-up.
pub const TOP_UP_MAX: i64 = 4_000;
/// Largest purchase.
pub const LARGEST: i64 = 3_000;
/// Wall clock at the start, microseconds.
pub const START: At = At(1_780_000_000_000_000);

/// Number, till and roles of each device.
pub const DEVICES: [(u32, u32, &[Role]); 8] = [
    (1, 1, &[Role::Sell]),
    (2, 2, &[Role::Sell]),
    (3, 1, &[Role::Sell, Role::Refund]),
    (4, 3, &[Role::Pair, Role::TopUp, Role::Refund]),
    (5, 3, &[Role::Pair, Role::TopUp, Role::Supervise]),
    (6, 2, &[Role::Sell, Role::TopUp, Role::Refund, Role::Pair, Role::Supervise]),
    (7, 1, &[]),
    (ADMINISTRATOR, 3, &[Role::Administer]),
];
/// Who decides payouts.
pub const ADMINISTRATOR: u32 = 8;
/// A vendor that is not of the festival.
pub const FOREIGN_VENDOR: u32 = 3;
/// A device that was never enrolled.
pub const STRANGER: u32 = 99;
/// Number and vendor of each till; vendor 0 is a desk.
const TILLS: [(u32, u32); 3] = [(1, 1), (2, 2), (3, 0)];
/// Number, vendor, price, VAT in hundredths of a per cent.
pub const ITEMS: [(u32, u32, u32, u16); 5] =
    [(1, 1, 650, 2_000), (2, 1, 400, 550), (3, 1, 333, 1_000), (4, 2, 1_100, 2_000), (5, 2, 50, 0)];

/// The keys of the simulated ledger.
pub fn keys() -> Keys {
    Keys::derive(&[0x11; 32])
}

/// The office of a vendor in the place of a tag.
pub fn office(vendor: u32) -> Option<Tag> {
    VendorId::new(vendor).map(|vendor| actors::office::tag(Office::Vendor(vendor)))
}

/// The tag of a band.
pub fn tag(keys: &Keys, band: u32) -> Tag {
    keys.tag(&band.to_le_bytes())
}

/// The first of the bands that nobody opens a wallet with.
pub const SPARE: u32 = 500;

/// Whether the wallet of this number is opened from a ticket, and not by a band.
pub const fn from_ticket(band: u32) -> bool {
    band % 3 == 2
}

/// What a wallet is opened with: a band, or a ticket.
pub fn first(keys: &Keys, band: u32) -> Tag {
    if from_ticket(band) { keys.ticket(&band.to_le_bytes()) } else { tag(keys, band) }
}

/// A sound request of a device at its own till.
pub fn request(keys: &Keys, device: u32, counter: u64, tag: Tag, command: Command) -> Option<Request> {
    let number = DeviceNumber::new(device)?;
    let till = DEVICES.iter().find(|known| known.0 == device).map_or(1, |known| known.1);
    let mut request = Request {
        id: RequestId::of(number, counter)?,
        content: 0,
        device: number,
        festival: FESTIVAL,
        tag,
        till: TillId::new(till),
        happened: None,
        operator: OperatorId::new(5),
        zone: None,
        tag_counter: None,
        mode: Mode::default(),
        replaces: None,
        wallet: None,
        command,
    };
    request.content = keys.content(&request);
    Some(request)
}

/// What block 0 says.
pub fn genesis(shards: u16) -> Genesis {
    Genesis { ledger: LEDGER, shards, level: ledger::LEVEL, key_id: keys().id() }
}

fn name(what: &str, number: u32) -> String {
    format!("{what} {number}")
}

fn lists() -> Lists {
    let vendor = |id| {
        Some(Vendor {
            id: VendorId::new(id)?,
            name: name("vendor", id),
            stopped: false,
            hours: Hours::default(),
        })
    };
    let item = |(id, vendor, price, vat)| {
        let (id, vendor) = (ItemId::new(id)?, VendorId::new(vendor)?);
        let (prices, vat) = (Prices::fixed(price), VatRate::new(vat)?);
        Some(Item { id, vendor, prices, vat, name: name("item", id.get()), stopped: false })
    };
    let till = |(id, vendor)| {
        let (id, vendor) = (TillId::new(id)?, VendorId::new(vendor));
        Some(Till { id, vendor, zone: None, name: name("till", id.get()) })
    };
    let device = |(number, till, roles): (u32, u32, &[Role])| {
        let roles = roles.iter().fold(Roles::default(), |all, role| all.with(*role));
        Some(Device { number: DeviceNumber::new(number)?, till: TillId::new(till)?, roles, revoked: false })
    };
    Lists {
        vendors: [1, 2].into_iter().filter_map(vendor).collect(),
        items: ITEMS.into_iter().filter_map(item).collect(),
        tills: TILLS.into_iter().filter_map(till).collect(),
        devices: DEVICES.into_iter().filter_map(device).collect(),
    }
}

/// The configuration; `bonus_first` chooses the order in which purses pay.
pub fn festival(bonus_first: bool) -> Result<Festival, FestivalError> {
    let mut purse_order = [Purse::Paid, Purse::Bonus];
    if bonus_first {
        purse_order.reverse();
    }
    let version = Version::new(1).ok_or(FestivalError::Limits("a version starts at 1"))?;
    let settings = Settings {
        id: FESTIVAL,
        version,
        name: "Simulated Fields".into(),
        currency: Currency::EUR,
        limits: Limits {
            balance_cap: CAP,
            top_up_min: TOP_UP_MIN,
            top_up_max: TOP_UP_MAX,
            largest_amount: LARGEST,
            looks_repeated_seconds: 20,
        },
        purse_order: purse_order.into_iter().collect(),
        local_time: LocalTime { transitions: vec![(At(0), 7_200)], cut_over_hour: 6 },
        transfers: true,
        allowances: true,
        most_hold_seconds: 3_600,
        standing: Standing::Open,
        hours: Hours::default(),
    };
    Festival::new(settings, lists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_of_the_tables_is_in_the_festival() {
        let festival = festival(true).unwrap();
        assert_eq!(festival.devices().len(), DEVICES.len());
        assert_eq!(festival.items().len(), ITEMS.len());
        assert_eq!(festival.tills().len(), TILLS.len());
    }
}
