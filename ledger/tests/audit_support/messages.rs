//! A good ledger whose shards have paid each other: the records of messages, built by hand.

use ledger::account::AccountKind;
use ledger::entry::Entry;
use ledger::ids::{FestivalId, ShardId, TagNumber, VendorId};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Mail, Message, Record, Sent, Taken};

use super::{Ledger, Tender, VENDOR, decline, deed, good, id, open, posting, top_up, versions, wallet};

/// The code of a return that nobody could decide.
pub const UNDELIVERABLE: u8 = 13;
/// What a declined transfer says.
pub const OVER_CAP: u8 = 2;

/// The owner of the money on its way from one shard to another.
pub fn transit(from: u16, to: u16) -> u64 {
    u64::from(from) << 16 | u64::from(to)
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
    let envelope = Envelope { wallet: of.map(wallet), ..versions() };
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

/// The tag whose place another takes; 0 for none.
fn old_tag(number: u64) -> Option<TagNumber> {
    (number > 0).then(|| wallet(number).as_tag())
}

pub fn pairing(tag: u64, wallet_number: u64, replaces: u64) -> Message {
    let (tag, check) = (wallet(tag).as_tag(), tag ^ 0xff);
    let (wallet, replaces) = (wallet(wallet_number), old_tag(replaces));
    Message::Paired { festival: FestivalId(1), tag, check, wallet, replaces }
}

/// A tag gives itself to a wallet by message `number` of its channel.
pub fn paired(tag: u64, of: u64, replaces: u64, number: u64, counter: u64) -> Record {
    let body = Body::TagPaired { check: tag ^ 0xff, wallet: wallet(of), replaces: old_tag(replaces) };
    let message = sent(home(of), number, pairing(tag, of, replaces));
    with_mail(deed(tag, id(501, counter), body, &[]), None, Some(message))
}

/// A wallet takes a tag.
pub fn took(tag: u64, of: u64, replaces: u64, number: u64) -> Record {
    delivered(Some(of), (home(tag), number), pairing(tag, of, replaces), &[])
}

/// A tag that nobody could take comes back.
pub fn let_go(tag: u64, of: u64, sent_as: u64, number: u64) -> Record {
    let message = returned(sent_as, UNDELIVERABLE, pairing(tag, of, 0));
    delivered(Some(tag), (home(of), number), message, &[])
}

/// The good ledger, and then wallet 3 of shard 1 and tags of shard 0: it takes tag 6, buys with it, has it
/// blocked and unblocked, takes tag 8 in its place, and declines what is asked with the old one; tag 10
/// is given to a wallet that nobody opened, comes back, and is given to wallet 3.
///
/// Shard 0 goes on from record 22: 22 to 24 pairings 1 to 3, 25 the return, 26 pairing 4. Shard 1 from
/// record 11: 11 takes 6, 12 purchase, 13 and 14 block and unblock, 15 takes 8, 16 declined, 17 burial,
/// 18 takes 10.
pub fn with_tags() -> Ledger {
    let mut ledger = good();
    ledger.push(0, paired(6, 3, 0, 1, 40));
    ledger.push(1, took(6, 3, 0, 1));
    ledger.push(1, by_tag(6, super::purchase(3, id(41_395, 10), 0)));
    ledger.push(1, tag_set(6, 3, true, 41));
    ledger.push(1, tag_set(6, 3, false, 42));
    ledger.push(0, paired(8, 3, 6, 2, 43));
    ledger.push(1, took(8, 3, 6, 2));
    ledger.push(1, super::declined(by_tag(6, super::purchase(3, id(41_395, 11), 0)), 7));
    ledger.push(0, paired(10, 7, 0, 3, 44));
    let mut buried = delivered(Some(7), (0, 3), pairing(10, 7, 0), &[]);
    buried.body = Body::DeadLettered { message: pairing(10, 7, 0) };
    mail(&mut buried).sent.push(sent(0, 1, returned(3, UNDELIVERABLE, pairing(10, 7, 0))));
    ledger.push(1, buried);
    ledger.push(0, let_go(10, 7, 3, 1));
    ledger.push(0, paired(10, 3, 0, 4, 45));
    ledger.push(1, took(10, 3, 0, 4));
    ledger
}

/// A record of a wallet for which another tag than its first stood.
pub fn by_tag(tag: u64, mut record: Record) -> Record {
    record.envelope.tag = Some(wallet(tag).as_tag());
    record
}

pub fn tag_set(tag: u64, of: u64, blocked: bool, counter: u64) -> Record {
    let body = Body::TagSet { tag: wallet(tag).as_tag(), blocked };
    by_tag(tag, deed(of, id(501, counter), body, &[]))
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
