//! L2: no purse and no vendor's home passes its floor, and no sweep takes a vendor's stripe below nothing. The shadow (the engine's own `apply`) and the book (a naive sum of
//! postings) must agree about every wallet that a record touches.

use ledger::account::AccountKind;
use ledger::ids::ShardId;
use ledger::law::Law;
use ledger::record::{Body, Record};

use super::book::Book;
use super::conservation::Conservation;
use super::holds;
use super::shadow::Shadow;
use super::{Seen, Verdict, Violation};

/// A sweep, once its postings are in the sums: a void may leave a stripe in debt, a sweep may not.
pub fn swept(seen: &Seen<'_>, sums: &Conservation) -> Verdict {
    let Body::Swept { .. } = seen.record.body else { return Ok(()) };
    let postings = seen.record.entry.postings().iter();
    for posting in postings.filter(|posting| posting.account.kind == AccountKind::VendorSales) {
        let held = sums.held(seen.shard, posting.account);
        if held < 0 {
            let place = format!("shard {} record {}", seen.shard, seen.number);
            let what = format!("{place}: a sweep leaves {held} on the {}", posting.account);
            return Err(Violation::new(Law::Floors, what));
        }
    }
    Ok(())
}

/// After a record of `shard`.
pub fn record(shard: ShardId, number: u64, record: &Record, book: &Book, shadow: &Shadow) -> Verdict {
    for posting in record.entry.postings().iter().filter(|p| p.account.kind == AccountKind::VendorHome) {
        let home = book.home(posting.account.owner, number + 1);
        if home < 0 {
            let what = format!("shard {shard} record {number}: {} holds {home}", posting.account);
            return Err(Violation::new(Law::Floors, what));
        }
    }
    let Some(wallet) = record.envelope.wallet else { return Ok(()) };
    let purses = book.purses(wallet.get(), number + 1).unwrap_or_default();
    let replica = shadow.states()[usize::from(shard.0)].balances(wallet).unwrap_or_default();
    let applied = [replica.paid, replica.bonus, replica.deposit];
    let place = format!("shard {shard} record {number} wallet {wallet}");
    above(&place, purses)?;
    same(&place, purses, applied)?;
    let page = book.page(wallet.get(), number + 1);
    let held = page.map_or(0, |page| holds::held(page, number + 1).1);
    let applied = shadow.states()[usize::from(shard.0)].held(wallet);
    same(&place, [held, 0, 0], [applied, 0, 0])
}

fn above(place: &str, purses: [i64; 3]) -> Verdict {
    if purses.iter().all(|purse| *purse >= 0) {
        return Ok(());
    }
    Err(Violation::new(Law::Floors, format!("{place}: purses are {purses:?}")))
}

fn same(place: &str, purses: [i64; 3], applied: [i64; 3]) -> Verdict {
    if purses == applied {
        return Ok(());
    }
    let what = format!("{place}: postings sum up to {purses:?}, the actor holds {applied:?}");
    Err(Violation::new(Law::Replay, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purse_below_zero_and_a_purse_that_differs_are_named() {
        assert_eq!(above("here", [0, 3, 0]), Ok(()));
        assert_eq!(above("here", [5, -1, 0]).unwrap_err().law, Law::Floors);
        assert_eq!(same("here", [5, 0, 0], [5, 0, 0]), Ok(()));
        assert_eq!(same("here", [5, 0, 0], [0, 5, 0]).unwrap_err().law, Law::Replay);
    }
}
