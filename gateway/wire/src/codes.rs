//! Owns: the commands, the classes of an answer, and what a code says whatever its class.
//! Must never: renumber or reuse a number; decide anything.
//! Laws: L4 (only a decline or a booking consumes an id; the class says which happened).

mod decline;
mod read;
mod refusal;

pub use decline::Decline;
pub use read::Read;
pub use refusal::Refusal;

/// Defines an enum of stable numbers with, for each, its name, its meaning, what the terminal does, and whether
/// the same id may be sent again. The specification's tables are checked against it.
macro_rules! codes {
    ($(#[$doc:meta])* $enum:ident, $kind:expr; $($variant:ident = $number:literal, $name:literal, $again:ident,
        $meaning:literal, $terminal:literal;)+) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum $enum {
            $(#[doc = $meaning] $variant = $number,)+
        }

        impl $enum {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The one with this number, if this version knows it.
            #[inline]
            pub fn from_u16(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }

            /// The number on the wire.
            #[inline]
            pub fn number(self) -> u16 { self as u16 }

            /// The name in the specification, in metrics and in logs.
            pub fn name(self) -> &'static str { self.info().name }

            /// Everything the specification's table says about it.
            pub fn info(self) -> &'static $crate::codes::CodeInfo {
                match self {
                    $(Self::$variant => const { &$crate::codes::CodeInfo {
                        number: $number, name: $name, kind: $kind, meaning: $meaning, terminal: $terminal,
                        again: $crate::codes::Again::$again,
                    } },)+
                }
            }
        }
    };
}
use codes;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Command {
    /// Opens a wallet for a tag that has none. Moves no money.
    OpenWallet = 1,
    /// Puts `amount` into the wallet, paid by `tender`.
    TopUp = 2,
    /// Sells `lines` for `amount`.
    Purchase = 3,
    /// Takes the whole purchase `target` back, under an id of its own.
    Void = 4,
    /// Reads the balance and the last movements; answered by a statement.
    Balance = 5,
    /// Gives up: undoes the request `target` or burns its id.
    Cancel = 6,
    /// Asks what became of the request `target`; closes nothing.
    Lookup = 7,
    /// Sends `amount` to another wallet.
    Transfer = 8,
    /// Gives the band to a wallet that there is already.
    Pair = 9,
    /// The band may pay no more.
    BlockTag = 10,
    /// The band may pay again.
    UnblockTag = 11,
    /// Holds `amount` for a sale to come, for `seconds`.
    Authorise = 12,
    /// Sells `lines` out of what the request `target` had held; what is left goes back.
    Capture = 13,
    /// Gives back what the request `target` had held.
    ReleaseHold = 14,
    /// Gives another wallet an allowance, changes it, or ends it.
    SetAllowance = 15,
    /// Decides a payout of `amount` to the vendor whose office is addressed.
    PayOut = 16,
    /// Takes one part of the next configuration.
    StageConfiguration = 17,
    /// Brings the staged configuration into force.
    AdoptConfiguration = 18,
}

impl Command {
    /// All commands, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::OpenWallet,
        Self::TopUp,
        Self::Purchase,
        Self::Void,
        Self::Balance,
        Self::Cancel,
        Self::Lookup,
        Self::Transfer,
        Self::Pair,
        Self::BlockTag,
        Self::UnblockTag,
        Self::Authorise,
        Self::Capture,
        Self::ReleaseHold,
        Self::SetAllowance,
        Self::PayOut,
        Self::StageConfiguration,
        Self::AdoptConfiguration,
    ];

    /// The command with this number, if this version knows it.
    #[inline]
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::OpenWallet,
            2 => Self::TopUp,
            3 => Self::Purchase,
            4 => Self::Void,
            5 => Self::Balance,
            6 => Self::Cancel,
            7 => Self::Lookup,
            8 => Self::Transfer,
            9 => Self::Pair,
            10 => Self::BlockTag,
            11 => Self::UnblockTag,
            12 => Self::Authorise,
            13 => Self::Capture,
            14 => Self::ReleaseHold,
            15 => Self::SetAllowance,
            16 => Self::PayOut,
            17 => Self::StageConfiguration,
            18 => Self::AdoptConfiguration,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::OpenWallet => "open_wallet",
            Self::TopUp => "top_up",
            Self::Purchase => "purchase",
            Self::Void => "void",
            Self::Balance => "balance",
            Self::Cancel => "cancel",
            Self::Lookup => "lookup",
            Self::Transfer => "transfer",
            Self::Pair => "pair",
            Self::BlockTag => "block_tag",
            Self::UnblockTag => "unblock_tag",
            Self::Authorise => "authorise",
            Self::Capture => "capture",
            Self::ReleaseHold => "release_hold",
            Self::SetAllowance => "set_allowance",
            Self::PayOut => "pay_out",
            Self::StageConfiguration => "stage_configuration",
            Self::AdoptConfiguration => "adopt_configuration",
        }
    }

    /// Whether it speaks about the id of another request instead of using one of its own.
    #[inline]
    pub fn names_its_target(self) -> bool {
        matches!(self, Self::Cancel | Self::Lookup)
    }

    /// Whether a decided answer consumes the request's id.
    #[inline]
    pub fn consumes_id(self) -> bool {
        !matches!(self, Self::Balance | Self::Cancel | Self::Lookup)
    }

    /// Whether it sells lines.
    #[inline]
    pub fn sells(self) -> bool {
        matches!(self, Self::Purchase | Self::Capture)
    }

    /// Whom it may be addressed to.
    #[inline]
    pub fn addressee(self) -> Addressee {
        match self {
            Self::PayOut => Addressee::Office,
            Self::StageConfiguration | Self::AdoptConfiguration => Addressee::Festival,
            Self::Balance | Self::Cancel | Self::Lookup => Addressee::Either,
            _ => Addressee::Tag,
        }
    }
}

/// Whom a command may be addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Addressee {
    /// A tag.
    Tag,
    /// An office, which has no UID and is named behind the head.
    Office,
    /// The one or the other.
    Either,
    /// The festival's own office, which needs no name.
    Festival,
}

/// What kind of answer it is. Enough to act on, even when the code is newer than the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// It happened and is on disk.
    Applied = 0,
    /// A decided no: a record, on disk, for ever the answer to this id.
    Declined = 1,
    /// This copy of the request did nothing; whether an earlier copy did is not said.
    Refused = 2,
    /// Neither yes nor no: send the same id again.
    Unknown = 3,
    /// Something read; nothing changed.
    Read = 4,
}

impl Class {
    /// All classes, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::Applied, Self::Declined, Self::Refused, Self::Unknown, Self::Read];

    /// The class with this number, if there is one.
    #[inline]
    pub fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Applied,
            1 => Self::Declined,
            2 => Self::Refused,
            3 => Self::Unknown,
            4 => Self::Read,
            _ => return None,
        })
    }

    /// The number on the wire.
    #[inline]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The name in the specification.
    pub fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Declined => "declined",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Read => "read",
        }
    }
}

/// Which table of the specification a code stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A decided no, recorded.
    Decline,
    /// A no without a record.
    Refusal,
    /// The outcome of reading.
    Read,
}

impl Kind {
    /// The word in the specification's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decline => "decline",
            Self::Refusal => "refusal",
            Self::Read => "read",
        }
    }
}

/// What sending the same id again can bring. It is always safe: an id takes effect at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Again {
    /// The same id, later: it may still be applied.
    SameId,
    /// The same id gets the same answer; another attempt needs a new id.
    NewId,
    /// Unchanged it gets the same answer; a person or a configuration must change something first.
    Useless,
}

impl Again {
    /// The words in the specification's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::SameId => "same id, later",
            Self::NewId => "new id",
            Self::Useless => "useless",
        }
    }
}

/// One row of the specification's tables of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeInfo {
    /// The number on the wire.
    pub number: u16,
    /// The name.
    pub name: &'static str,
    /// Decline, refusal or read.
    pub kind: Kind,
    /// What it says.
    pub meaning: &'static str,
    /// What the terminal does.
    pub terminal: &'static str,
    /// What sending again can bring.
    pub again: Again,
}

/// The code of an applied answer: done.
pub const DONE: u16 = 0;

/// The code of an answer that is neither yes nor no: send the same id again.
pub const UNKNOWN_RESEND: u16 = 192;

/// The row of any decline, refusal or read by its number: their ranges do not overlap.
pub fn info(number: u16) -> Option<&'static CodeInfo> {
    Decline::from_u16(number)
        .map(Decline::info)
        .or_else(|| Refusal::from_u16(number).map(Refusal::info))
        .or_else(|| Read::from_u16(number).map(Read::info))
}

/// The name of any code by its number, for logs and metrics; a code of a newer server is `other`.
pub fn name(number: u16) -> &'static str {
    match number {
        DONE => "done",
        UNKNOWN_RESEND => "unknown_resend",
        _ => info(number).map_or("other", |row| row.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_there_and_back() {
        for number in 0..=255_u8 {
            assert!(
                Command::from_u8(number).is_none_or(|c| c.number() == number && Command::ALL.contains(&c))
            );
            assert!(Class::from_u8(number).is_none_or(|c| c.number() == number && Class::ALL.contains(&c)));
        }
        assert!(Command::ALL.iter().all(|c| Command::from_u8(c.number()) == Some(*c)));
        assert!(Class::ALL.iter().all(|c| Class::from_u8(c.number()) == Some(*c)));
    }

    #[test]
    fn each_number_stands_in_one_table_and_keeps_to_its_range() {
        let rows: Vec<_> = (0..=u16::MAX).filter_map(info).collect();
        assert_eq!(rows.len(), Decline::ALL.len() + Refusal::ALL.len() + Read::ALL.len());
        for row in rows {
            let range = match row.kind {
                Kind::Decline => 1..64,
                Kind::Refusal => 64..128,
                Kind::Read => 128..192,
            };
            assert!(range.contains(&row.number), "{row:?}");
            assert_eq!(name(row.number), row.name);
            assert!(row.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{row:?}");
            // A decline is for ever the answer to its id.
            assert!(row.kind != Kind::Decline || row.again != Again::SameId, "{row:?}");
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = (0..=u16::MAX).map(name).filter(|name| *name != "other").collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
