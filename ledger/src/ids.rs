//! Names of things: one newtype per identifier, so that a till can never be passed for a vendor.
//!
//! All are non-zero where zero means "absent" on the wire, which makes `Option` of them free.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};

macro_rules! id32 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl $name {
            /// `None` for zero, which everywhere means "absent".
            pub const fn new(number: u32) -> Option<Self> {
                match NonZeroU32::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
            /// The first one.
            pub const MIN: Self = Self(NonZeroU32::MIN);
            /// The number as it stands in records and on the wire.
            pub const fn get(self) -> u32 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

macro_rules! id64 {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU64);

        impl $name {
            /// `None` for zero, which everywhere means "absent".
            pub const fn new(number: u64) -> Option<Self> {
                match NonZeroU64::new(number) {
                    Some(number) => Some(Self(number)),
                    None => None,
                }
            }
            /// The number as it stands in records and on the wire.
            pub const fn get(self) -> u64 {
                self.0.get()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }
    };
}

id32!(
    /// A certificate's number (24 bit), given at enrolment and new with each one.
    DeviceNumber
);
id32!(
    /// The place a terminal sells for.
    TillId
);
id32!(
    /// Who is owed the money of a sale.
    VendorId
);
id32!(
    /// A catalogue item.
    ItemId
);
id32!(
    /// The staff tag under which an operator acts.
    OperatorId
);
id32!(
    /// A zone of the festival ground.
    ZoneId
);
id32!(
    /// A version of the configuration, of the catalogue or of a policy. Starts at 1.
    Version
);
id64!(
    /// A wallet: the number of its first tag.
    WalletNumber
);
id64!(
    /// First 8 bytes of the keyed hash of a tag's UID.
    TagNumber
);
id64!(
    /// A terminal's request id: device number in the top 24 bits, its durable counter in the rest.
    RequestId
);

/// What is no wallet and yet decides under a number of its own, remembers request ids and lives in a
/// shard like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Office {
    /// The home of a vendor's account.
    Vendor(VendorId),
    /// The festival: where its configuration is changed.
    Festival(FestivalId),
}

impl Office {
    /// Numbers below this are offices'; no tag and no ticket has one.
    pub const NUMBERS: u64 = 1 << 33;

    /// Its number, in the place of a wallet's.
    pub const fn number(self) -> WalletNumber {
        let number = match self {
            Self::Vendor(vendor) => vendor.get() as u64,
            Self::Festival(festival) => 1 << 32 | festival.0 as u64,
        };
        match NonZeroU64::new(number) {
            Some(number) => WalletNumber(number),
            // A vendor's number is not zero, a festival's has bit 32.
            None => WalletNumber(NonZeroU64::MIN),
        }
    }

    /// The office of this number, if it is one's.
    pub const fn of(number: WalletNumber) -> Option<Self> {
        let number = number.get();
        // The masks leave what fits.
        #[expect(clippy::cast_possible_truncation)]
        match number >> 32 {
            0 => match VendorId::new(number as u32) {
                Some(vendor) => Some(Self::Vendor(vendor)),
                None => None,
            },
            1 if number & 0xffff_0000 == 0 => Some(Self::Festival(FestivalId(number as u16))),
            _ => None,
        }
    }
}

impl TagNumber {
    /// The lowest number.
    pub const MIN: Self = Self(NonZeroU64::MIN);
    /// The highest number.
    pub const MAX: Self = Self(NonZeroU64::MAX);

    /// The wallet that a tag opened at a desk names: they share the number.
    pub const fn as_wallet(self) -> WalletNumber {
        WalletNumber(self.0)
    }
}

impl WalletNumber {
    /// The wallet's first tag: they share the number.
    pub const fn as_tag(self) -> TagNumber {
        TagNumber(self.0)
    }

    /// The shard that hosts this wallet in a ledger of `shards` shards.
    pub const fn shard(self, shards: u16) -> ShardId {
        // The remainder is below `shards`, so it fits.
        #[expect(clippy::cast_possible_truncation)]
        ShardId((self.get() % shards as u64) as u16)
    }
}

impl RequestId {
    /// Bits of the counter; the device number lies above them.
    pub const COUNTER_BITS: u32 = 40;
    /// Largest counter a device can reach.
    pub const MAX_COUNTER: u64 = (1 << Self::COUNTER_BITS) - 1;

    /// The id of `device`'s request number `counter`, or `None` when either is out of range.
    pub const fn of(device: DeviceNumber, counter: u64) -> Option<Self> {
        if counter > Self::MAX_COUNTER || device.get() >= 1 << 24 {
            return None;
        }
        Self::new((device.get() as u64) << Self::COUNTER_BITS | counter)
    }

    /// The device that made the request; `None` for a malformed id whose device part is zero.
    pub const fn device(self) -> Option<DeviceNumber> {
        // 64 - 40 = 24 bits remain, so it fits.
        DeviceNumber::new((self.get() >> Self::COUNTER_BITS) as u32)
    }

    /// The device's own durable counter.
    pub const fn counter(self) -> u64 {
        self.get() & Self::MAX_COUNTER
    }
}

/// A logical part of a ledger, numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A festival within a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FestivalId(pub u16);

/// Position of a record in its shard: 0, 1, 2 ... without a gap; 40 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RecordNumber(pub u64);

impl RecordNumber {
    /// Largest number that fits the five bytes a remembered id has for it.
    pub const MAX: u64 = (1 << 40) - 1;

    /// The number after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for RecordNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One start of the process that owns a shard. Each start takes the last one + 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u32);

/// A ledger's own name, random at `init`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LedgerId(pub [u8; 16]);

impl fmt::Display for LedgerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Ledger time: microseconds since 1970-01-01 UTC. Never falls within a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct At(pub i64);

impl At {
    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_its_device_and_its_counter() {
        let device = DeviceNumber::new(0x00_ab_cd).unwrap();
        let id = RequestId::of(device, 7).unwrap();
        assert_eq!((id.device(), id.counter()), (Some(device), 7));
        assert_eq!(RequestId::of(device, RequestId::MAX_COUNTER + 1), None);
        assert_eq!(RequestId::of(DeviceNumber::new(1 << 24).unwrap(), 1), None);
    }

    #[test]
    fn an_office_is_its_number() {
        let vendor = Office::Vendor(VendorId::new(u32::MAX).unwrap());
        let festival = Office::Festival(FestivalId(u16::MAX));
        for office in [vendor, festival, Office::Festival(FestivalId(0))] {
            assert_eq!(Office::of(office.number()), Some(office));
            assert!(office.number().get() < Office::NUMBERS);
        }
        for number in [Office::NUMBERS, u64::MAX, 1 << 32 | 1 << 16] {
            assert_eq!(Office::of(WalletNumber::new(number).unwrap()), None);
        }
    }

    #[test]
    fn an_absent_id_costs_no_space() {
        assert_eq!(size_of::<Option<RequestId>>(), 8);
        assert_eq!(size_of::<Option<TillId>>(), 4);
    }

    #[test]
    fn time_before_1970_rounds_down() {
        assert_eq!(At(-1).seconds(), -1);
        assert_eq!(At(1_999_999).seconds(), 1);
    }
}
