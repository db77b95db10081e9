//! A good ledger whose shards have paid each other: the records of messages, built by hand.

use ledger::account::AccountKind;
use ledger::entry::Entry;
use ledger::ids::{FestivalId, ShardId, VendorId, WalletNumber};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Mail, Message, Record, Sent, Taken};

use super::{Ledger, Tender, VENDOR, decline, deed, good, id, open, posting, top_up, versions};

/// The code of a return that nobody could decide.
pub const UNDELIVERABLE: u8 = 13;
/// What a declined transfer says.
pub const OVER_CAP: u8 = 2;

/// The owner of the money on its way from one shard to another.
pub fn transit(from: u16, to: u16) -> u64 {
    u64::from(from) << 16 | u64::from(to)
}

fn wallet(number: u64) -> WalletNumber {
    WalletNumber::new(number).unwrap()
}

pub fn transfer(payer: u64, payee: u64, amount: i64) -> Message {
    let (payer, payee) = (wallet(payer), wallet(payee));
    Message::Transfer { festival: FestivalId(1), payer, payee, currency: Currency::EUR, amount }
}

pub fn sweep(amount: i64) -> Message {
    let vendor = VendorId::new(u32::try_from(VENDOR).unwrap()).unwrap();
    Message::Swept { vendor, currency: Currency::EUR, amount }
}

pub fn returned(number: u64, why: u8, message: Message) -> Message {
    Message::Returned { number, why: decline(why).unwrap(), message: Box::new(message) }
}

pub fn sent(to: u16, number: u64, message: Message) -> Sent {
    Sent { to: ShardId(to), number, message }
}

/// The mail of a record, which has some.
pub fn mail(record: &mut Record) -> &mut Mail {
    record.envelope.mail.get_or_insert_default()
}

fn with_mail(mut record: Record, taken: Option<(u16, u64)>, sent: Option<Sent>) -> Record {
    let taken = taken.map(|(from, number)| Taken { from: ShardId(from), number });
    record.envelope.mail = Some(Box::new(Mail { taken, sent: sent.into_iter().collect() }));
    record
}

/// Wallets live in shard `number mod 2`.
fn home(wallet: u64) -> u16 {
    u16::try_from(wallet % 2).unwrap()
}

/// A transfer from `payer` as message `number` of its channel, under request `counter` of the desk.
pub fn transfer_sent(payer: u64, payee: u64, amount: i64, number: u64, counter: u64) -> Record {
    let (from, to) = (home(payer), home(payee));
    let moved = [
        posting(AccountKind::WalletPaid, payer, amount),
        posting(AccountKind::Transit, transit(from, to), -amount),
    ];
    let body = Body::TransferSent { payee: wallet(payee), amount };
    let message = sent(to, number, transfer(payer, payee, amount));
    with_mail(deed(payer, id(501, counter), body, &moved), None, Some(message))
}

/// The record that takes `message`; `of` is the wallet it is about, `moved` what it posts.
pub fn delivered(
    of: Option<u64>,
    taken: (u16, u64),
    message: Message,
    moved: &[(AccountKind, u64, i64)],
) -> Record {
    let postings = moved.iter().map(|(kind, owner, minor)| posting(*kind, *owner, *minor));
    let envelope = Envelope { wallet: of.and_then(WalletNumber::new), ..versions() };
    let entry = Entry::new(postings).unwrap();
    let record = Record { entry, envelope, ..super::fact(Body::Delivered { message }) };
    with_mail(record, Some(taken), None)
}

/// A transfer that arrives.
pub fn arrived(payer: u64, payee: u64, amount: i64, number: u64) -> Record {
    let (from, to) = (home(payer), home(payee));
    let moved =
        [(AccountKind::Transit, transit(from, to), amount), (AccountKind::WalletPaid, payee, -amount)];
    delivered(Some(payee), (from, number), transfer(payer, payee, amount), &moved)
}

/// A transfer that is declined and goes back as message `back` of the other channel.
pub fn turned_away(payer: u64, payee: u64, amount: i64, number: u64, back: u64) -> Record {
    let message = transfer(payer, payee, amount);
    let mut record = delivered(Some(payee), (home(payer), number), message.clone(), &[]);
    record.decline = decline(OVER_CAP);
    mail(&mut record).sent.push(sent(home(payer), back, returned(number, OVER_CAP, message)));
    record
}

/// A transfer for a wallet that nobody opened.
pub fn buried(payer: u64, payee: u64, amount: i64, number: u64, back: u64) -> Record {
    let message = transfer(payer, payee, amount);
    let mut record = delivered(Some(payee), (home(payer), number), message.clone(), &[]);
    record.body = Body::DeadLettered { message: message.clone() };
    mail(&mut record).sent.push(sent(home(payer), back, returned(number, UNDELIVERABLE, message)));
    record
}

/// A transfer of number `sent` that comes back as message `number`.
pub fn came_back(payer: u64, payee: u64, amount: i64, sent: u64, number: u64, why: u8) -> Record {
    let (from, to) = (home(payer), home(payee));
    let moved =
        [(AccountKind::Transit, transit(from, to), amount), (AccountKind::WalletPaid, payer, -amount)];
    delivered(Some(payer), (to, number), returned(sent, why, transfer(payer, payee, amount)), &moved)
}

/// The vendor's sales of `from` leave for its home, shard 1.
pub fn swept(from: u16, number: u64, amount: i64) -> Record {
    let vendor = VendorId::new(u32::try_from(VENDOR).unwrap()).unwrap();
    let moved = [
        posting(AccountKind::VendorSales, VENDOR, amount),
        posting(AccountKind::Transit, transit(from, 1), -amount),
    ];
    let entry = Entry::new(moved).unwrap();
    let record = Record { entry, envelope: versions(), ..super::fact(Body::Swept { vendor, amount }) };
    with_mail(record, None, Some(sent(1, number, sweep(amount))))
}

/// Those sales arrive.
pub fn brought_home(from: u16, number: u64, amount: i64) -> Record {
    let moved =
        [(AccountKind::Transit, transit(from, 1), amount), (AccountKind::VendorHome, VENDOR, -amount)];
    delivered(None, (from, number), sweep(amount), &moved)
}

pub fn acknowledged(to: u16, up_to: u64) -> Record {
    Record { envelope: versions(), ..super::fact(Body::Acknowledged { to: ShardId(to), up_to }) }
}

/// The good ledger, and then: wallet 2 of shard 0 pays wallet 3 of shard 1 (arrives, declined) and
/// wallet 7 (nobody there), both come back; wallet 3 pays wallet 9 of its own shard; the vendor's
/// sales are swept home; one more transfer is on its way at the end.
///
/// Shard 0 goes on in block 3 from record 22: 22 to 24 transfers 1 to 3, 25 sweep 4, 26 and 27 the
/// returns, 28 acknowledges, 29 transfer 5. Shard 1 in block 1 from record 11: 11 opening, 12 arrival,
/// 13 decline, 14 burial, 15 sweep home, 16 transfer 1 to itself, 17 its arrival, 18 acknowledges.
pub fn corresponding() -> Ledger {
    let mut ledger = good();
    for (payee, amount, number) in [(3, 300, 1), (3, 400, 2), (7, 500, 3)] {
        ledger.push(0, transfer_sent(2, payee, amount, number, 20 + number));
    }
    ledger.push(0, swept(0, 4, 2_350));
    ledger.push(1, open(9, id(501, 30)));
    ledger.push(1, arrived(2, 3, 300, 1));
    ledger.push(1, turned_away(2, 3, 400, 2, 1));
    ledger.push(1, buried(2, 7, 500, 3, 2));
    ledger.push(1, brought_home(0, 4, 2_350));
    ledger.push(1, transfer_sent(3, 9, 250, 1, 31));
    ledger.push(1, arrived(3, 9, 250, 1));
    ledger.push(1, acknowledged(1, 1));
    ledger.push(0, came_back(2, 3, 400, 2, 1, OVER_CAP));
    ledger.push(0, came_back(2, 7, 500, 3, 2, UNDELIVERABLE));
    ledger.push(0, acknowledged(1, 4));
    ledger.push(0, transfer_sent(2, 3, 100, 5, 32));
    ledger
}

/// Money enough for what a test spends besides.
pub fn filled(ledger: &mut Ledger) {
    ledger.push(0, top_up(2, id(501, 40), Tender::Cash, 5_000));
}
