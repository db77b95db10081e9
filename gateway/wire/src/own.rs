//! Owns: what of a configuration concerns one device: its till and vendor, what it sells at which price
//! and when, its roles, the festival's limits and hours. The bytes that a fetch of `own` brings.
//! Must never: grow beyond what fits a till's screen and a terminal's memory without a limit.
//! Laws: L12 (every count is checked against the bytes that are there), L13 (a device learns its own).

use crate::bytes::{i64_at, put, u8_at, u16_at, u32_at};
use crate::id::Roles;
use crate::limits::{CHANGE, INTERVAL, ITEM_HEAD, OWN_HEAD, SCHEDULED};

/// From a moment on, until before another, in microseconds since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// The first moment within.
    pub from: i64,
    /// The first moment after.
    pub until: i64,
}

/// A price from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScheduledPrice {
    /// Microseconds since 1970 UTC.
    pub from: i64,
    /// Minor units, tax included.
    pub price: u32,
}

/// What the device's till sells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnItem {
    /// Its number.
    pub id: u32,
    /// Its price before any scheduled one, minor units, tax included.
    pub price: u32,
    /// Its tax in hundredths of a per cent.
    pub vat: u16,
    /// Not sold until further notice.
    pub stopped: bool,
    /// As the organiser calls it; at most 255 bytes.
    pub name: String,
    /// By rising time.
    pub scheduled: Vec<ScheduledPrice>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Own {
    /// The configuration's version.
    pub version: u32,
    /// The festival.
    pub festival: u16,
    /// ISO 4217 number of its currency.
    pub currency: u16,
    /// Decimals of the currency.
    pub exponent: u8,
    /// 0 open, 1 paused, 2 closed.
    pub standing: u8,
    /// [`Own::VENDOR_STOPPED`] and the others.
    pub marks: u8,
    /// The local hour at which a business date begins.
    pub cut_over_hour: u8,
    /// What the device may do.
    pub roles: Roles,
    /// Where its till stands; 0 is nowhere.
    pub zone: u16,
    /// Its till.
    pub till: u32,
    /// Whose till it is; 0 at a desk.
    pub vendor: u32,
    /// Most money on one wallet, minor units.
    pub balance_cap: i64,
    /// Smallest top-up.
    pub top_up_min: i64,
    /// Largest top-up.
    pub top_up_max: i64,
    /// Largest amount of one purchase.
    pub largest_amount: i64,
    /// How long the same amount at the same till looks repeated.
    pub looks_repeated_seconds: u32,
    /// How long a hold may last; 0: there are none.
    pub most_hold_seconds: u32,
    /// The festival's name.
    pub festival_name: String,
    /// The vendor's; empty at a desk.
    pub vendor_name: String,
    /// The till's.
    pub till_name: String,
    /// When the festival trades; none: always.
    pub hours: Vec<Interval>,
    /// When the vendor does; none: always.
    pub vendor_hours: Vec<Interval>,
    /// Local time: from a moment on so many seconds more than UTC.
    pub offsets: Vec<(i64, i32)>,
    /// What it sells.
    pub items: Vec<OwnItem>,
}

impl Own {
    /// The vendor sells nothing until further notice.
    pub const VENDOR_STOPPED: u8 = 1;
    /// The device was revoked.
    pub const REVOKED: u8 = 1 << 1;
    /// Wallets may pay each other.
    pub const TRANSFERS: u8 = 1 << 2;
    /// A parent's wallet may fill a child's.
    pub const ALLOWANCES: u8 = 1 << 3;

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.head().to_vec();
        for name in [&self.festival_name, &self.vendor_name, &self.till_name] {
            out.extend_from_slice(cut(name, u16::MAX.into()).as_bytes());
        }
        for interval in self.hours.iter().chain(&self.vendor_hours) {
            out.extend_from_slice(&interval.from.to_le_bytes());
            out.extend_from_slice(&interval.until.to_le_bytes());
        }
        for (from, offset) in &self.offsets {
            out.extend_from_slice(&from.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
        }
        for item in &self.items {
            put_item(&mut out, item);
        }
        out
    }

    fn head(&self) -> [u8; OWN_HEAD] {
        const N: usize = OWN_HEAD;
        let mut head = [0; N];
        put::<0, 4, N>(&mut head, self.version.to_le_bytes());
        put::<4, 2, N>(&mut head, self.festival.to_le_bytes());
        put::<6, 2, N>(&mut head, self.currency.to_le_bytes());
        put::<8, 4, N>(&mut head, [self.exponent, self.standing, self.marks, self.cut_over_hour]);
        put::<12, 2, N>(&mut head, self.roles.0.to_le_bytes());
        put::<14, 2, N>(&mut head, self.zone.to_le_bytes());
        put::<16, 4, N>(&mut head, self.till.to_le_bytes());
        put::<20, 4, N>(&mut head, self.vendor.to_le_bytes());
        put::<24, 8, N>(&mut head, self.balance_cap.to_le_bytes());
        put::<32, 8, N>(&mut head, self.top_up_min.to_le_bytes());
        put::<40, 8, N>(&mut head, self.top_up_max.to_le_bytes());
        put::<48, 8, N>(&mut head, self.largest_amount.to_le_bytes());
        put::<56, 4, N>(&mut head, self.looks_repeated_seconds.to_le_bytes());
        put::<60, 4, N>(&mut head, self.most_hold_seconds.to_le_bytes());
        put::<64, 2, N>(&mut head, short(cut(&self.festival_name, u16::MAX.into()).len()));
        put::<66, 2, N>(&mut head, short(cut(&self.vendor_name, u16::MAX.into()).len()));
        put::<68, 2, N>(&mut head, short(cut(&self.till_name, u16::MAX.into()).len()));
        put::<70, 2, N>(&mut head, short(self.hours.len()));
        put::<72, 2, N>(&mut head, short(self.vendor_hours.len()));
        put::<74, 2, N>(&mut head, short(self.offsets.len()));
        put::<76, 4, N>(&mut head, u32::try_from(self.items.len()).unwrap_or(u32::MAX).to_le_bytes());
        head
    }

    /// Reads its bytes; `None` if they end too early or a name is no UTF-8. More bytes behind are skipped.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        const N: usize = OWN_HEAD;
        let (head, mut rest) = bytes.split_first_chunk::<N>()?;
        let names = [u16_at::<64, N>(head), u16_at::<66, N>(head), u16_at::<68, N>(head)];
        let [festival_name, vendor_name, till_name] = names.map(|length| name(&mut rest, length.into()));
        let hours = intervals(&mut rest, u16_at::<70, N>(head))?;
        let vendor_hours = intervals(&mut rest, u16_at::<72, N>(head))?;
        let offsets = many(&mut rest, u16_at::<74, N>(head).into(), |rest| {
            let change = fixed::<CHANGE>(rest)?;
            let offset = i32::from_le_bytes(*change.last_chunk()?);
            Some((i64_at::<0, CHANGE>(change), offset))
        })?;
        let items = many(&mut rest, u32_at::<76, N>(head), item)?;
        Some(Self {
            version: u32_at::<0, N>(head),
            festival: u16_at::<4, N>(head),
            currency: u16_at::<6, N>(head),
            exponent: u8_at::<8, N>(head),
            standing: u8_at::<9, N>(head),
            marks: u8_at::<10, N>(head),
            cut_over_hour: u8_at::<11, N>(head),
            roles: Roles(u16_at::<12, N>(head)),
            zone: u16_at::<14, N>(head),
            till: u32_at::<16, N>(head),
            vendor: u32_at::<20, N>(head),
            balance_cap: i64_at::<24, N>(head),
            top_up_min: i64_at::<32, N>(head),
            top_up_max: i64_at::<40, N>(head),
            largest_amount: i64_at::<48, N>(head),
            looks_repeated_seconds: u32_at::<56, N>(head),
            most_hold_seconds: u32_at::<60, N>(head),
            festival_name: festival_name?,
            vendor_name: vendor_name?,
            till_name: till_name?,
            hours,
            vendor_hours,
            offsets,
            items,
        })
    }
}

fn put_item(out: &mut Vec<u8>, item: &OwnItem) {
    const N: usize = ITEM_HEAD;
    let name = cut(&item.name, u8::MAX.into());
    let mut head = [0; N];
    put::<0, 4, N>(&mut head, item.id.to_le_bytes());
    put::<4, 4, N>(&mut head, item.price.to_le_bytes());
    put::<8, 2, N>(&mut head, item.vat.to_le_bytes());
    put::<10, 1, N>(&mut head, [u8::from(item.stopped)]);
    put::<11, 1, N>(&mut head, [u8::try_from(name.len()).unwrap_or(u8::MAX)]);
    put::<12, 2, N>(&mut head, short(item.scheduled.len()));
    out.extend_from_slice(&head);
    out.extend_from_slice(name.as_bytes());
    for change in &item.scheduled {
        out.extend_from_slice(&change.from.to_le_bytes());
        out.extend_from_slice(&change.price.to_le_bytes());
    }
}

fn item(rest: &mut &[u8]) -> Option<OwnItem> {
    const N: usize = ITEM_HEAD;
    let head = fixed::<N>(rest)?;
    let length = u8_at::<11, N>(head);
    let name = name(rest, length.into())?;
    let scheduled = many(rest, u16_at::<12, N>(head).into(), |rest| {
        let change = fixed::<SCHEDULED>(rest)?;
        Some(ScheduledPrice { from: i64_at::<0, SCHEDULED>(change), price: u32_at::<8, SCHEDULED>(change) })
    })?;
    Some(OwnItem {
        id: u32_at::<0, N>(head),
        price: u32_at::<4, N>(head),
        vat: u16_at::<8, N>(head),
        stopped: u8_at::<10, N>(head) & 1 != 0,
        name,
        scheduled,
    })
}

fn intervals(rest: &mut &[u8], count: u16) -> Option<Vec<Interval>> {
    many(rest, count.into(), |rest| {
        let interval = fixed::<INTERVAL>(rest)?;
        Some(Interval { from: i64_at::<0, INTERVAL>(interval), until: i64_at::<8, INTERVAL>(interval) })
    })
}

/// Reads `count` entries one after the other; nothing is allocated for entries that are not there.
fn many<T>(rest: &mut &[u8], count: u32, mut take: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    for _ in 0..count {
        all.push(take(rest)?);
    }
    Some(all)
}

fn fixed<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(head)
}

fn name(rest: &mut &[u8], length: usize) -> Option<String> {
    let (name, after) = rest.split_at_checked(length)?;
    *rest = after;
    std::str::from_utf8(name).ok().map(str::to_owned)
}

/// A count in two bytes; the server's own limits keep every list far below.
fn short(count: usize) -> [u8; 2] {
    u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes()
}

/// The longest beginning of `text` that has at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}
