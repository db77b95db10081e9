//! The canonical bytes of a configuration, as they are staged in every shard's log in parts of at
//! most 64 KiB and adopted under the hash of all of them.

use ledger::ids::{At, DeviceNumber, FestivalId, ItemId, TillId, VendorId, Version, ZoneId};
use ledger::money::{Currency, VatRate};
use ledger::record::leb::{self, ReadError, Reader};
use smallvec::SmallVec;
use thiserror::Error;

use super::{
    Device, Festival, Hours, Interval, Item, Limits, Lists, LocalTime, Prices, Purse, Roles, Scheduled,
    Settings, Standing, Till, Vendor,
};

/// Largest part a configuration is staged in.
pub const MAX_PART: usize = 64 * 1024;
/// Most bytes a name may have.
pub const MAX_NAME: usize = 200;
/// Most entries a list may have: 2^20 of each is far above any festival.
const MAX_ENTRIES: usize = 1 << 20;

/// Why a configuration is not one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FestivalError {
    /// The bytes are malformed.
    #[error("configuration {0}")]
    Bytes(#[from] ReadError),
    /// Two entries of a list have one number.
    #[error("{what} {number} is listed twice")]
    Twice {
        /// Which list.
        what: &'static str,
        /// Which number.
        number: u32,
    },
    /// Something names what is not there.
    #[error("there is no {what} {number}")]
    Missing {
        /// What is named.
        what: &'static str,
        /// By which number.
        number: u32,
    },
    /// The limits contradict each other.
    #[error("{0}")]
    Limits(&'static str),
    /// Opening hours overlap or end before they begin.
    #[error("opening hours must each end after they begin and before the next ones begin")]
    Hours,
    /// What can never change in a ledger does.
    #[error("the festival's {0} can never change")]
    Changed(&'static str),
    /// What the journal names by number is no longer there.
    #[error("{what} {number} is gone: the journal names it, so it must stay listed")]
    Gone {
        /// Which list.
        what: &'static str,
        /// Which number.
        number: u32,
    },
    /// Price changes are not in order.
    #[error("scheduled prices must come by rising time, each at a moment of its own")]
    Schedule,
}

impl Festival {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        leb::put(&mut out, self.id.0.into());
        leb::put(&mut out, self.version.get().into());
        put_text(&mut out, &self.name);
        leb::put(&mut out, self.currency.numeric().into());
        let limits = &self.limits;
        for minor in [limits.balance_cap, limits.top_up_min, limits.top_up_max, limits.largest_amount] {
            leb::put_signed(&mut out, minor);
        }
        leb::put(&mut out, limits.looks_repeated_seconds.into());
        out.push(self.transfers.into());
        out.push(self.allowances.into());
        leb::put(&mut out, self.most_hold_seconds.into());
        out.push(self.standing as u8);
        put_hours(&mut out, &self.hours);
        leb::put(&mut out, self.purse_order.len() as u64);
        out.extend(self.purse_order.iter().map(|purse| *purse as u8));
        out.push(self.local_time.cut_over_hour);
        put_list(&mut out, &self.local_time.transitions, |out, (from, offset)| {
            leb::put_signed(out, from.0);
            leb::put_signed(out, i64::from(*offset));
        });
        self.put_lists(&mut out);
        out
    }

    fn put_lists(&self, out: &mut Vec<u8>) {
        put_list(out, &self.vendors, |out, vendor| {
            leb::put(out, vendor.id.get().into());
            put_text(out, &vendor.name);
            out.push(vendor.stopped.into());
            put_hours(out, &vendor.hours);
        });
        put_list(out, &self.items, |out, item| {
            leb::put(out, item.id.get().into());
            leb::put(out, item.vendor.get().into());
            leb::put(out, item.prices.first().into());
            put_list(out, item.prices.scheduled(), |out, change| {
                leb::put_signed(out, change.from.0);
                leb::put(out, change.price.into());
            });
            leb::put(out, item.vat.hundredths().into());
            put_text(out, &item.name);
            out.push(item.stopped.into());
        });
        put_list(out, &self.tills, |out, till| {
            leb::put(out, till.id.get().into());
            leb::put(out, till.vendor.map_or(0, |vendor| vendor.get().into()));
            leb::put(out, till.zone.map_or(0, |zone| zone.get().into()));
            put_text(out, &till.name);
        });
        put_list(out, &self.devices, |out, device| {
            leb::put(out, device.number.get().into());
            leb::put(out, device.till.get().into());
            leb::put(out, device.roles.0.into());
            out.push(device.revoked.into());
        });
    }

    /// Reads the canonical bytes and checks everything [`Festival::new`] checks.
    pub fn decode(bytes: &[u8]) -> Result<Self, FestivalError> {
        let mut reader = Reader::new(bytes);
        let settings = take_settings(&mut reader)?;
        let lists = take_lists(&mut reader)?;
        reader.finish()?;
        Self::new(settings, lists)
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    leb::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn put_list<T>(out: &mut Vec<u8>, list: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    leb::put(out, list.len() as u64);
    for entry in list {
        put(out, entry);
    }
}

fn put_hours(out: &mut Vec<u8>, hours: &Hours) {
    put_list(out, hours.intervals(), |out, interval| {
        leb::put_signed(out, interval.from.0);
        leb::put_signed(out, interval.until.0);
    });
}

fn take_settings(reader: &mut Reader<'_>) -> Result<Settings, FestivalError> {
    Ok(Settings {
        id: FestivalId(reader.leb_as()?),
        version: number(reader, Version::new)?,
        name: take_text(reader)?,
        currency: {
            let code = reader.leb_as()?;
            Currency::from_numeric(code).ok_or(reader.error("an unknown currency"))?
        },
        limits: Limits {
            balance_cap: reader.leb_signed()?,
            top_up_min: reader.leb_signed()?,
            top_up_max: reader.leb_signed()?,
            largest_amount: reader.leb_signed()?,
            looks_repeated_seconds: reader.leb_as()?,
        },
        transfers: take_flag(reader)?,
        allowances: take_flag(reader)?,
        most_hold_seconds: reader.leb_as()?,
        standing: Standing::from_number(reader.byte()?).ok_or(reader.error("an unknown standing"))?,
        hours: take_hours(reader)?,
        purse_order: take_purses(reader)?,
        local_time: LocalTime {
            cut_over_hour: reader.byte()?,
            transitions: take_list(reader, |reader| {
                let from = At(reader.leb_signed()?);
                let offset = i32::try_from(reader.leb_signed()?);
                Ok((from, offset.map_err(|_| reader.error("a time-zone offset out of range"))?))
            })?,
        },
    })
}

fn take_purses(reader: &mut Reader<'_>) -> Result<SmallVec<[Purse; 3]>, ReadError> {
    let count = reader.leb_as::<usize>()?;
    if count > 3 {
        return Err(reader.error("more purses than there are"));
    }
    let mut purses = SmallVec::new();
    for byte in reader.take(count)? {
        let purse = match byte {
            1 => Purse::Paid,
            2 => Purse::Bonus,
            3 => Purse::Deposit,
            _ => return Err(reader.error("an unknown purse")),
        };
        if purses.contains(&purse) {
            return Err(reader.error("a purse named twice"));
        }
        purses.push(purse);
    }
    Ok(purses)
}

fn take_lists(reader: &mut Reader<'_>) -> Result<Lists, FestivalError> {
    Ok(Lists {
        vendors: take_list(reader, |reader| {
            Ok(Vendor {
                id: number(reader, VendorId::new)?,
                name: take_text(reader)?,
                stopped: take_flag(reader)?,
                hours: take_hours(reader)?,
            })
        })?,
        items: take_list(reader, take_item)?,
        tills: take_list(reader, |reader| {
            Ok(Till {
                id: number(reader, TillId::new)?,
                vendor: VendorId::new(reader.leb_as()?),
                zone: ZoneId::new(reader.leb_as()?),
                name: take_text(reader)?,
            })
        })?,
        devices: take_list(reader, |reader| {
            Ok(Device {
                number: number(reader, DeviceNumber::new)?,
                till: number(reader, TillId::new)?,
                roles: Roles(reader.leb_as()?),
                revoked: take_flag(reader)?,
            })
        })?,
    })
}

fn take_item(reader: &mut Reader<'_>) -> Result<Item, FestivalError> {
    Ok(Item {
        id: number(reader, ItemId::new)?,
        vendor: number(reader, VendorId::new)?,
        prices: {
            let first = reader.leb_as()?;
            let scheduled = take_list(reader, |reader| {
                Ok(Scheduled { from: At(reader.leb_signed()?), price: reader.leb_as()? })
            })?;
            Prices::new(first, scheduled)?
        },
        vat: {
            let hundredths = reader.leb_as()?;
            VatRate::new(hundredths).ok_or(reader.error("a rate above 100 %"))?
        },
        name: take_text(reader)?,
        stopped: take_flag(reader)?,
    })
}

fn take_hours(reader: &mut Reader<'_>) -> Result<Hours, FestivalError> {
    let interval = |reader: &mut Reader<'_>| {
        Ok(Interval { from: At(reader.leb_signed()?), until: At(reader.leb_signed()?) })
    };
    Hours::new(take_list(reader, interval)?)
}

fn take_flag(reader: &mut Reader<'_>) -> Result<bool, ReadError> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.error("a flag that is neither 0 nor 1")),
    }
}

fn number<T>(reader: &mut Reader<'_>, make: impl Fn(u32) -> Option<T>) -> Result<T, ReadError> {
    let number = reader.leb_as()?;
    make(number).ok_or(reader.error("a number that is zero"))
}

fn take_text(reader: &mut Reader<'_>) -> Result<String, ReadError> {
    let length = reader.leb_as::<usize>()?;
    if length > MAX_NAME {
        return Err(reader.error("a name longer than 200 bytes"));
    }
    let error = reader.error("a name that is not UTF-8");
    std::str::from_utf8(reader.take(length)?).map(str::to_owned).map_err(|_| error)
}

fn take_list<T>(
    reader: &mut Reader<'_>,
    mut take: impl FnMut(&mut Reader<'_>) -> Result<T, FestivalError>,
) -> Result<Vec<T>, FestivalError> {
    let count = reader.leb_as::<usize>()?;
    // Each entry takes a byte at least: a count beyond that is a lie and allocates nothing.
    if count > MAX_ENTRIES || count > reader.left() {
        return Err(reader.error("a list longer than its bytes").into());
    }
    (0..count).map(|_| take(reader)).collect()
}
