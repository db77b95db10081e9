//! Owns: the names of things on the wire: request id, tag UID, position, roles.
//! Must never: accept a name that the format can't carry.
//! Laws: L4 (an id is a device's number and its counter, never reused), L13 (roles).

use crate::limits::{MAX_COUNTER, MAX_DEVICE, MAX_UID};

/// A request's identity: device number (24 bit) and the device's durable counter (40 bit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RequestId(u64);

impl RequestId {
    /// No request.
    pub const NONE: Self = Self(0);

    /// The id of a terminal's `counter`-th request; `None` when the device is not 1 to 8,388,607 or the counter is
    /// not 1 to 2^40 - 1.
    pub fn new(device: u32, counter: u64) -> Option<Self> {
        let fits = (1..=MAX_DEVICE).contains(&device) && (1..=MAX_COUNTER).contains(&counter);
        fits.then_some(Self((device as u64) << 40 | counter))
    }

    /// The id with these eight bytes, whatever they say.
    #[inline]
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The eight bytes.
    #[inline]
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The device's number, 24 bits.
    #[inline]
    pub fn device(self) -> u32 {
        let [.., a, b, c] = self.0.to_le_bytes();
        u32::from_le_bytes([a, b, c, 0])
    }

    /// The device's counter, 40 bits.
    #[inline]
    pub fn counter(self) -> u64 {
        self.0 & MAX_COUNTER
    }

    /// Whether it names no request.
    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// Device and counter, as a person reads them: `17-4711`.
impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.device(), self.counter())
    }
}

/// A tag's UID as the reader gives it: 4, 7 or 10 bytes. A name, not a secret, yet personal: not for logs.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Uid {
    bytes: [u8; MAX_UID],
    length: u8,
}

impl Uid {
    /// The UID with these bytes; `None` unless there are 4, 7 or 10.
    pub fn new(uid: &[u8]) -> Option<Self> {
        let length = u8::try_from(uid.len()).ok().filter(|length| Self::length_is_sane(*length))?;
        let mut bytes = [0; MAX_UID];
        bytes.get_mut(..uid.len())?.copy_from_slice(uid);
        Some(Self { bytes, length })
    }

    /// Whether tags have UIDs of this many bytes.
    #[inline]
    pub fn length_is_sane(length: u8) -> bool {
        matches!(length, 4 | 7 | 10)
    }

    /// The bytes of the UID.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// How many bytes it has.
    #[inline]
    pub fn length(&self) -> u8 {
        self.length
    }

    /// The ten bytes on the wire: the UID, then zeros.
    #[inline]
    pub fn padded(&self) -> [u8; MAX_UID] {
        self.bytes
    }
}

/// Shows the length only: UIDs do not belong into logs.
impl std::fmt::Debug for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Uid({} bytes)", self.length)
    }
}

/// What a request names a wallet by: a tag, or the ticket from which the wallet was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name {
    uid: Uid,
    ticket: bool,
}

impl Name {
    /// Number on the wire of a name that is a tag's UID.
    pub const TAG: u8 = 0;
    /// Number on the wire of a name that is a ticket's reference.
    pub const TICKET: u8 = 1;

    /// The ticket with this reference: the first ten bytes of the SHA-256 of its code.
    pub fn ticket(reference: [u8; MAX_UID]) -> Self {
        Self { uid: Uid { bytes: reference, length: 10 }, ticket: true }
    }

    /// Whether a name of this kind can have so many bytes.
    #[inline]
    pub fn length_is_sane(kind: u8, length: u8) -> bool {
        if kind == Self::TICKET { length == 10 } else { Uid::length_is_sane(length) }
    }

    /// The UID, or the ticket's reference.
    #[inline]
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// Its kind's number on the wire.
    #[inline]
    pub fn kind(&self) -> u8 {
        if self.ticket { Self::TICKET } else { Self::TAG }
    }
}

impl From<Uid> for Name {
    fn from(uid: Uid) -> Self {
        Self { uid, ticket: false }
    }
}

/// A [`Name`] as it lies in a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NameView<'a> {
    /// The UID, or the ticket's reference.
    pub bytes: &'a [u8],
    /// Whether it is a ticket's.
    pub ticket: bool,
}

impl NameView<'_> {
    /// As a value of its own.
    pub fn to_owned(self) -> Option<Name> {
        if self.ticket {
            self.bytes.try_into().ok().map(Name::ticket)
        } else {
            Uid::new(self.bytes).map(Name::from)
        }
    }
}

/// Shows the kind only: UIDs do not belong into logs.
impl std::fmt::Debug for NameView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NameView({} bytes, ticket: {})", self.bytes.len(), self.ticket)
    }
}

/// Where a record lies: shard (16 bit) and the record's number in it (48 bit).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(u64);

impl Position {
    /// No record: refusals and `unknown` have none.
    pub const NONE: Self = Self(0);

    /// The place of record `number` of `shard`; `None` when the number has more than 48 bits.
    pub fn new(shard: u16, number: u64) -> Option<Self> {
        (number < 1 << 48).then_some(Self((shard as u64) << 48 | number))
    }

    /// The position with these eight bytes.
    #[inline]
    pub fn from_raw(raw: u64) -> Self {
        Self(raw)
    }

    /// The eight bytes.
    #[inline]
    pub fn raw(self) -> u64 {
        self.0
    }

    /// The shard.
    #[inline]
    pub fn shard(self) -> u16 {
        let [.., low, high] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// The record's number in its shard.
    #[inline]
    pub fn number(self) -> u64 {
        self.0 & ((1 << 48) - 1)
    }
}

/// What a device may do: a set of roles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Roles(pub u16);

impl Roles {
    /// Purchases.
    pub const SELL: Self = Self(1);
    /// Cash and bonus top-ups.
    pub const TOP_UP: Self = Self(1 << 1);
    /// Voids and pay-outs.
    pub const REFUND: Self = Self(1 << 2);
    /// Opening wallets and pairing tags.
    pub const PAIR: Self = Self(1 << 3);
    /// Scans at a gate.
    pub const GATE: Self = Self(1 << 4);
    /// Overrides by a supervisor.
    pub const SUPERVISE: Self = Self(1 << 5);
    /// Configuration.
    pub const ADMINISTER: Self = Self(1 << 6);
    /// Training sales that move no money.
    pub const TRAIN: Self = Self(1 << 7);

    /// Each role with its name in configuration files, in the order of their bits.
    pub const NAMES: [(Self, &'static str); 8] = [
        (Self::SELL, "sell"),
        (Self::TOP_UP, "top_up"),
        (Self::REFUND, "refund"),
        (Self::PAIR, "pair"),
        (Self::GATE, "gate"),
        (Self::SUPERVISE, "supervise"),
        (Self::ADMINISTER, "administer"),
        (Self::TRAIN, "train"),
    ];

    /// Whether all of `other` are in this set.
    #[inline]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets together.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_device_and_counter() {
        let id = RequestId::new(MAX_DEVICE, MAX_COUNTER).unwrap();
        assert_eq!((id.device(), id.counter(), id.raw()), (MAX_DEVICE, MAX_COUNTER, i64::MAX.unsigned_abs()));
        assert_eq!(RequestId::new(17, 4711).unwrap().to_string(), "17-4711");
        for (device, counter) in [(0, 1), (1, 0), (MAX_DEVICE + 1, 1), (1, MAX_COUNTER + 1)] {
            assert_eq!(RequestId::new(device, counter), None, "{device} {counter}");
        }
    }

    #[test]
    fn a_position_keeps_shard_and_number() {
        let position = Position::new(u16::MAX, (1 << 48) - 1).unwrap();
        assert_eq!(
            (position.shard(), position.number(), position.raw()),
            (u16::MAX, (1 << 48) - 1, u64::MAX)
        );
        assert_eq!(Position::new(0, 1 << 48), None);
    }

    #[test]
    fn only_lengths_that_tags_have_are_uids() {
        for length in 0..20 {
            let bytes = vec![7; length];
            assert_eq!(
                Uid::new(&bytes).map(|uid| uid.as_bytes().to_vec()).is_some(),
                [4, 7, 10].contains(&length)
            );
        }
        assert_eq!(Uid::new(&[1, 2, 3, 4]).unwrap().padded(), [1, 2, 3, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(format!("{:?}", Uid::new(&[1, 2, 3, 4]).unwrap()), "Uid(4 bytes)");
    }

    #[test]
    fn roles_are_one_bit_each() {
        let all = Roles::NAMES.iter().fold(Roles::default(), |set, (role, _)| set.and(*role));
        assert_eq!(all, Roles(0xFF));
        assert!(all.has(Roles::GATE.and(Roles::SELL)));
        assert!(!Roles::SELL.has(Roles::SELL.and(Roles::GATE)));
    }
}
