//! A good ledger in which wallet 2 of shard 0 keeps wallet 3 of shard 1 in money: the records by hand.

use ledger::account::AccountKind;
use ledger::ids::FestivalId;
use ledger::money::Currency;
use ledger::record::{Body, Message, Record};

use super::messages::{delivered, filled, mail, sent, transit};
use super::{Ledger, decline, deed, good, id, posting, purchase, versions, wallet};

fn home(wallet: u64) -> u16 {
    u16::try_from(wallet % 2).unwrap()
}

pub fn allowance(parent: u64, child: u64, target: i64, amount: i64) -> Message {
    let (festival, currency) = (FestivalId(1), Currency::EUR);
    let (parent, child, mark) = (wallet(parent), wallet(child), target / 4);
    Message::Allowance { festival, parent, child, target, mark, currency, amount }
}

pub fn asked(child: u64, parent: u64, amount: i64) -> Message {
    let (festival, currency) = (FestivalId(1), Currency::EUR);
    Message::AllowanceAsked { festival, child: wallet(child), parent: wallet(parent), currency, amount }
}

fn leaves(from: u64, to: u64, amount: i64) -> Vec<ledger::entry::Posting> {
    let way = transit(home(from), home(to));
    let both = [(AccountKind::WalletPaid, from, amount), (AccountKind::Transit, way, -amount)];
    both.into_iter().filter(|_| amount != 0).map(|(kind, owner, minor)| posting(kind, owner, minor)).collect()
}

/// Set, changed or ended as message `number` of its channel, under request `counter` of the desk.
pub fn set(parent: u64, child: u64, target: i64, amount: i64, number: u64, counter: u64) -> Record {
    let body = Body::AllowanceSet { child: wallet(child), target, mark: target / 4 };
    let mut record = deed(parent, id(501, counter), body, &leaves(parent, child, amount));
    mail(&mut record).sent.push(sent(home(child), number, allowance(parent, child, target, amount)));
    record
}

/// What a set or a filling brings.
pub fn brought(parent: u64, child: u64, target: i64, amount: i64, number: u64) -> Record {
    let way = transit(home(parent), home(child));
    let moved = [(AccountKind::Transit, way, amount), (AccountKind::WalletPaid, child, -amount)];
    let moved = if amount == 0 { &[][..] } else { &moved };
    delivered(Some(child), (home(parent), number), allowance(parent, child, target, amount), moved)
}

/// A sale of the child that asks for more.
pub fn asking(child: u64, parent: u64, amount: i64, number: u64, counter: u64) -> Record {
    let mut sold = purchase(child, id(41_395, counter), 0);
    mail(&mut sold).sent.push(sent(home(parent), number, asked(child, parent, amount)));
    sold
}

/// The parent is asked by message `number` and pays `amount` as message `back`.
pub fn fills(parent: u64, child: u64, wanted: i64, amount: i64, number: u64, back: u64) -> Record {
    let message = asked(child, parent, wanted);
    let mut record = delivered(Some(parent), (home(child), number), message, &[]);
    record.entry = ledger::entry::Entry::new(leaves(parent, child, amount)).unwrap();
    mail(&mut record).sent.push(sent(home(child), back, allowance(parent, child, 2_000, amount)));
    record
}

fn back(child: u64, parent: u64, amount: i64) -> Message {
    allowance(child, parent, 0, amount)
}

/// What went back, at who gave it.
pub fn is_back(child: u64, parent: u64, amount: i64, number: u64) -> Record {
    brought(child, parent, 0, amount, number)
}

/// What is left goes back as message `number`.
pub fn gives_back(child: u64, parent: u64, amount: i64, number: u64) -> Record {
    let body = Body::AllowanceReturned { parent: wallet(parent), amount };
    let moved = deed(child, id(1, 1), Body::Released, &leaves(child, parent, amount));
    let mut record = Record { entry: moved.entry, envelope: versions(), ..super::fact(body) };
    record.envelope.wallet = Some(wallet(child));
    mail(&mut record).sent.push(sent(home(parent), number, back(child, parent, amount)));
    record
}

/// The good ledger, money for wallet 2 (record 22 of shard 0), and an allowance from its setting to its end.
///
/// Shard 0 from record 23: set, asked and paid, ended, what comes back. Shard 1 from record 11: brought,
/// a sale that asks, brought, ended, gives back.
pub fn allowed() -> Ledger {
    let mut ledger = good();
    filled(&mut ledger);
    ledger.push(0, set(2, 3, 2_000, 2_000, 1, 60));
    ledger.push(1, brought(2, 3, 2_000, 2_000, 1));
    ledger.push(1, asking(3, 2, 1_500, 1, 60));
    ledger.push(0, fills(2, 3, 1_500, 1_500, 1, 2));
    ledger.push(1, brought(2, 3, 2_000, 1_500, 2));
    ledger.push(0, set(2, 3, 0, 0, 3, 61));
    ledger.push(1, brought(2, 3, 0, 0, 3));
    ledger.push(1, gives_back(3, 2, 900, 2));
    ledger.push(0, is_back(3, 2, 900, 2));
    ledger
}

/// An asking that is declined with `why`, as message `back`.
pub fn refused(parent: u64, child: u64, wanted: i64, number: u64, back: u64, why: u8) -> Record {
    let message = asked(child, parent, wanted);
    let mut record = delivered(Some(parent), (home(child), number), message.clone(), &[]);
    record.decline = decline(why);
    mail(&mut record).sent.push(sent(home(child), back, super::messages::returned(number, why, message)));
    record
}

/// That asking, back at who asked.
pub fn back_unanswered(parent: u64, child: u64, wanted: i64, asking: u64, number: u64, why: u8) -> Record {
    let message = super::messages::returned(asking, why, asked(child, parent, wanted));
    delivered(Some(child), (home(parent), number), message, &[])
}
