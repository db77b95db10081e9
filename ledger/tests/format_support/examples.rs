//! The examples of `FORMAT.md`: one festival evening in shard 4, by name and in order.

use ledger::account::{Account, AccountKind};
use ledger::block::{Draft, Head, Header};
use ledger::entry::{Entry, Posting};
use ledger::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, OperatorId, RecordNumber, RequestId, ShardId,
    TagNumber, TillId, Version, WalletNumber, ZoneId,
};
use ledger::money::{Currency, VatRate};
use ledger::record::{Body, DeclineCode, Envelope, Genesis, Line, Mode, Prologue, Rare, Record, Tax, Tender};
use std::num::{NonZeroU8, NonZeroU32};

/// 2026-07-03 18:00:00 UTC.
pub const EVENING: At = At(1_783_101_600_000_000);
pub const LEDGER: LedgerId = LedgerId([
    0xfa, 0x4f, 0xa2, 0xe0, 0x11, 0x5b, 0x4c, 0x0d, 0x9e, 0x37, 0x70, 0x21, 0x8c, 0x66, 0xd5, 0x03,
]);
pub const SHARD: ShardId = ShardId(4);
const CONFIGURATION: &[u8] = b"the festival, encoded";
pub const WALLET: u64 = 0x5fd0_c3a9_1be2_f764;
const CHECK: u64 = 0x0b16_b00b_5a1d_2c3e;
const TILL: u32 = 212;
pub const VENDOR: u64 = 17;
pub const DESK: u32 = 9;

/// What the records of the examples share.
pub fn prologue() -> Prologue {
    let one = Version::new(1);
    Prologue { base: EVENING, configuration: one, catalogue: one, policy: one, currency: Currency::EUR }
}

/// What block 0 shares: nothing is adopted yet.
fn first_prologue() -> Prologue {
    Prologue { configuration: None, catalogue: None, policy: None, ..prologue() }
}

fn after(micros: i64) -> At {
    At(EVENING.0 + micros)
}

pub fn versions() -> Envelope {
    let one = Version::new(1);
    Envelope { configuration: one, catalogue: one, policy: one, ..Envelope::default() }
}

/// Request `counter` of `device` about the wallet, claimed 180 ms before the ledger's time.
pub fn asked(device: u32, counter: u64, till: u32, micros: i64) -> Envelope {
    Envelope {
        wallet: WalletNumber::new(WALLET),
        request: RequestId::of(DeviceNumber::new(device).unwrap(), counter),
        content: 0x3c5a_9e17,
        till: TillId::new(till),
        happened: Some(after(micros - 180_000)),
        ..versions()
    }
}

pub fn entry<const N: usize>(postings: [(AccountKind, u64, i64); N]) -> Entry {
    let posting = |(kind, owner, minor)| Posting { account: Account::new(kind, owner, Currency::EUR), minor };
    Entry::new(postings.map(posting)).unwrap()
}

pub fn decline(code: u8) -> Option<DeclineCode> {
    NonZeroU8::new(code).map(DeclineCode)
}

fn rate(percent: &str) -> VatRate {
    VatRate::parse(percent).unwrap()
}

fn line(item: u32, quantity: u16, unit_price: u32, percent: &str) -> Line {
    Line { item: ItemId::new(item).unwrap(), quantity, unit_price, vat: rate(percent) }
}

/// Two lagers and a cup deposit at 20 %, one crepe at 5.5 %: 23.50 EUR.
pub fn three_lines() -> Vec<Line> {
    vec![line(1_204, 2, 650, "20"), line(1_377, 2, 200, "20"), line(1_533, 1, 650, "5.5")]
}

pub fn purchase(counter: u64, micros: i64) -> Record {
    let taxes = [("5.5", 616, 34), ("20", 1_417, 283)];
    let tax = |(percent, base, tax)| Tax { rate: rate(percent), base, tax };
    Record {
        at: after(micros),
        envelope: asked(41_394, counter, TILL, micros),
        body: Body::Purchased {
            lines: three_lines().into_iter().collect(),
            taxes: taxes.map(tax).into_iter().collect(),
            confirmed: false,
        },
        decline: None,
        entry: entry([
            (AccountKind::WalletBonus, WALLET, 500),
            (AccountKind::WalletPaid, WALLET, 1_850),
            (AccountKind::VendorSales, VENDOR, -2_350),
        ]),
    }
}

fn declined_purchase() -> Record {
    let record = purchase(1_208, 31_000_000);
    let Body::Purchased { lines, .. } = record.body else { panic!("a purchase") };
    let body = Body::Purchased { lines, taxes: [].into_iter().collect(), confirmed: true };
    Record { body, decline: decline(1), entry: Entry::none(), ..record }
}

/// A purchase uploaded after an outage, with every field the envelope has.
fn full_purchase() -> Record {
    let mut record = purchase(1_209, 95_000_000);
    let Body::Purchased { confirmed, .. } = &mut record.body else { panic!("a purchase") };
    *confirmed = true;
    let envelope = &mut record.envelope;
    envelope.device = DeviceNumber::new(41_395);
    envelope.operator = OperatorId::new(77);
    envelope.tag = TagNumber::new(0x1122_3344_5566_7788);
    envelope.tag_counter = NonZeroU32::new(23);
    envelope.mode = Mode { offline: true, training: false };
    envelope.happened = Some(after(-3_600_000_000));
    envelope.configuration = Version::new(2);
    envelope.catalogue = Version::new(2);
    envelope.policy = None;
    envelope.replaces = RequestId::of(DeviceNumber::new(41_394).unwrap(), 1_206);
    envelope.rare = Some(Box::new(Rare {
        signature: Some([0x51; 16]),
        order: Some([0x0d; 16]),
        long_id: Some(0xaabb_ccdd_eeff_0011),
        zone: ZoneId::new(3),
    }));
    let chf = Currency::from_alpha("CHF").unwrap();
    let in_chf = |kind, owner, minor| Posting { account: Account::new(kind, owner, chf), minor };
    record.entry = Entry::new([
        in_chf(AccountKind::WalletPaid, WALLET, 2_350),
        in_chf(AccountKind::VendorSales, VENDOR, -2_350),
    ])
    .unwrap();
    record
}

pub fn plain(micros: i64, envelope: Envelope, body: Body) -> Record {
    Record { at: after(micros), envelope, body, decline: None, entry: Entry::none() }
}

fn top_up(counter: u64, micros: i64, tender: Tender, amount: i64) -> Record {
    let (funder, purse) = match tender {
        Tender::Cash => (AccountKind::CashDrawer, AccountKind::WalletPaid),
        Tender::Bonus => (AccountKind::BonusFunder, AccountKind::WalletBonus),
    };
    let moved = entry([(funder, DESK.into(), amount), (purse, WALLET, -amount)]);
    let body = Body::ToppedUp { tender, amount };
    Record { entry: moved, ..plain(micros, asked(501, counter, DESK, micros), body) }
}

fn void() -> Record {
    let envelope = Envelope { operator: OperatorId::new(77), ..asked(501, 93, DESK, 64_000_000) };
    let sale = purchase(1_207, 0);
    let body = Body::Voided { sale: sale.envelope.request.unwrap(), position: Some(RecordNumber(7)) };
    Record { entry: sale.entry.reversed().unwrap(), ..plain(64_000_000, envelope, body) }
}

fn cancel() -> Record {
    let body = Body::Cancelled { position: RecordNumber(6) };
    let moved = top_up(91, 0, Tender::Bonus, 500).entry.reversed().unwrap();
    Record { entry: moved, ..plain(70_000_000, asked(501, 91, DESK, 70_000_000), body) }
}

fn genesis() -> Record {
    let genesis = Genesis { ledger: LEDGER, shards: 32, level: ledger::LEVEL, key_id: [0x4b; 16] };
    plain(0, Envelope::default(), Body::LedgerOpened(genesis))
}

fn staged() -> Record {
    let version = Version::new(1).unwrap();
    let body = Body::ConfigurationStaged { version, part: 0, bytes: CONFIGURATION.to_vec() };
    plain(0, Envelope::default(), body)
}

fn adopted() -> Record {
    let hash = *blake3::hash(CONFIGURATION).as_bytes();
    let body = Body::ConfigurationAdopted { version: Version::new(1).unwrap(), parts: 1, hash };
    plain(0, Envelope::default(), body)
}

fn opened() -> Record {
    let body = Body::WalletOpened { check: CHECK, festival: FestivalId(1) };
    plain(2_500_000, asked(501, 89, DESK, 2_500_000), body)
}

fn epoch_opened() -> Record {
    plain(0, versions(), Body::EpochOpened { epoch: Epoch(1) })
}

/// One golden record: its name in the document, what it shares with its block, the record.
pub struct Example {
    pub name: &'static str,
    pub prologue: Prologue,
    pub record: Record,
}

pub fn records() -> Vec<Example> {
    let first = first_prologue();
    let under = |prologue, name, record| Example { name, prologue, record };
    let on = |name, record| under(prologue(), name, record);
    let refused_void = Record {
        body: Body::Voided { sale: RequestId::new(0x00a1_b200_0000_0001).unwrap(), position: None },
        decline: decline(11),
        entry: Entry::none(),
        ..void()
    };
    let refused_cancel = Record {
        body: Body::Cancelled { position: RecordNumber(5) },
        envelope: asked(501, 90, DESK, 71_000_000),
        at: after(71_000_000),
        decline: decline(10),
        entry: Entry::none(),
    };
    let wallet = || Envelope { wallet: WalletNumber::new(WALLET), ..versions() };
    let burned = Body::Burned { check: CHECK };
    let mut examples = vec![
        under(first, "ledger-opened", genesis()),
        on("epoch-opened", epoch_opened()),
        under(first, "configuration-staged", staged()),
        under(first, "configuration-adopted", adopted()),
        on("wallet-opened", opened()),
        on("topped-up-cash", top_up(90, 3_100_000, Tender::Cash, 5_000)),
        on("topped-up-bonus", top_up(91, 3_600_000, Tender::Bonus, 500)),
        on("purchased", purchase(1_207, 12_345_678)),
        on("purchased-declined", declined_purchase()),
        on("purchased-every-field", full_purchase()),
        on("voided", void()),
        on("voided-declined", refused_void),
        on("cancelled", cancel()),
        on("cancelled-declined", refused_cancel),
        on("burned", plain(80_000_000, asked(41_394, 1_215, TILL, 80_000_000), burned)),
        on("quarantined", plain(90_000_000, wallet(), Body::Quarantined)),
        on("released", plain(91_000_000, wallet(), Body::Released)),
    ];
    let more = super::messages::records().into_iter().chain(super::deeds::records());
    examples.extend(more.map(|(name, record)| on(name, record)));
    examples
}

/// A block of shard 4 on `head`.
fn draft(head: Head, epoch: Epoch, prologue: Prologue, records: &[Record]) -> Draft {
    let mut draft = Draft::new(LEDGER, SHARD, epoch);
    draft.begin(prologue);
    draft.place(head);
    for record in records {
        draft.push(record);
    }
    draft
}

/// The shard's first two blocks: what `init` wrote, and the evening's beginning.
pub fn drafts() -> [Draft; 2] {
    let zero = draft(Head::default(), Epoch(0), first_prologue(), &[genesis(), staged(), adopted()]);
    let evening = [
        epoch_opened(),
        opened(),
        top_up(90, 3_100_000, Tender::Cash, 5_000),
        top_up(91, 3_600_000, Tender::Bonus, 500),
        purchase(1_207, 12_345_678),
    ];
    let one = draft(zero.seal().head(), Epoch(1), prologue(), &evening);
    [zero, one]
}

/// The same, sealed, by their names in the document.
pub fn blocks() -> [(&'static str, Header, Vec<u8>); 2] {
    let [zero, one] = drafts();
    let sealed = |name, draft: &Draft| (name, draft.seal(), draft.payload().to_vec());
    [sealed("block-0", &zero), sealed("block-1", &one)]
}
