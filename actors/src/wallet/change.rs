//! How postings change a wallet's purses, and whether they may (L2). Purses are liabilities: a
//! credit (negative posting) puts money in, a debit takes it out.

use ledger::account::AccountKind;
use ledger::entry::Posting;
use ledger::money::BALANCE_LIMIT;

use super::slot::{Balances, Wallet};

impl Balances {
    /// The purse that an account kind names.
    fn purse(&mut self, kind: AccountKind) -> Option<&mut i64> {
        match kind {
            AccountKind::WalletPaid => Some(&mut self.paid),
            AccountKind::WalletBonus => Some(&mut self.bonus),
            AccountKind::WalletDeposit => Some(&mut self.deposit),
            _ => None,
        }
    }

    /// Posts to a purse; a posting to any other account is no concern of the wallet.
    pub(crate) fn post(&mut self, posting: &Posting) {
        if let Some(purse) = self.purse(posting.account.kind) {
            *purse = purse.saturating_sub(posting.minor);
        }
    }
}

impl Wallet {
    /// The purses after `postings`, or `None` if one would pass its floor or the limit. `held` is what the
    /// wallet holds beside: it counts to the limit, so that giving it back never passes it.
    pub(crate) fn after(&self, postings: &[Posting], held: i64) -> Option<Balances> {
        let (mut balances, mut held) = (self.balances, held);
        for posting in postings {
            balances.post(posting);
            if posting.account.kind == AccountKind::WalletHeld {
                held = held.saturating_sub(posting.minor);
            }
        }
        let purses = [balances.paid, balances.bonus, balances.deposit, held];
        let within = purses.iter().all(|purse| (0..BALANCE_LIMIT).contains(purse));
        (within && balances.total() + held < BALANCE_LIMIT).then_some(balances)
    }
}
