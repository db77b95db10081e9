//! L5 for messages that nobody could decide: one is buried as a dead letter only where nobody is there to take
//! it, or where it makes whoever decides it panic, and such a one is always buried. Money is kept to be claimed
//! only where it came back and its owner cannot have it. From the durable records alone.

use ledger::account::AccountKind;
use ledger::ids::WalletNumber;
use ledger::law::Law;
use ledger::mutant;
use ledger::record::{Body, Message};

use super::{Seen, Verdict, Violation};
use crate::world::tally::Row;

/// What was buried so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Buried {
    dead: u64,
    poisoned: u64,
    given_back: u64,
    unclaimed: u64,
}

impl Buried {
    /// Takes in a record.
    pub fn record(&mut self, seen: &Seen<'_>) -> Verdict {
        self.judge(seen).map_err(|what| {
            let place = format!("shard {} record {}", seen.shard, seen.number);
            Violation::new(Law::WholeOrNothing, format!("{place}: {what}: {:?}", seen.record))
        })
    }

    fn judge(&mut self, seen: &Seen<'_>) -> Result<(), &'static str> {
        let (message, dead) = match &seen.record.body {
            Body::DeadLettered { message } => (message, true),
            Body::Delivered { message } => (message, false),
            _ => return Ok(()),
        };
        let poisoned = mutant::poison_of(message).is_some();
        self.dead += u64::from(dead);
        self.poisoned += u64::from(dead && poisoned);
        self.given_back += u64::from(dead && message.gives_back());
        let may = |wallet: WalletNumber| {
            let page = seen.book.page(wallet.get(), seen.number);
            page.is_some_and(|page| page.is_open_at(seen.number) && !page.is_quarantined_at(seen.number))
        };
        match (dead, addressee(message)) {
            (true, Some(wallet)) if may(wallet) && !poisoned => {
                return Err("is buried, and its addressee is there");
            }
            (true, None) => return Err("is buried, and it lands anywhere"),
            (false, Some(_)) if poisoned => return Err("took effect, and it makes whoever decides it panic"),
            _ => {}
        }
        self.kept_to_be_claimed(seen, message, poisoned)
    }

    fn kept_to_be_claimed(
        &mut self,
        seen: &Seen<'_>,
        message: &Message,
        poisoned: bool,
    ) -> Result<(), &'static str> {
        let mut kept =
            seen.record.entry.postings().iter().filter(|p| p.account.kind == AccountKind::Unclaimed);
        let Some(posting) = kept.next() else {
            let lost = poisoned && message.is_return() && message.money().is_some();
            return if lost {
                Err("nobody could decide it, and its money is kept for nobody")
            } else {
                Ok(())
            };
        };
        self.unclaimed += 1;
        let page = seen.book.page(posting.account.owner, seen.number);
        let there = page.is_some_and(|page| page.is_open_at(seen.number));
        let comes_home = message.is_return() || message.gives_back();
        if comes_home && (poisoned || !there) {
            Ok(())
        } else {
            Err("its money is kept to be claimed, and its owner is there to have it")
        }
    }

    /// Dead letters, those that panicked, what was left of allowances among them, money kept to be claimed.
    pub const fn counts(&self) -> [(Row, u64); 4] {
        let Self { dead, poisoned, given_back, unclaimed } = *self;
        [
            (Row::DeadLetter, dead),
            (Row::DeadPoisoned, poisoned),
            (Row::DeadGivenBack, given_back),
            (Row::Unclaimed, unclaimed),
        ]
    }
}

/// Whom a message is for, where it needs one who is there.
fn addressee(message: &Message) -> Option<WalletNumber> {
    match message {
        Message::Transfer { payee, .. } => Some(*payee),
        Message::Paired { wallet, .. } => Some(*wallet),
        Message::Allowance { child, .. } => Some(*child),
        Message::AllowanceAsked { parent, .. } => Some(*parent),
        Message::Swept { .. }
        | Message::ConfigurationPart { .. }
        | Message::ConfigurationOrder { .. }
        | Message::Returned { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ledger::account::Account;
    use ledger::entry::{Entry, Posting};
    use ledger::ids::{At, ShardId};
    use ledger::money::Currency;
    use ledger::record::{Envelope, Record};

    use super::*;
    use crate::laws::book::Book;
    use crate::world::fixture;

    const PAYER: u64 = 1 << 40;
    const PAYEE: u64 = 1 << 41;

    fn wallet(number: u64) -> WalletNumber {
        WalletNumber::new(number).unwrap()
    }

    fn sent(amount: i64) -> Message {
        Message::Transfer {
            festival: fixture::FESTIVAL,
            payer: wallet(PAYER),
            payee: wallet(PAYEE),
            currency: Currency::EUR,
            amount,
        }
    }

    fn back(message: Message) -> Message {
        let why = actors::codes::Decline::Undeliverable.to_record().unwrap();
        Message::Returned { number: 1, why, message: Box::new(message) }
    }

    fn record(of: u64, body: Body, unclaimed: i64) -> Record {
        let envelope = Envelope { wallet: WalletNumber::new(of), ..Envelope::default() };
        let mut record = Record::fact(At(1), envelope, body);
        let account = |kind| Account::new(kind, of, Currency::EUR);
        let moved = [
            Posting { account: account(AccountKind::Transit), minor: unclaimed },
            Posting { account: account(AccountKind::Unclaimed), minor: -unclaimed },
        ];
        record.entry = Entry::new(moved.into_iter().filter(|posting| posting.minor != 0)).unwrap();
        record
    }

    /// What the law says of a record behind the openings of these wallets.
    fn judged(there: &[u64], record: &Record) -> (Verdict, Buried) {
        let mut book = Book::new(Arc::new(fixture::festival(true).unwrap()), 1);
        for (number, of) in (0..).zip(there) {
            let opened = Body::WalletOpened { check: 7, festival: fixture::FESTIVAL };
            book.enter(ShardId(0), number, &self::record(*of, opened, 0));
        }
        let number = there.len() as u64;
        let (shard, block, asked, festival) = (ShardId(0), 0, &[][..], None);
        let seen = Seen { shard, block, number, record, book: &book, asked, festival };
        let mut buried = Buried::default();
        (buried.record(&seen), buried)
    }

    /// Money that a friend sent went back although the payee stood there, or lay in no purse though its owner did.
    #[test]
    fn what_somebody_could_take_is_not_buried_and_what_has_an_owner_is_not_kept_to_be_claimed() {
        let dead = record(PAYEE, Body::DeadLettered { message: sent(5) }, 0);
        assert_eq!(judged(&[PAYEE], &dead).0.unwrap_err().law, Law::WholeOrNothing);
        let (verdict, buried) = judged(&[PAYER], &dead);
        assert_eq!((verdict, buried.counts()[0]), (Ok(()), (Row::DeadLetter, 1)));
        let kept = record(PAYER, Body::Delivered { message: back(sent(5)) }, 5);
        assert_eq!(judged(&[PAYER], &kept).0.unwrap_err().law, Law::WholeOrNothing);
        assert_eq!(judged(&[PAYEE], &kept).0, Ok(()));
        let taken = record(PAYEE, Body::Delivered { message: sent(5) }, 5);
        assert!(judged(&[PAYER], &taken).0.is_err(), "nothing but what came back is kept");
        let returned = record(PAYER, Body::DeadLettered { message: back(sent(5)) }, 0);
        assert!(judged(&[], &returned).0.is_err(), "what came back always lands");
    }

    /// The money of a message that nobody could decide was gone for good.
    #[cfg(feature = "mutants")]
    #[test]
    fn what_panics_is_buried_and_what_comes_back_of_it_and_panics_is_kept_to_be_claimed() {
        use ledger::mutant::{POISON_BOTH_WAYS, POISON_RECEIVE, POISON_TAKE};
        for amount in [POISON_RECEIVE, POISON_TAKE, POISON_BOTH_WAYS] {
            let dead = record(PAYEE, Body::DeadLettered { message: sent(amount) }, 0);
            let (verdict, buried) = judged(&[PAYEE], &dead);
            assert_eq!((verdict, buried.counts()[1]), (Ok(()), (Row::DeadPoisoned, 1)));
            let taken = record(PAYEE, Body::Delivered { message: sent(amount) }, 0);
            assert_eq!(judged(&[PAYEE], &taken).0.unwrap_err().law, Law::WholeOrNothing);
            let home = record(PAYER, Body::Delivered { message: back(sent(amount)) }, 0);
            assert_eq!(judged(&[PAYER], &home).0.is_ok(), amount != POISON_BOTH_WAYS);
            let kept = record(PAYER, Body::Delivered { message: back(sent(amount)) }, amount);
            assert_eq!(judged(&[PAYER], &kept).0.is_ok(), amount == POISON_BOTH_WAYS);
        }
    }
}
