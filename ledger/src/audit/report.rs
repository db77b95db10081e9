//! What the auditor says at the end: plain facts and what was found, for any front end to show.

use super::balances::Total;
use super::finding::{Finding, Fork};
use super::wallets::Wallet;
use crate::account::Account;
use crate::block::Head;
use crate::ids::{At, ShardId};
use crate::record::{DeclineCode, Genesis, Kind};

/// The result of an audit.
#[derive(Clone, Debug)]
pub struct Report {
    /// What block 0 says; `None` for a journal without one.
    pub genesis: Option<Genesis>,
    /// The head of every shard that has blocks, as far as its chain is sound.
    pub heads: Vec<(ShardId, Head)>,
    /// Blocks that were checked.
    pub blocks: u64,
    /// Blocks behind a break of their shard's chain: not judged.
    pub blocks_skipped: u64,
    /// Records that were checked.
    pub records: u64,
    /// Canonical bytes of the checked blocks, headers included.
    pub bytes: u64,
    /// How many records of each kind, by rising kind; kinds that do not occur are left out.
    pub kinds: Vec<(Kind, u64)>,
    /// How many declines of each code, by rising code.
    pub declines: Vec<(DeclineCode, u64)>,
    /// Sums per currency and kind of account.
    pub totals: Vec<Total>,
    /// Balance of every account that is no purse, debits less credits.
    pub accounts: Vec<(Account, i128)>,
    /// Stripes of vendors that hold less than nothing, by how much, by vendor and shard: a sale was taken back
    /// after it had been swept home. No error: the vendor's next sales there make up for it.
    pub stripes_in_debt: Vec<(ShardId, Account, i128)>,
    /// Every wallet, in the order of its first record.
    pub wallets: Vec<Wallet>,
    /// Messages between shards that were sent and not taken.
    pub in_flight: u64,
    /// Time of the earliest record.
    pub first: Option<At>,
    /// Time of the latest record.
    pub last: Option<At>,
    /// The first 100 request ids that were used on two wallets. Not errors: both uses stand.
    pub forks: Vec<Fork>,
    /// How many there are.
    pub forks_total: u64,
    /// The first 100 things that must not be.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub findings_total: u64,
}

impl Report {
    /// Whether nothing was found that must not be.
    pub const fn is_sound(&self) -> bool {
        self.findings_total == 0
    }
}
