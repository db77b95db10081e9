//! The two kinds of no, as stable numbers. A decline is a decided no: a record, it consumes the
//! request id and a retry gets it again. A refusal leaves no record and consumes nothing: it says
//! that this copy of the request did nothing. The wire specification has the same tables.

use ledger::record::DeclineCode;

macro_rules! codes {
    ($(#[$top:meta])* $name:ident: $($(#[$doc:meta])* $variant:ident = $number:literal $text:literal,)*) => {
        $(#[$top])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$doc])* $variant = $number,)* }

        impl $name {
            /// Every code, by rising number.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code of this number.
            pub const fn from_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)* _ => None }
            }

            /// The stable number.
            pub const fn number(self) -> u8 { self as u8 }

            /// The name in documents, metrics and logs.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

codes! {
    /// A decided no: recorded, and the request id's answer for ever.
    Decline:
    /// The purses hold less than the amount.
    InsufficientFunds = 1 "insufficient_funds",
    /// The balance would pass the festival's cap.
    OverCap = 2 "over_cap",
    /// Same wallet, till and amount as just before, under a new id and without the confirm flag.
    LooksRepeated = 3 "looks_repeated",
    /// The request had been taken back by its device.
    Cancelled = 4 "cancelled",
    /// The request id had been closed before it was seen.
    Burned = 5 "burned",
    /// The tag is blocked (lost band).
    WalletBlocked = 6 "wallet_blocked",
    /// The wallet has a newer tag.
    TagReplaced = 7 "tag_replaced",
    /// The tag already opened a wallet.
    AlreadyOpen = 8 "already_open",
    /// The sale was taken back already.
    AlreadyVoided = 9 "already_voided",
    /// The money to be taken back is spent: it stands.
    TopUpSpent = 10 "top_up_spent",
    /// The wallet has no applied sale under that id.
    NoSuchSale = 11 "no_such_sale",
    /// The opening cannot be taken back: the wallet holds money or has a history.
    WalletInUse = 12 "wallet_in_use",
    /// A message found nobody to decide it, or no place for its answer: it went back.
    Undeliverable = 13 "undeliverable",
    /// The money is on its way to another wallet, or there: it cannot be taken back.
    TransferGone = 14 "transfer_gone",
    /// The tag belongs to a wallet already.
    TagTaken = 15 "tag_taken",
    /// The festival is paused: nothing is sold or paid in.
    FestivalPaused = 16 "festival_paused",
    /// The festival is over.
    FestivalClosed = 17 "festival_closed",
    /// The festival, or the vendor, is not open at this hour.
    OutsideHours = 18 "outside_hours",
    /// The vendor sells nothing until further notice.
    VendorStopped = 19 "vendor_stopped",
    /// The item is not sold until further notice.
    ItemStopped = 20 "item_stopped",
    /// The wallet has no applied authorisation of this vendor under that id.
    NoSuchHold = 21 "no_such_hold",
    /// What was held was captured or given back.
    HoldEnded = 22 "hold_ended",
    /// The sale is above what is held.
    AboveHold = 23 "above_hold",
    /// The configuration is not the one after the version in force.
    StaleConfiguration = 24 "stale_configuration",
    /// What was staged is not a configuration that may follow the one in force.
    BadConfiguration = 25 "bad_configuration",
    /// The tag to be replaced is not the wallet's, or was replaced before.
    NotItsTag = 26 "not_its_tag",
    /// The other wallet is given no allowance by this one.
    NoAllowance = 27 "no_allowance",
    /// A cancel cannot undo it: others rely on it.
    Stands = 28 "stands",
    /// The wallet has as many authorisations open as it can have.
    TooManyHolds = 29 "too_many_holds",
    /// The wallet has as many tags as one can have.
    TooManyTags = 30 "too_many_tags",
    /// The wallet gives to as many as it may, or the other one has an allowance already.
    TooManyAllowances = 31 "too_many_allowances",
}

codes! {
    /// A no without a record.
    Refusal:
    /// The bytes are not a request.
    Malformed = 64 "malformed",
    /// The device is not of this ledger.
    Unauthenticated = 65 "unauthenticated",
    /// The device lacks the role.
    NotYourRole = 66 "not_your_role",
    /// The request id is another device's.
    NotYourId = 67 "not_your_id",
    /// No wallet has this tag.
    UnknownTag = 68 "unknown_tag",
    /// The wallet or the device belongs to another festival.
    WrongFestival = 69 "wrong_festival",
    /// The item is not this vendor's, or its price is another.
    UnknownItemOrPrice = 70 "unknown_item_or_price",
    /// An amount or a quantity is zero or negative.
    AmountZero = 71 "amount_zero",
    /// The amount is above the festival's largest.
    AmountTooLarge = 72 "amount_too_large",
    /// The id is known with another content.
    IdReused = 73 "id_reused",
    /// A limit is reached; come back after the time given.
    Busy = 74 "busy",
    /// Its sender no longer waits.
    Late = 75 "late",
    /// Something broke here; the same id may be sent again.
    Internal = 76 "internal",
    /// Giving money back needs an operator.
    NoOperator = 77 "no_operator",
    /// Another tag has the same number: this one cannot be used here.
    TagCollision = 78 "tag_collision",
    /// The command or a flag is not known to this server.
    Unsupported = 79 "unsupported",
    /// The device is assigned to another till.
    WrongTill = 80 "wrong_till",
    /// More lines than a purchase may have.
    TooManyLines = 81 "too_many_lines",
    /// The lines do not sum to the amount.
    LinesDoNotAddUp = 82 "lines_do_not_add_up",
    /// The wallet is kept from acting after repeated failures.
    Quarantined = 83 "quarantined",
    /// The amount is below the festival's smallest top-up.
    AmountTooSmall = 84 "amount_too_small",
    /// The festival does not let wallets pay each other.
    TransfersOff = 85 "transfers_off",
    /// Payer and payee are one wallet, or a band is to be given to itself.
    SameWallet = 86 "same_wallet",
    /// The device was revoked: it may do nothing any more.
    DeviceRevoked = 87 "device_revoked",
    /// The festival lets no wallet give another one an allowance.
    AllowancesOff = 88 "allowances_off",
    /// The command is for an office, and for another one than this.
    NotThisOffice = 89 "not_this_office",
}

impl Decline {
    /// As it stands in a record.
    pub fn to_record(self) -> Option<DeclineCode> {
        std::num::NonZeroU8::new(self.number()).map(DeclineCode)
    }

    /// From a record; `None` for a code of a later level.
    pub const fn from_record(code: DeclineCode) -> Option<Self> {
        Self::from_number(code.0.get())
    }
}

/// What a request id came to: what its wallet remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It took effect.
    Applied,
    /// It was declined, cancelled or burned.
    Declined(Decline),
}

impl Outcome {
    /// One byte: 0 applied, else the decline's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Applied => 0,
            Self::Declined(decline) => decline.number(),
        }
    }

    /// From one byte.
    pub const fn from_number(number: u8) -> Option<Self> {
        match Decline::from_number(number) {
            Some(decline) => Some(Self::Declined(decline)),
            None if number == 0 => Some(Self::Applied),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_decline_or_a_refusal_never_both() {
        for number in 0..=u8::MAX {
            assert!(Decline::from_number(number).is_none() || Refusal::from_number(number).is_none());
        }
        assert!(Decline::ALL.iter().all(|code| Decline::from_number(code.number()) == Some(*code)));
        assert!(Refusal::ALL.iter().all(|code| Refusal::from_number(code.number()) == Some(*code)));
    }

    #[test]
    fn outcomes_survive_their_byte() {
        for number in 0..=u8::MAX {
            let known = number == 0 || Decline::from_number(number).is_some();
            assert_eq!(Outcome::from_number(number).map(Outcome::number), known.then_some(number));
        }
        // A remembered id has seven bits for it.
        assert!(Decline::ALL.iter().all(|decline| decline.number() < 64));
    }
}
