//! Money that wallets hold for sales to come: beside the slots, since few wallets hold any. A hold
//! stands here from the record that made it to the one that ends it, and remembers of which purse
//! every part came.

use ledger::account::{Account, AccountKind};
use ledger::entry::{Entry, Posting};
use ledger::ids::{RecordNumber, RequestId, VendorId};
use ledger::money::Currency;
use ledger::record::Record;
use smallvec::SmallVec;

use crate::shard_state::Timer;
use crate::table::Table;

/// The purses in the order in which records name what was held of each.
pub(crate) const PURSES: [AccountKind; 3] =
    [AccountKind::WalletPaid, AccountKind::WalletBonus, AccountKind::WalletDeposit];

/// Most holds that one wallet may have open.
pub(crate) const MOST_HOLDS: usize = 8;

/// Money held for a sale to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// The request that had it held: its name.
    pub(crate) id: RequestId,
    /// Where that request's record is.
    pub(crate) record: RecordNumber,
    /// What came of each purse, in the order of [`PURSES`].
    pub(crate) from: [i64; 3],
    /// Who may capture it.
    pub(crate) vendor: Option<VendorId>,
    /// Ends it if nobody does.
    pub(crate) timer: Timer,
}

impl Hold {
    /// Minor units held.
    pub(crate) fn amount(&self) -> i64 {
        self.from.iter().sum()
    }

    /// The entry that gives all of it back.
    pub(crate) fn given_back(&self, wallet: u64, currency: Currency) -> Option<Entry> {
        let mut postings = SmallVec::<[Posting; 4]>::new();
        postings.push(held(wallet, currency, self.amount()));
        postings.extend(into_purses(wallet, currency, self.from));
        Entry::new(postings).ok()
    }
}

/// `amount` out of what a wallet holds; a negative one into it.
pub(crate) fn held(wallet: u64, currency: Currency, amount: i64) -> Posting {
    Posting { account: Account::new(AccountKind::WalletHeld, wallet, currency), minor: amount }
}

/// What each purse is credited, in the order of [`PURSES`].
pub(crate) fn into_purses(wallet: u64, currency: Currency, parts: [i64; 3]) -> impl Iterator<Item = Posting> {
    let parts = PURSES.into_iter().zip(parts).filter(|(_, part)| *part != 0);
    parts.map(move |(kind, part)| Posting {
        account: Account::new(kind, wallet, currency),
        minor: part.wrapping_neg(),
    })
}

/// Gives the purses back what a capture sold out of each, and takes it from the vendor.
pub(super) fn unsold(capture: &Record, from: [i64; 3]) -> Option<Entry> {
    let wallet = capture.envelope.wallet?.get();
    let sold = |posting: &&Posting| posting.account.kind == AccountKind::VendorSales;
    let vendor = *capture.entry.postings().iter().find(sold)?;
    let mut postings = SmallVec::<[Posting; 4]>::new();
    postings.push(Posting { minor: vendor.minor.checked_neg()?, ..vendor });
    postings.extend(into_purses(wallet, vendor.account.currency, from));
    Entry::new(postings).ok()
}

/// What a record takes out of each purse, in the order of [`PURSES`].
pub(crate) fn out_of_purses(record: &Record) -> [i64; 3] {
    PURSES.map(|kind| {
        let postings = record.entry.postings().iter().filter(|posting| posting.account.kind == kind);
        postings.map(|posting| posting.minor).sum()
    })
}

/// What the wallets of a shard hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holds(Table<u64, Vec<Hold>>);

impl Holds {
    /// Minor units that this wallet holds.
    pub(crate) fn held(&self, wallet: u64) -> i64 {
        self.of(wallet).iter().map(Hold::amount).sum()
    }

    /// What this wallet holds, oldest first.
    pub(crate) fn of(&self, wallet: u64) -> &[Hold] {
        self.0.get(&wallet).map_or(&[], Vec::as_slice)
    }

    /// The hold of this name, if it has not ended.
    pub(crate) fn find(&self, wallet: u64, id: RequestId) -> Option<&Hold> {
        self.of(wallet).iter().find(|hold| hold.id == id)
    }

    /// Something is held from here on.
    pub(crate) fn begin(&mut self, wallet: u64, hold: Hold) {
        self.0.entry(wallet).or_default().push(hold);
    }

    /// The hold of this name ends.
    pub(crate) fn end(&mut self, wallet: u64, id: RequestId) -> Option<Hold> {
        let holds = self.0.get_mut(&wallet)?;
        let at = holds.iter().position(|hold| hold.id == id)?;
        let hold = holds.remove(at);
        if holds.is_empty() {
            self.0.remove(&wallet);
        }
        Some(hold)
    }

    /// All wallets that hold something, by rising number.
    pub(crate) fn sorted(&self) -> Vec<(u64, &[Hold])> {
        let mut all: Vec<_> = self.0.iter().map(|(wallet, holds)| (*wallet, holds.as_slice())).collect();
        all.sort_unstable_by_key(|(wallet, _)| *wallet);
        all
    }
}
