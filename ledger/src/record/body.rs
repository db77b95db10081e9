//! What a record is about: one variant per kind of fact.

use smallvec::SmallVec;

use super::message::Message;
use crate::ids::{
    Epoch, FestivalId, ItemId, LedgerId, RecordNumber, RequestId, ShardId, TagNumber, VendorId, Version,
    WalletNumber,
};
use crate::money::VatRate;

/// The number of a body's kind, as it stands in the encoded record. Never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Block 0 of every shard.
    LedgerOpened = 1,
    /// First record of each start.
    EpochOpened = 2,
    /// A part of a configuration that is not in force yet.
    ConfigurationStaged = 3,
    /// The staged parts are in force from here on.
    ConfigurationAdopted = 4,
    /// A wallet came into being.
    WalletOpened = 16,
    /// Money came in.
    ToppedUp = 17,
    /// A purchase.
    Purchased = 18,
    /// A purchase taken back.
    Voided = 19,
    /// A request taken back by the device that made it.
    Cancelled = 20,
    /// An id closed before it took effect.
    Burned = 21,
    /// Money left a wallet for another.
    TransferSent = 22,
    /// A tag was given to a wallet.
    TagPaired = 23,
    /// A tag was blocked, or unblocked.
    TagSet = 24,
    /// Money of a wallet is held for a sale to come.
    Held = 25,
    /// A sale out of what is held.
    Captured = 26,
    /// What is held is given back.
    HoldReleased = 27,
    /// A wallet gives another one an allowance, or ends it.
    AllowanceSet = 28,
    /// A payout to a vendor was decided.
    PaidOut = 29,
    /// An actor is kept from acting after repeated panics.
    Quarantined = 32,
    /// A quarantine is lifted.
    Released = 33,
    /// A message was taken and decided.
    Delivered = 34,
    /// A message was taken that nobody could decide.
    DeadLettered = 35,
    /// Messages of a channel are known to be taken.
    Acknowledged = 36,
    /// A vendor's sales left a shard for the vendor's home.
    Swept = 37,
    /// Messages that no request caused.
    Told = 38,
    /// Time was up for what is held.
    HoldExpired = 39,
    /// What is left of an allowance went back.
    AllowanceReturned = 40,
}

impl Kind {
    /// Every kind of this level.
    pub const ALL: [Self; 27] = [
        Self::LedgerOpened,
        Self::EpochOpened,
        Self::ConfigurationStaged,
        Self::ConfigurationAdopted,
        Self::WalletOpened,
        Self::ToppedUp,
        Self::Purchased,
        Self::Voided,
        Self::Cancelled,
        Self::Burned,
        Self::TransferSent,
        Self::TagPaired,
        Self::TagSet,
        Self::Held,
        Self::Captured,
        Self::HoldReleased,
        Self::AllowanceSet,
        Self::PaidOut,
        Self::Quarantined,
        Self::Released,
        Self::Delivered,
        Self::DeadLettered,
        Self::Acknowledged,
        Self::Swept,
        Self::Told,
        Self::HoldExpired,
        Self::AllowanceReturned,
    ];

    /// The kind of this number; `None` for one this level does not know.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    /// Name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LedgerOpened => "ledger opened",
            Self::EpochOpened => "epoch opened",
            Self::ConfigurationStaged => "configuration staged",
            Self::ConfigurationAdopted => "configuration adopted",
            Self::WalletOpened => "wallet opened",
            Self::ToppedUp => "topped up",
            Self::Purchased => "purchased",
            Self::Voided => "voided",
            Self::Cancelled => "cancelled",
            Self::Burned => "burned",
            Self::TransferSent => "transfer sent",
            Self::TagPaired => "tag paired",
            Self::TagSet => "tag set",
            Self::Held => "held",
            Self::Captured => "captured",
            Self::HoldReleased => "hold released",
            Self::AllowanceSet => "allowance set",
            Self::PaidOut => "paid out",
            Self::Quarantined => "quarantined",
            Self::Released => "released",
            Self::Delivered => "delivered",
            Self::DeadLettered => "dead-lettered",
            Self::Acknowledged => "acknowledged",
            Self::Swept => "swept",
            Self::Told => "told",
            Self::HoldExpired => "hold expired",
            Self::AllowanceReturned => "allowance returned",
        }
    }
}

/// What block 0 of every shard says about the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The ledger's name.
    pub ledger: LedgerId,
    /// How many shards it has, for ever.
    pub shards: u16,
    /// Format level.
    pub level: u16,
    /// Names the key that tags and contents are hashed under, without giving it away.
    pub key_id: [u8; 16],
}

/// How money came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Tender {
    /// Cash into the till's drawer.
    Cash = 1,
    /// Bonus money, paid by its funder; never refunded.
    Bonus = 2,
}

impl Tender {
    /// The tender of this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Cash),
            2 => Some(Self::Bonus),
            _ => None,
        }
    }
}

/// One line of a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// The catalogue item.
    pub item: ItemId,
    /// How many.
    pub quantity: u16,
    /// Price of one, tax included, in minor units.
    pub unit_price: u32,
    /// The rate its tax is computed at.
    pub vat: VatRate,
}

impl Line {
    /// Quantity times unit price; 16 by 32 bits always fit.
    pub const fn gross(&self) -> i64 {
        self.quantity as i64 * self.unit_price as i64
    }
}

/// The lines of a purchase; at most [`Line::MAX`].
pub type Lines = SmallVec<[Line; 5]>;

impl Line {
    /// Most lines one purchase may have.
    pub const MAX: usize = 64;
}

/// Base and tax of a purchase at one VAT rate, computed once at the sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tax {
    /// The rate.
    pub rate: VatRate,
    /// Minor units before tax.
    pub base: i64,
    /// Minor units of tax.
    pub tax: i64,
}

/// Base and tax per rate, by rising rate.
pub type Taxes = SmallVec<[Tax; 2]>;

/// What a record is about. What a declined request asked for stands here too, so that the
/// decision can be made again from the record alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Block 0 of every shard.
    LedgerOpened(Genesis),
    /// A process took the shard over.
    EpochOpened {
        /// Its epoch.
        epoch: Epoch,
    },
    /// One part of a configuration version; invisible until adopted.
    ConfigurationStaged {
        /// The version being staged.
        version: Version,
        /// Which part, from 0.
        part: u16,
        /// At most 64 KiB of the encoded set.
        bytes: Vec<u8>,
    },
    /// The staged version is in force from the next record on.
    ConfigurationAdopted {
        /// The version.
        version: Version,
        /// How many parts it has.
        parts: u16,
        /// BLAKE3 over all parts in order.
        hash: [u8; 32],
    },
    /// A wallet, opened by its first tag.
    WalletOpened {
        /// The other 8 bytes of the tag's hash.
        check: u64,
        /// The festival it belongs to.
        festival: FestivalId,
    },
    /// Money came in (or was to).
    ToppedUp {
        /// How.
        tender: Tender,
        /// Minor units.
        amount: i64,
    },
    /// A purchase (or a declined one: then without taxes).
    Purchased {
        /// What was bought.
        lines: Lines,
        /// Base and tax per rate.
        taxes: Taxes,
        /// The barman confirmed that it is no repeat.
        confirmed: bool,
    },
    /// A whole purchase taken back under its own id.
    Voided {
        /// The id of the sale.
        sale: RequestId,
        /// Where the sale's record is; `None` in a decline that found none.
        position: Option<RecordNumber>,
    },
    /// The request of the envelope taken back (or, declined, left standing).
    Cancelled {
        /// Where its record is.
        position: RecordNumber,
    },
    /// The request id of the envelope is closed; it had never been seen.
    Burned {
        /// The other 8 bytes of the tag's hash: the actor may come into being with this.
        check: u64,
    },
    /// The wallet of the envelope is kept from acting.
    Quarantined,
    /// The wallet of the envelope may act again.
    Released,
    /// The wallet of the envelope pays (or was to pay) another one.
    TransferSent {
        /// Who is to have it.
        payee: WalletNumber,
        /// Minor units.
        amount: i64,
    },
    /// The tag of the envelope (which stands in the place of a wallet) belongs to a wallet from here on.
    TagPaired {
        /// The other 8 bytes of the tag's hash.
        check: u64,
        /// The wallet.
        wallet: WalletNumber,
        /// The tag that it takes the place of, which pays no more.
        replaces: Option<TagNumber>,
    },
    /// A tag of the wallet of the envelope may pay no more, or again.
    TagSet {
        /// The tag.
        tag: TagNumber,
        /// Whether it is blocked from here on.
        blocked: bool,
    },
    /// Money of the wallet of the envelope is held for a sale to come.
    Held {
        /// Minor units.
        amount: i64,
        /// After how many seconds it is given back by itself.
        seconds: u32,
    },
    /// A sale out of what is held; what it leaves is given back at once.
    Captured {
        /// The id of the request that had it held.
        hold: RequestId,
        /// What was bought.
        lines: Lines,
        /// Base and tax per rate.
        taxes: Taxes,
        /// What of the sale was held of each purse: paid in, bonus, deposit.
        from: [i64; 3],
    },
    /// What is held goes back to its purses.
    HoldReleased {
        /// The id of the request that had it held.
        hold: RequestId,
    },
    /// The wallet of the envelope keeps another one in money, or no longer does.
    AllowanceSet {
        /// The other wallet.
        child: WalletNumber,
        /// What it is filled up to, minor units; 0 ends the allowance.
        target: i64,
        /// Below this it is filled up.
        mark: i64,
    },
    /// A payout to the vendor whose office the envelope names was decided on the vendor's home.
    PaidOut {
        /// Minor units.
        amount: i64,
    },
    /// The message that the envelope takes, decided by the actor it was for.
    Delivered {
        /// As it was sent.
        message: Message,
    },
    /// The message that the envelope takes; its actor is not there, or could not decide.
    DeadLettered {
        /// As it was sent.
        message: Message,
    },
    /// The outbox of a channel may forget these messages: the receiver has taken them for good.
    Acknowledged {
        /// The receiver.
        to: ShardId,
        /// The last message it has taken.
        up_to: u64,
    },
    /// What the stripe of a vendor held leaves for the vendor's home.
    Swept {
        /// The vendor.
        vendor: VendorId,
        /// Minor units, above zero.
        amount: i64,
    },
    /// Nothing but the messages that the envelope sends.
    Told,
    /// Nobody captured what the wallet of the envelope held in time: it goes back to its purses.
    HoldExpired {
        /// The id of the request that had it held.
        hold: RequestId,
    },
    /// What the wallet of the envelope has left of an allowance goes back to whom it came from.
    AllowanceReturned {
        /// Who had given it.
        parent: WalletNumber,
        /// Minor units, above zero.
        amount: i64,
    },
}

impl Body {
    /// The kind's number and name.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::LedgerOpened(_) => Kind::LedgerOpened,
            Self::EpochOpened { .. } => Kind::EpochOpened,
            Self::ConfigurationStaged { .. } => Kind::ConfigurationStaged,
            Self::ConfigurationAdopted { .. } => Kind::ConfigurationAdopted,
            Self::WalletOpened { .. } => Kind::WalletOpened,
            Self::ToppedUp { .. } => Kind::ToppedUp,
            Self::Purchased { .. } => Kind::Purchased,
            Self::Voided { .. } => Kind::Voided,
            Self::Cancelled { .. } => Kind::Cancelled,
            Self::Burned { .. } => Kind::Burned,
            Self::Quarantined => Kind::Quarantined,
            Self::Released => Kind::Released,
            Self::TransferSent { .. } => Kind::TransferSent,
            Self::Delivered { .. } => Kind::Delivered,
            Self::DeadLettered { .. } => Kind::DeadLettered,
            Self::Acknowledged { .. } => Kind::Acknowledged,
            Self::Swept { .. } => Kind::Swept,
            Self::TagPaired { .. } => Kind::TagPaired,
            Self::TagSet { .. } => Kind::TagSet,
            Self::Held { .. } => Kind::Held,
            Self::Captured { .. } => Kind::Captured,
            Self::HoldReleased { .. } => Kind::HoldReleased,
            Self::AllowanceSet { .. } => Kind::AllowanceSet,
            Self::PaidOut { .. } => Kind::PaidOut,
            Self::Told => Kind::Told,
            Self::HoldExpired { .. } => Kind::HoldExpired,
            Self::AllowanceReturned { .. } => Kind::AllowanceReturned,
        }
    }
}
