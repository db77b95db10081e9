//! The examples of messages in `FORMAT.md`: shard 4 pays shard 9, and hears from it.

use ledger::account::AccountKind;
use ledger::entry::Entry;
use ledger::ids::{FestivalId, ShardId, VendorId, WalletNumber};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Mail, Message, Record, Sent, Taken};

use super::examples::{DESK, SHARD, VENDOR, WALLET, asked, decline, entry, plain, versions};

const OTHER: ShardId = ShardId(9);
const FRIEND: u64 = 0x77c4_0b5e_02d1_9a69;

fn wallet(number: u64) -> WalletNumber {
    WalletNumber::new(number).unwrap()
}

fn transfer(payer: u64, payee: u64, amount: i64) -> Message {
    let (payer, payee) = (wallet(payer), wallet(payee));
    Message::Transfer { festival: FestivalId(1), payer, payee, currency: Currency::EUR, amount }
}

fn transit(from: ShardId, to: ShardId) -> u64 {
    u64::from(from.0) << 16 | u64::from(to.0)
}

fn mail(taken: Option<u64>, sent: Option<(u64, Message)>) -> Mail {
    let taken = taken.map(|number| Taken { from: OTHER, number });
    let sent = sent.map(|(number, message)| Sent { to: OTHER, number, message });
    Mail { taken, sent: sent.into_iter().collect() }
}

fn returned(number: u64, code: u8, message: Message) -> Message {
    Message::Returned { number, why: decline(code).unwrap(), message: Box::new(message) }
}

fn sent() -> Record {
    let envelope = Envelope {
        mail: Some(Box::new(mail(None, Some((1, transfer(WALLET, FRIEND, 1_500)))))),
        ..asked(501, 95, DESK, 100_000_000)
    };
    let body = Body::TransferSent { payee: wallet(FRIEND), amount: 1_500 };
    let moved =
        [(AccountKind::WalletPaid, WALLET, 1_500), (AccountKind::Transit, transit(SHARD, OTHER), -1_500)];
    Record { entry: entry(moved), ..plain(100_000_000, envelope, body) }
}

fn delivered(micros: i64, of: u64, mail: Mail, message: Message, moved: Entry) -> Record {
    let envelope = Envelope { wallet: WalletNumber::new(of), mail: Some(Box::new(mail)), ..versions() };
    Record { entry: moved, ..plain(micros, envelope, Body::Delivered { message }) }
}

fn swept() -> Record {
    let vendor = VendorId::new(u32::try_from(VENDOR).unwrap()).unwrap();
    let message = Message::Swept { vendor, currency: Currency::EUR, amount: 2_350 };
    let home = ShardId(17);
    let sent = std::iter::once(Sent { to: home, number: 1, message }).collect();
    let envelope = Envelope { mail: Some(Box::new(Mail { taken: None, sent })), ..versions() };
    let moved =
        [(AccountKind::VendorSales, VENDOR, 2_350), (AccountKind::Transit, transit(SHARD, home), -2_350)];
    Record { entry: entry(moved), ..plain(120_000_000, envelope, Body::Swept { vendor, amount: 2_350 }) }
}

pub fn records() -> Vec<(&'static str, Record)> {
    let arriving = || transfer(FRIEND, WALLET, 800);
    let own = transfer(WALLET, FRIEND, 1_500);
    let arrived =
        entry([(AccountKind::Transit, transit(OTHER, SHARD), 800), (AccountKind::WalletPaid, WALLET, -800)]);
    let back = entry([
        (AccountKind::Transit, transit(SHARD, OTHER), 1_500),
        (AccountKind::WalletPaid, WALLET, -1_500),
    ]);
    let too_much = mail(Some(2), Some((3, returned(2, 2, arriving()))));
    let declined =
        Record { decline: decline(2), ..delivered(106_000_000, WALLET, too_much, arriving(), Entry::none()) };
    let nobody = transfer(FRIEND, WALLET + 32, 300);
    let buried = Envelope {
        wallet: WalletNumber::new(WALLET + 32),
        mail: Some(Box::new(mail(Some(3), Some((4, returned(3, 13, nobody.clone())))))),
        ..versions()
    };
    let acknowledged = Body::Acknowledged { to: OTHER, up_to: 2 };
    vec![
        ("transfer-sent", sent()),
        ("delivered", delivered(105_000_000, WALLET, mail(Some(1), None), arriving(), arrived)),
        ("delivered-declined", declined),
        ("dead-lettered", plain(107_000_000, buried, Body::DeadLettered { message: nobody })),
        (
            "delivered-returned",
            delivered(108_000_000, WALLET, mail(Some(4), None), returned(1, 13, own), back),
        ),
        ("acknowledged", plain(110_000_000, versions(), acknowledged)),
        ("swept", swept()),
    ]
}
