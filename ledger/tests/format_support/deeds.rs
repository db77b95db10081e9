//! The examples of `FORMAT.md` about tags, holds, allowances, payouts and configuration on its way.

use ledger::account::AccountKind;
use ledger::ids::{FestivalId, Office, RequestId, ShardId, TagNumber, VendorId, Version, WalletNumber};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Mail, Message, Record, Sent, Taken};

use super::examples::{DESK, SHARD, VENDOR, WALLET, asked, entry, plain, purchase, versions};

/// A second band, of shard 4 as well, whose wallet lies in shard 9.
const BAND: u64 = 0x6aa0_91b2_73ce_0d24;
const FRIEND: u64 = 0x77c4_0b5e_02d1_9a69;
const OTHER: ShardId = ShardId(9);
const CHECK: u64 = 0x0b16_b00b_5a1d_2c3e;

fn wallet(number: u64) -> WalletNumber {
    WalletNumber::new(number).unwrap()
}

fn tag(number: u64) -> TagNumber {
    TagNumber::new(number).unwrap()
}

fn transit(from: ShardId, to: ShardId) -> u64 {
    u64::from(from.0) << 16 | u64::from(to.0)
}

fn sending(mut record: Record, sent: impl IntoIterator<Item = (u64, Message)>) -> Record {
    let sent = sent.into_iter().map(|(number, message)| Sent { to: OTHER, number, message }).collect();
    record.envelope.mail = Some(Box::new(Mail { taken: None, sent }));
    record
}

fn moving<const N: usize>(record: Record, postings: [(AccountKind, u64, i64); N]) -> Record {
    Record { entry: entry(postings), ..record }
}

fn paired() -> Record {
    let (band, lost) = (tag(BAND), tag(FRIEND));
    let envelope = Envelope { wallet: Some(band.as_wallet()), ..asked(501, 110, DESK, 200_000_000) };
    let body = Body::TagPaired { check: CHECK, wallet: wallet(FRIEND), replaces: Some(lost) };
    let message = Message::Paired {
        festival: FestivalId(1),
        tag: band,
        check: CHECK,
        wallet: wallet(FRIEND),
        replaces: Some(lost),
    };
    sending(plain(200_000_000, envelope, body), [(5, message)])
}

fn hold() -> RequestId {
    asked(41_394, 1_300, 0, 0).request.unwrap()
}

fn held() -> Record {
    let body = Body::Held { amount: 4_000, seconds: 14_400 };
    let record = plain(210_000_000, asked(41_394, 1_300, 212, 210_000_000), body);
    moving(
        record,
        [
            (AccountKind::WalletBonus, WALLET, 500),
            (AccountKind::WalletPaid, WALLET, 3_500),
            (AccountKind::WalletHeld, WALLET, -4_000),
        ],
    )
}

/// 23.50 EUR of the 40.00 EUR held; 16.50 EUR go back.
fn captured() -> Record {
    let Body::Purchased { lines, taxes, .. } = purchase(1_301, 0).body else { panic!("a purchase") };
    let body = Body::Captured { hold: hold(), lines, taxes, from: [1_850, 500, 0] };
    let record = plain(220_000_000, asked(41_394, 1_301, 212, 220_000_000), body);
    moving(
        record,
        [
            (AccountKind::WalletHeld, WALLET, 4_000),
            (AccountKind::WalletPaid, WALLET, -1_650),
            (AccountKind::VendorSales, VENDOR, -2_350),
        ],
    )
}

fn given_back(record: Record) -> Record {
    moving(
        record,
        [
            (AccountKind::WalletHeld, WALLET, 4_000),
            (AccountKind::WalletBonus, WALLET, -500),
            (AccountKind::WalletPaid, WALLET, -3_500),
        ],
    )
}

fn allowance() -> Record {
    let body = Body::AllowanceSet { child: wallet(FRIEND), target: 2_000, mark: 500 };
    let record = plain(240_000_000, asked(501, 111, DESK, 240_000_000), body);
    let message = brings(WALLET, FRIEND, [2_000, 500], 2_000);
    let moved =
        [(AccountKind::WalletPaid, WALLET, 2_000), (AccountKind::Transit, transit(SHARD, OTHER), -2_000)];
    moving(sending(record, [(6, message)]), moved)
}

/// An allowance from one wallet to the other on the terms given: its target and its mark.
fn brings(parent: u64, child: u64, [target, mark]: [i64; 2], amount: i64) -> Message {
    let (parent, child, currency) = (wallet(parent), wallet(child), Currency::EUR);
    Message::Allowance { festival: FestivalId(1), parent, child, target, mark, currency, amount }
}

/// The child's wallet asks, and the parent's pays in the record that takes the message.
fn filled_up() -> Record {
    let (parent, child) = (wallet(WALLET), wallet(FRIEND));
    let currency = Currency::EUR;
    let message = Message::AllowanceAsked { festival: FestivalId(1), child, parent, currency, amount: 1_600 };
    let envelope = Envelope { wallet: Some(parent), ..versions() };
    let record = plain(250_000_000, envelope, Body::Delivered { message });
    let mut record = sending(record, [(7, brings(WALLET, FRIEND, [2_000, 500], 1_600))]);
    record.envelope.mail.as_mut().unwrap().taken = Some(Taken { from: OTHER, number: 5 });
    let moved =
        [(AccountKind::WalletPaid, WALLET, 1_600), (AccountKind::Transit, transit(SHARD, OTHER), -1_600)];
    moving(record, moved)
}

fn allowance_returned() -> Record {
    let envelope = Envelope { wallet: WalletNumber::new(WALLET), ..versions() };
    let body = Body::AllowanceReturned { parent: wallet(FRIEND), amount: 900 };
    let back = brings(WALLET, FRIEND, [0, 0], 900);
    let record = sending(plain(260_000_000, envelope, body), [(8, back)]);
    let moved = [(AccountKind::WalletPaid, WALLET, 900), (AccountKind::Transit, transit(SHARD, OTHER), -900)];
    moving(record, moved)
}

fn paid_out() -> Record {
    let vendor = VendorId::new(u32::try_from(VENDOR).unwrap()).unwrap();
    let office = Office::Vendor(vendor).number();
    let envelope = Envelope { wallet: Some(office), till: None, ..asked(502, 7, DESK, 270_000_000) };
    let record = plain(270_000_000, envelope, Body::PaidOut { amount: 250_000 });
    let moved = [(AccountKind::VendorHome, VENDOR, 250_000), (AccountKind::PayoutsDue, VENDOR, -250_000)];
    moving(record, moved)
}

fn told() -> Record {
    let bytes = b"the festival, changed".to_vec();
    let hash = *blake3::hash(&bytes).as_bytes();
    let version = Version::new(2).unwrap();
    let part = Message::ConfigurationPart { version, part: 0, bytes };
    let order = Message::ConfigurationOrder { version, parts: 1, hash };
    sending(plain(280_000_000, versions(), Body::Told), [(9, part), (10, order)])
}

pub fn records() -> Vec<(&'static str, Record)> {
    let set = Body::TagSet { tag: tag(WALLET), blocked: true };
    let released =
        plain(230_000_000, asked(41_394, 1_302, 212, 230_000_000), Body::HoldReleased { hold: hold() });
    let owner = Envelope { wallet: WalletNumber::new(WALLET), ..versions() };
    let expired = plain(231_000_000, owner, Body::HoldExpired { hold: hold() });
    vec![
        ("tag-paired", paired()),
        ("tag-set", plain(205_000_000, asked(501, 112, DESK, 205_000_000), set)),
        ("held", held()),
        ("captured", captured()),
        ("hold-released", given_back(released)),
        ("hold-expired", given_back(expired)),
        ("allowance-set", allowance()),
        ("delivered-asked", filled_up()),
        ("allowance-returned", allowance_returned()),
        ("paid-out", paid_out()),
        ("told", told()),
    ]
}
