//! What the auditor found: which rule, which law behind it, where, and in words.

use std::fmt;

use crate::ids::{RecordNumber, RequestId, ShardId, WalletNumber};
use crate::law::Law;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $law:ident $text:literal,)*) => {
        /// One thing the auditor checks. The table in `FORMAT.md` says each in a sentence.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The law it upholds.
            pub const fn law(self) -> Law {
                match self { $(Self::$name => Law::$law,)* }
            }

            /// Its name in reports and in `FORMAT.md`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

rules! {
    /// Blocks follow each other and match their hashes.
    Chain = Chain "chain",
    /// Bytes are what the format allows.
    Format = Chain "format",
    /// Every shard begins with the ledger's own record, and no other one is there.
    Genesis = Chain "genesis",
    /// No shard and no known tail is missing.
    Missing = Chain "missing",
    /// Postings sum to zero in every currency.
    Conservation = Conservation "conservation",
    /// What a record says and what it posts are the same amounts.
    Sums = Conservation "sums",
    /// No account passes its floor, no purse the limit.
    Floor = Floors "floor",
    /// A request id takes effect once.
    Repeated = ExactlyOnce "repeated",
    /// Nothing takes effect under a closed id.
    Closed = ExactlyOnce "closed",
    /// A void takes one sale back, whole, once.
    Void = ExactlyOnce "void",
    /// A cancel takes its own request back, whole, once.
    Cancel = ExactlyOnce "cancel",
    /// A hold ends once, for no more than is held, and not before its time.
    Hold = ExactlyOnce "hold",
    /// Declines, training and facts move nothing.
    MovesNothing = WholeOrNothing "moves-nothing",
    /// Messages between shards are sent and taken by number, each as it was sent.
    Channel = WholeOrNothing "channel",
    /// What could not take effect goes back, once and whole; what came back is taken.
    Return = WholeOrNothing "return",
    /// Nothing is known to be taken that was not.
    Acknowledged = WholeOrNothing "acknowledged",
    /// Money on its way is what the messages on their way carry.
    Transit = WholeOrNothing "transit",
    /// An allowance is asked for once before it is answered, and no more goes back than was given.
    Allowance = WholeOrNothing "allowance",
    /// A configuration is adopted as it was staged, and the same everywhere.
    Configuration = Replay "configuration",
    /// Decisions name the versions in force.
    Version = Replay "version",
    /// A start of a process is opened by its record, and none goes back.
    Epoch = OneWriter "epoch",
    /// A wallet lives in one shard and moves its own purses only.
    Shard = OneWriter "shard",
    /// Time never falls within a shard.
    Time = Order "time",
    /// A wallet is opened before it is used, once.
    Opening = Order "opening",
    /// A festival has one currency.
    Currency = Isolation "currency",
    /// A tag belongs to one wallet, which acts for no tag of another.
    Pairing = Isolation "pairing",
    /// A message stays within its festival.
    Festival = Isolation "festival",
    /// A device takes back its own requests only.
    Device = Isolation "device",
}

/// Where: as much as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The shard.
    pub shard: Option<ShardId>,
    /// The sequence number of the block in it.
    pub block: Option<u64>,
    /// The number of the record in it.
    pub record: Option<RecordNumber>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(shard) = self.shard else { return f.write_str("the ledger") };
        write!(f, "shard {shard}")?;
        if let Some(block) = self.block {
            write!(f, " block {block}")?;
        }
        if let Some(record) = self.record {
            write!(f, " record {record}")?;
        }
        Ok(())
    }
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was broken.
    pub rule: Rule,
    /// Where.
    pub place: Place,
    /// In words.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}: {}", self.rule.law().id(), self.rule.name(), self.place, self.text)
    }
}

/// One request id that was used on two wallets: a copied device, or one that lost its counter. Both
/// uses stand; the ids are listed for the organiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The id.
    pub request: RequestId,
    /// The wallet it was first seen on.
    pub first: WalletNumber,
    /// The other one.
    pub other: WalletNumber,
    /// Where the other use stands.
    pub place: Place,
}

/// Keeps the first [`Kept::LIMIT`] of something and counts the rest.
#[derive(Clone, Debug)]
pub(super) struct Kept<T> {
    pub(super) kept: Vec<T>,
    pub(super) total: u64,
}

impl<T> Kept<T> {
    /// A broken ledger can break a rule in every record: a report is for people.
    pub(super) const LIMIT: usize = 100;

    pub(super) const fn new() -> Self {
        Self { kept: Vec::new(), total: 0 }
    }

    pub(super) fn push(&mut self, make: impl FnOnce() -> T) {
        self.total += 1;
        if self.kept.len() < Self::LIMIT {
            self.kept.push(make());
        }
    }
}
