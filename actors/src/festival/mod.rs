//! The festival as its shards know it: one configuration version, adopted by a record, by which
//! every decision is made. Everything in it is looked up by number.

mod codec;
mod hours;
mod office;

pub use codec::{FestivalError, MAX_NAME, MAX_PART};
pub use hours::{Hours, Interval, PRICE_GRACE, Prices, Scheduled, Standing};
pub(crate) use office::{adopt, stage};

use ledger::ids::{At, DeviceNumber, FestivalId, ItemId, TillId, VendorId, Version, ZoneId};
use ledger::money::{BALANCE_LIMIT, Currency, VatRate};
use smallvec::SmallVec;

use crate::index::Index;
use crate::table::hash_of;

/// Most parts in which a running festival's configuration is changed: 4 MB, some twenty times what a
/// festival of 9,000 devices takes.
pub const MAX_PARTS: u16 = 1_024;

/// Longest that a festival may let holds last: money that nobody may spend for longer is forgotten.
pub const MOST_HOLD_SECONDS: u32 = 7 * 86_400;

/// What a device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Role {
    /// Purchases.
    Sell = 1,
    /// Cash top-ups.
    TopUp = 1 << 1,
    /// Voids.
    Refund = 1 << 2,
    /// Opening wallets, pairing tags.
    Pair = 1 << 3,
    /// Gate scans.
    Gate = 1 << 4,
    /// Bonus top-ups and other acts of a supervisor.
    Supervise = 1 << 5,
    /// Changing the configuration.
    Administer = 1 << 6,
    /// Training sales.
    Train = 1 << 7,
}

impl Role {
    /// Every role, with its name in festival files.
    pub const ALL: [(Self, &'static str); 8] = [
        (Self::Sell, "sell"),
        (Self::TopUp, "top_up"),
        (Self::Refund, "refund"),
        (Self::Pair, "pair"),
        (Self::Gate, "gate"),
        (Self::Supervise, "supervise"),
        (Self::Administer, "administer"),
        (Self::Train, "train"),
    ];
}

/// The roles of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Roles(pub u16);

impl Roles {
    /// Whether `role` is among them.
    pub const fn has(self, role: Role) -> bool {
        self.0 & role as u16 != 0
    }

    /// With `role` added.
    pub const fn with(self, role: Role) -> Self {
        Self(self.0 | role as u16)
    }
}

/// A purse in the spending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purse {
    /// Paid in.
    Paid = 1,
    /// Bonus.
    Bonus = 2,
    /// Deposits.
    Deposit = 3,
}

/// Limits in minor units of the festival's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most money a wallet may hold.
    pub balance_cap: i64,
    /// Smallest top-up.
    pub top_up_min: i64,
    /// Largest top-up.
    pub top_up_max: i64,
    /// Largest purchase.
    pub largest_amount: i64,
    /// How long the same till and amount look repeated.
    pub looks_repeated_seconds: u32,
}

/// Who sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Its number.
    pub id: VendorId,
    /// As the organiser calls it.
    pub name: String,
    /// Sells nothing until further notice.
    pub stopped: bool,
    /// When it sells, within the festival's hours.
    pub hours: Hours,
}

/// What is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number.
    pub id: ItemId,
    /// Who sells it.
    pub vendor: VendorId,
    /// What it costs, tax included, and will.
    pub prices: Prices,
    /// Its tax.
    pub vat: VatRate,
    /// As the organiser calls it.
    pub name: String,
    /// Not sold until further notice.
    pub stopped: bool,
}

/// Where it is sold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Till {
    /// Its number.
    pub id: TillId,
    /// Whose it is; `None` for a desk.
    pub vendor: Option<VendorId>,
    /// Where it stands.
    pub zone: Option<ZoneId>,
    /// As the organiser calls it.
    pub name: String,
}

/// An enrolled device and what it is assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its certificate's number.
    pub number: DeviceNumber,
    /// The till it works at.
    pub till: TillId,
    /// What it may do.
    pub roles: Roles,
    /// May do nothing any more. It stays listed: a number is never given to another device.
    pub revoked: bool,
}

/// The festival's clock: local time without a time-zone database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Offset changes, by rising time: from then on local time is UTC plus so many seconds.
    pub transitions: Vec<(At, i32)>,
    /// The local hour at which a business date begins.
    pub cut_over_hour: u8,
}

impl LocalTime {
    /// Seconds to add to UTC at `at`.
    pub fn offset(&self, at: At) -> i32 {
        let later = self.transitions.partition_point(|(from, _)| *from <= at);
        let current = later.checked_sub(1).and_then(|index| self.transitions.get(index));
        current.or(self.transitions.first()).map_or(0, |(_, offset)| *offset)
    }

    /// The business date of `at`, in days since 1970-01-01.
    pub fn business_date(&self, at: At) -> i64 {
        let local = at.seconds() + i64::from(self.offset(at)) - i64::from(self.cut_over_hour) * 3_600;
        local.div_euclid(86_400)
    }
}

/// One version of a festival's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Festival {
    /// Its number in the ledger.
    pub id: FestivalId,
    /// The version of this configuration.
    pub version: Version,
    /// As the organiser calls it.
    pub name: String,
    /// The one currency of its wallets.
    pub currency: Currency,
    /// The limits.
    pub limits: Limits,
    /// Which purse pays first.
    pub purse_order: SmallVec<[Purse; 3]>,
    /// Its clock.
    pub local_time: LocalTime,
    /// Whether wallets may pay each other: unlicensed issuers may not let them.
    pub transfers: bool,
    /// Whether a parent's wallet may fill a child's.
    pub allowances: bool,
    /// How long a hold may last at most; 0: there are none.
    pub most_hold_seconds: u32,
    /// Whether it trades.
    pub standing: Standing,
    /// When it trades.
    pub hours: Hours,
    vendors: Vec<Vendor>,
    items: Vec<Item>,
    tills: Vec<Till>,
    devices: Vec<Device>,
    index: Numbers,
}

#[derive(Clone, Debug, PartialEq, Eq, Default)]
struct Numbers {
    vendors: Index,
    items: Index,
    tills: Index,
    devices: Index,
}

/// The lists of a configuration, as they are written down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lists {
    /// Who sells.
    pub vendors: Vec<Vendor>,
    /// What.
    pub items: Vec<Item>,
    /// Where.
    pub tills: Vec<Till>,
    /// With what.
    pub devices: Vec<Device>,
}

/// What a festival is beside its lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its number in the ledger.
    pub id: FestivalId,
    /// The version of this configuration.
    pub version: Version,
    /// As the organiser calls it.
    pub name: String,
    /// The one currency of its wallets.
    pub currency: Currency,
    /// The limits.
    pub limits: Limits,
    /// Which purse pays first.
    pub purse_order: SmallVec<[Purse; 3]>,
    /// Its clock.
    pub local_time: LocalTime,
    /// Whether wallets may pay each other.
    pub transfers: bool,
    /// Whether a parent's wallet may fill a child's.
    pub allowances: bool,
    /// How long a hold may last at most; 0: there are none.
    pub most_hold_seconds: u32,
    /// Whether it trades.
    pub standing: Standing,
    /// When it trades.
    pub hours: Hours,
}

impl Festival {
    /// A configuration, if everything in it that names something else names something there.
    pub fn new(settings: Settings, lists: Lists) -> Result<Self, FestivalError> {
        let Settings { id, version, name, currency, limits, purse_order, local_time, .. } = settings;
        let Settings { transfers, allowances, most_hold_seconds, standing, hours, .. } = settings;
        check_limits(&limits)?;
        if most_hold_seconds > MOST_HOLD_SECONDS {
            return Err(FestivalError::Limits("most_hold_seconds must be at most 604800, a week"));
        }
        let index = index_of(&lists)?;
        let Lists { vendors, items, tills, devices } = lists;
        Ok(Self {
            id,
            version,
            name,
            currency,
            limits,
            purse_order,
            local_time,
            transfers,
            allowances,
            most_hold_seconds,
            standing,
            hours,
            vendors,
            items,
            tills,
            devices,
            index,
        })
    }

    /// The vendor of this number.
    #[inline]
    pub fn vendor(&self, id: VendorId) -> Option<&Vendor> {
        find(&self.index.vendors, &self.vendors, id.get())
    }

    /// The item of this number.
    #[inline]
    pub fn item(&self, id: ItemId) -> Option<&Item> {
        find(&self.index.items, &self.items, id.get())
    }

    /// The till of this number.
    #[inline]
    pub fn till(&self, id: TillId) -> Option<&Till> {
        find(&self.index.tills, &self.tills, id.get())
    }

    /// The device of this number.
    #[inline]
    pub fn device(&self, number: DeviceNumber) -> Option<&Device> {
        find(&self.index.devices, &self.devices, number.get())
    }

    /// The first of three steps towards a device and its till, each of which asks the processor for what the
    /// next one reads.
    #[inline]
    pub(crate) fn prefetch_index(&self, number: DeviceNumber) {
        self.index.devices.prefetch(hash_of(number.get().into()));
    }

    /// The second step: the device, and where the till that the request names is written down.
    #[inline]
    pub(crate) fn prefetch_device(&self, number: DeviceNumber, till: Option<TillId>) {
        if let Some(place) = self.index.devices.find(hash_of(number.get().into()), |_| true) {
            crate::prefetch::soon(&self.devices[place as usize]);
        }
        if let Some(till) = till {
            self.index.tills.prefetch(hash_of(till.get().into()));
        }
    }

    /// The third step: the till.
    #[inline]
    pub(crate) fn prefetch_till(&self, till: Option<TillId>) {
        let place = till.and_then(|till| self.index.tills.find(hash_of(till.get().into()), |_| true));
        if let Some(place) = place {
            crate::prefetch::soon(&self.tills[place as usize]);
        }
    }

    /// All devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// All items.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// All tills.
    pub fn tills(&self) -> &[Till] {
        &self.tills
    }

    /// All vendors.
    pub fn vendors(&self) -> &[Vendor] {
        &self.vendors
    }
}

fn check_limits(limits: &Limits) -> Result<(), FestivalError> {
    let ordered = 0 < limits.top_up_min
        && limits.top_up_min <= limits.top_up_max
        && limits.top_up_max <= limits.balance_cap
        && limits.balance_cap < BALANCE_LIMIT;
    if !ordered {
        return Err(FestivalError::Limits("0 < top_up_min <= top_up_max <= balance_cap < 2^39 must hold"));
    }
    if !(1..=i64::from(u32::MAX)).contains(&limits.largest_amount) {
        return Err(FestivalError::Limits("largest_amount must be 1 to 2^32 - 1 minor units"));
    }
    Ok(())
}

/// Something with a number, which is looked up by it.
trait Numbered {
    /// What an error calls it.
    const WHAT: &'static str;
    fn number(&self) -> u32;
}

/// Makes a part of the configuration [`Numbered`].
macro_rules! numbered {
    ($($part:ty: $what:literal, $field:ident;)*) => {$(
        impl Numbered for $part {
            const WHAT: &'static str = $what;
            #[inline]
            fn number(&self) -> u32 {
                self.$field.get()
            }
        }
    )*};
}

numbered! {
    Vendor: "vendor", id;
    Item: "item", id;
    Till: "till", id;
    Device: "device", number;
}

#[inline]
fn find<'a, T: Numbered>(index: &Index, all: &'a [T], number: u32) -> Option<&'a T> {
    let place = index.find(hash_of(number.into()), |place| all[place as usize].number() == number);
    place.map(|place| &all[place as usize])
}

fn index_of(lists: &Lists) -> Result<Numbers, FestivalError> {
    let index = Numbers {
        vendors: unique(&lists.vendors)?,
        items: unique(&lists.items)?,
        tills: unique(&lists.tills)?,
        devices: unique(&lists.devices)?,
    };
    let vendor = |id: VendorId| must_be(&index.vendors, &lists.vendors, id.get());
    lists.items.iter().try_for_each(|item| vendor(item.vendor))?;
    lists.tills.iter().filter_map(|till| till.vendor).try_for_each(vendor)?;
    for device in &lists.devices {
        must_be(&index.tills, &lists.tills, device.till.get())?;
        if device.number.get() >= 1 << 23 {
            let what = "device number below 2^23 for";
            return Err(FestivalError::Missing { what, number: device.number.get() });
        }
    }
    Ok(index)
}

fn must_be<T: Numbered>(index: &Index, all: &[T], number: u32) -> Result<(), FestivalError> {
    find(index, all, number).map(drop).ok_or(FestivalError::Missing { what: T::WHAT, number })
}

fn unique<T: Numbered>(all: &[T]) -> Result<Index, FestivalError> {
    let mut index = Index::default();
    for part in all {
        let number = part.number();
        if find(&index, all, number).is_some() {
            return Err(FestivalError::Twice { what: T::WHAT, number });
        }
        index.push(hash_of(number.into()), |place| hash_of(all[place as usize].number().into()));
    }
    Ok(index)
}
