//! Allowances: a wallet (the parent) keeps another (the child) in money. Beside the slots, since few
//! wallets give or have one. The parent's shard knows what is given and to whom; the child's shard what
//! is left of it. Both are changed by records only, so that a restart asks for nothing twice (L5).

use std::collections::BTreeMap;

use ledger::ids::{At, RecordNumber, ShardId, WalletNumber};

use crate::shard_state::Timer;
use crate::table::Table;

/// Most wallets that one wallet gives an allowance to: a large family, and a bound (L12).
pub(crate) const MOST_CHILDREN: usize = 16;

/// What a parent gives one child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// What the child is filled up to.
    pub(crate) target: i64,
    /// Below this it is filled up.
    pub(crate) mark: i64,
    /// The number of the message that set it: if that one comes back, nothing is given.
    pub(crate) message: u64,
}

/// What a child has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// Who gives.
    pub(crate) parent: WalletNumber,
    /// What it is filled up to; 0: it has ended, what is left is to go back.
    pub(crate) target: i64,
    /// Below this more is asked for.
    pub(crate) mark: i64,
    /// What is left of what was given. What the child paid in itself is spent first.
    pub(crate) left: i64,
    /// More is asked for and not answered.
    pub(crate) asked: bool,
    /// Set while what is left is to go back.
    pub(crate) timer: Option<Timer>,
}

impl Kept {
    /// Whether the parent still gives.
    pub(crate) const fn is_active(&self) -> bool {
        self.target > 0
    }
}

/// What a record took of what was left of an allowance. Whoever takes the record back puts that back: the
/// parent's money must not become the child's by a sale that never was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Whose money it was.
    pub(crate) parent: WalletNumber,
    /// Minor units.
    pub(crate) amount: i64,
}

/// All allowances of a shard, by both their ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowances {
    /// By parent and child.
    given: BTreeMap<(u64, u64), Given>,
    kept: Table<WalletNumber, Kept>,
    /// By the sales that stand.
    spent: Table<RecordNumber, Spent>,
    /// By the messages that took money along: to which shard, and which.
    sent: Table<(ShardId, u64), Spent>,
}

impl Allowances {
    /// What `parent` gives `child`.
    pub(crate) fn given(&self, parent: WalletNumber, child: WalletNumber) -> Option<&Given> {
        self.given.get(&(parent.get(), child.get()))
    }

    /// How many wallets `parent` gives to.
    pub(crate) fn children(&self, parent: WalletNumber) -> usize {
        self.given.range((parent.get(), 0)..=(parent.get(), u64::MAX)).count()
    }

    pub(crate) fn give(&mut self, parent: WalletNumber, child: WalletNumber, given: Given) {
        self.given.insert((parent.get(), child.get()), given);
    }

    pub(crate) fn give_no_more(&mut self, parent: WalletNumber, child: WalletNumber) {
        self.given.remove(&(parent.get(), child.get()));
    }

    /// What `child` has.
    pub(crate) fn kept(&self, child: WalletNumber) -> Option<&Kept> {
        self.kept.get(&child)
    }

    pub(crate) fn kept_mut(&mut self, child: WalletNumber) -> Option<&mut Kept> {
        self.kept.get_mut(&child)
    }

    pub(crate) fn keep(&mut self, child: WalletNumber, kept: Kept) {
        self.kept.insert(child, kept);
    }

    pub(crate) fn keep_no_more(&mut self, child: WalletNumber) -> Option<Kept> {
        self.kept.remove(&child)
    }

    /// Whether the sale at `position` took anything.
    pub(crate) fn has_spent(&self, position: RecordNumber) -> bool {
        self.spent.contains_key(&position)
    }

    /// The sale at `position` took so much.
    pub(crate) fn spend(&mut self, position: RecordNumber, spent: Spent) {
        self.spent.insert(position, spent);
    }

    /// The sale at `position` is taken back; what it had taken.
    pub(crate) fn unspend(&mut self, position: RecordNumber) -> Option<Spent> {
        self.spent.remove(&position)
    }

    /// A message took so much along.
    pub(crate) fn send(&mut self, to: ShardId, number: u64, spent: Spent) {
        self.sent.insert((to, number), spent);
    }

    /// The message came back; what it had taken along.
    pub(crate) fn came_back(&mut self, from: ShardId, number: u64) -> Option<Spent> {
        self.sent.remove(&(from, number))
    }

    /// What sales took, by rising position.
    pub(crate) fn all_spent(&self) -> Vec<(RecordNumber, Spent)> {
        let mut all: Vec<_> = self.spent.iter().map(|(position, spent)| (*position, *spent)).collect();
        all.sort_unstable_by_key(|(position, _)| *position);
        all
    }

    /// What messages took along, by rising shard and number.
    pub(crate) fn all_sent(&self) -> Vec<((ShardId, u64), Spent)> {
        let mut all: Vec<_> = self.sent.iter().map(|(message, spent)| (*message, *spent)).collect();
        all.sort_unstable_by_key(|(message, _)| *message);
        all
    }

    /// What is given, by rising numbers of parent and child.
    pub(crate) fn all_given(&self) -> impl Iterator<Item = (&(u64, u64), &Given)> {
        self.given.iter()
    }

    /// Who has an allowance, by rising number.
    pub(crate) fn all_kept(&self) -> Vec<(WalletNumber, Kept)> {
        let mut all: Vec<_> = self.kept.iter().map(|(child, kept)| (*child, *kept)).collect();
        all.sort_unstable_by_key(|(child, _)| *child);
        all
    }
}

/// The moment of a timer that is due at once.
pub(crate) const AT_ONCE: At = At(i64::MIN);

/// After how many microseconds money is given back again that came back: an hour. Whatever kept it from being
/// taken keeps it from being taken a moment later, and it would be between the two shards for ever.
pub(crate) const GIVEN_BACK_AGAIN: i64 = 3_600_000_000;
