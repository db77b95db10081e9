//! Money that wallets hold for sales to come: begun once, ended once, and never for more than is held
//! (L2, L4). From the records alone.

use super::table::Table;
use crate::account::AccountKind;
use crate::entry::Posting;
use crate::ids::{At, RequestId};
use crate::record::{Kind, Record};

/// The purses that parts are named in the order of.
const PURSES: [AccountKind; 3] =
    [AccountKind::WalletPaid, AccountKind::WalletBonus, AccountKind::WalletDeposit];

/// What is known of a hold.
#[derive(Clone, Copy, Debug)]
struct Hold {
    /// What came of each purse.
    parts: [i64; 3],
    /// Before that nobody but the vendor and its own device ends it.
    due: At,
    ended: bool,
}

/// All holds, by wallet and request id.
#[derive(Clone, Debug, Default)]
pub(super) struct Holds(Table<(u32, RequestId), Hold>);

impl Holds {
    /// Something is held of this wallet from here on.
    pub(super) fn begin(&mut self, wallet: u32, id: RequestId, record: &Record, seconds: u32) {
        let due = At(record.at.0.saturating_add(i64::from(seconds).saturating_mul(1_000_000)));
        let hold = Hold { parts: by_purse(record, std::convert::identity), due, ended: false };
        self.0.insert((wallet, id), hold);
    }

    /// All that is held goes back; answers why it may not.
    pub(super) fn give_back(&mut self, wallet: u32, id: RequestId, record: &Record) -> Result<(), String> {
        let hold = self.end(wallet, id)?;
        let back = by_purse(record, i64::wrapping_neg);
        if back != hold.parts {
            return Err(format!("gives back {back:?} of {:?} that {id} held", hold.parts));
        }
        Ok(())
    }

    /// As [`Holds::give_back`], because its time is up.
    pub(super) fn expire(&mut self, wallet: u32, id: RequestId, record: &Record) -> Result<(), String> {
        let due = self.0.get(&(wallet, id)).map(|hold| hold.due);
        self.give_back(wallet, id, record)?;
        match due {
            Some(due) if record.at < due => Err(format!("{id} expires at {}, due at {}", record.at.0, due.0)),
            _ => Ok(()),
        }
    }

    /// A sale out of what is held, `from` so much of each purse; the rest goes back.
    pub(super) fn capture(
        &mut self,
        wallet: u32,
        id: RequestId,
        record: &Record,
        from: [i64; 3],
    ) -> Result<(), String> {
        let hold = self.end(wallet, id)?;
        let within = from.iter().zip(hold.parts).all(|(sold, part)| (0..=part).contains(sold));
        if !within {
            return Err(format!("sells {from:?} of {:?} that {id} held", hold.parts));
        }
        let mut rest = hold.parts;
        rest.iter_mut().zip(from).for_each(|(part, sold)| *part = part.saturating_sub(sold));
        let back = by_purse(record, i64::wrapping_neg);
        if back != rest {
            return Err(format!("gives back {back:?} where {rest:?} is left of what {id} held"));
        }
        Ok(())
    }

    fn end(&mut self, wallet: u32, id: RequestId) -> Result<Hold, String> {
        let Some(hold) = self.0.get_mut(&(wallet, id)) else {
            return Err(format!("ends {id}, which holds nothing"));
        };
        if hold.ended {
            return Err(format!("ends {id}, which ended before"));
        }
        hold.ended = true;
        Ok(*hold)
    }
}

/// Kinds that begin or end a hold, or take back what began one.
pub(super) const fn may_move_it(kind: Kind) -> bool {
    matches!(kind, Kind::Held | Kind::Captured | Kind::HoldReleased | Kind::HoldExpired | Kind::Cancelled)
}

/// What a record posts to each purse.
fn by_purse(record: &Record, sign: impl Fn(i64) -> i64) -> [i64; 3] {
    PURSES.map(|kind| {
        let own = record.entry.postings().iter().filter(|posting| posting.account.kind == kind);
        own.fold(0_i64, |sum, posting| sum.saturating_add(sign(posting.minor)))
    })
}

/// What a capture sold, as postings: what a void or a cancel of it has to reverse.
pub(super) fn sold(record: &Record, from: [i64; 3]) -> smallvec::SmallVec<[Posting; 4]> {
    let vendors = |posting: &&Posting| posting.account.kind == AccountKind::VendorSales;
    let vendors: smallvec::SmallVec<[Posting; 4]> =
        record.entry.postings().iter().filter(vendors).copied().collect();
    let Some(account) = vendors.first().map(|posting| posting.account) else { return vendors };
    let owner = record.envelope.wallet.map_or(0, crate::ids::WalletNumber::get);
    let purses = PURSES.into_iter().zip(from).filter(|(_, minor)| *minor != 0);
    let of_purse = |(kind, minor)| Posting {
        account: crate::account::Account::new(kind, owner, account.currency),
        minor,
    };
    vendors.into_iter().chain(purses.map(of_purse)).collect()
}
