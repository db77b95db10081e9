//! A small ledger built by hand, record by record, for the auditor to pass, and for tests to
//! tamper with before it is sealed: then every hash is right and only the rule itself is broken.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, dead_code, reason = "a test")]

pub mod allowances;
pub mod configuration;
pub mod holds;
pub mod messages;

use ledger::account::{Account, AccountKind};
use ledger::audit::{Finding, KnownHeads, Report, Rule, verify};
use ledger::block::{Block, Draft, Head};
use ledger::entry::{Entry, Posting};
use ledger::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, OperatorId, RecordNumber, RequestId, ShardId,
    TillId, Version, WalletNumber,
};
use ledger::journal::{Replay, ReplayError};
use ledger::money::{Currency, VatRate};
use ledger::record::leb::Reader;
use ledger::record::{Body, DeclineCode, Envelope, Genesis, Line, Prologue, Record, Tax, Tender};
use std::num::NonZeroU8;

pub const LEDGER: LedgerId = LedgerId([9; 16]);
pub const TILL: u32 = 212;
pub const DESK: u32 = 9;
pub const VENDOR: u64 = 17;
pub const EVENING: i64 = 1_783_101_600_000_000;
const PARTS: [&[u8]; 2] = [b"the festival, ", b"encoded"];

/// A block before it is sealed.
#[derive(Clone)]
pub struct Plan {
    pub ledger: LedgerId,
    pub epoch: u32,
    pub records: Vec<Record>,
}

/// A ledger before it is sealed: shards of blocks.
#[derive(Clone)]
pub struct Ledger {
    pub shards: Vec<Vec<Plan>>,
    pub next_at: i64,
}

/// A device's request number `counter`.
pub fn id(device: u32, counter: u64) -> RequestId {
    RequestId::of(DeviceNumber::new(device).unwrap(), counter).unwrap()
}

pub fn rate(percent: &str) -> VatRate {
    VatRate::parse(percent).unwrap()
}

/// The number of a wallet or a tag that tests call 2 or 3 for short: those numbers are offices'. It stays
/// even or odd, and is its own.
pub const fn guest(number: u64) -> u64 {
    1 << 40 | number
}

pub fn wallet(number: u64) -> WalletNumber {
    WalletNumber::new(guest(number)).unwrap()
}

/// A posting; a purse is a guest's.
pub fn posting(kind: AccountKind, owner: u64, minor: i64) -> Posting {
    let owner = if kind.is_purse() { guest(owner) } else { owner };
    Posting { account: Account::new(kind, owner, Currency::EUR), minor }
}

pub fn decline(code: u8) -> Option<DeclineCode> {
    NonZeroU8::new(code).map(DeclineCode)
}

pub fn versions() -> Envelope {
    let one = Version::new(1);
    Envelope { configuration: one, catalogue: one, policy: one, ..Envelope::default() }
}

/// A record about a guest's wallet at the request of `id`, at a desk.
pub fn deed(of: u64, id: RequestId, body: Body, postings: &[Posting]) -> Record {
    about(wallet(of), id, body, postings)
}

/// A record about a wallet, a tag or an office at the request of `id`, at a desk.
pub fn about(of: WalletNumber, id: RequestId, body: Body, postings: &[Posting]) -> Record {
    let envelope = Envelope {
        wallet: Some(of),
        request: Some(id),
        content: 0x3c5a_9e17,
        till: TillId::new(DESK),
        operator: OperatorId::new(77),
        ..versions()
    };
    Record { at: At(0), envelope, body, decline: None, entry: Entry::new(postings.iter().copied()).unwrap() }
}

pub fn open(wallet: u64, id: RequestId) -> Record {
    let body = Body::WalletOpened { check: wallet ^ 0xff, festival: FestivalId(1) };
    deed(wallet, id, body, &[])
}

pub fn top_up(wallet: u64, id: RequestId, tender: Tender, amount: i64) -> Record {
    let (funder, purse) = match tender {
        Tender::Cash => (AccountKind::CashDrawer, AccountKind::WalletPaid),
        Tender::Bonus => (AccountKind::BonusFunder, AccountKind::WalletBonus),
    };
    let postings = [posting(funder, DESK.into(), amount), posting(purse, wallet, -amount)];
    deed(wallet, id, Body::ToppedUp { tender, amount }, &postings)
}

/// Lines of 23.50 at two rates, paid with so much bonus money and the rest paid-in money.
pub fn purchase(wallet: u64, id: RequestId, bonus: i64) -> Record {
    let line = |item, quantity, unit_price, percent| Line {
        item: ItemId::new(item).unwrap(),
        quantity,
        unit_price,
        vat: rate(percent),
    };
    let lines = [line(1_204, 2, 650, "20"), line(1_377, 2, 200, "20"), line(1_533, 1, 650, "5.5")];
    let tax = |(percent, base, tax)| Tax { rate: rate(percent), base, tax };
    let taxes = [("5.5", 616, 34), ("20", 1_417, 283)].map(tax);
    let mut postings = vec![posting(AccountKind::WalletPaid, wallet, 2_350 - bonus)];
    if bonus > 0 {
        postings.insert(0, posting(AccountKind::WalletBonus, wallet, bonus));
    }
    postings.push(posting(AccountKind::VendorSales, VENDOR, -2_350));
    let (lines, taxes) = (lines.into_iter().collect(), taxes.into_iter().collect());
    let mut record = deed(wallet, id, Body::Purchased { lines, taxes, confirmed: false }, &postings);
    record.envelope.till = TillId::new(TILL);
    record
}

pub fn declined(record: Record, code: u8) -> Record {
    let body = match record.body {
        Body::Purchased { lines, confirmed, .. } => {
            Body::Purchased { lines, taxes: [].into_iter().collect(), confirmed }
        }
        other => other,
    };
    Record { body, decline: decline(code), entry: Entry::none(), ..record }
}

/// `what` taken back under `id`, if it stands at `position`.
pub fn void(id: RequestId, what: &Record, position: u64) -> Record {
    let body = Body::Voided { sale: what.envelope.request.unwrap(), position: Some(RecordNumber(position)) };
    let entry = what.entry.reversed().unwrap();
    Record { entry, ..about(what.envelope.wallet.unwrap(), id, body, &[]) }
}

/// `what` cancelled, if it stands at `position`.
pub fn cancel(what: &Record, position: u64) -> Record {
    let body = Body::Cancelled { position: RecordNumber(position) };
    let entry = what.entry.reversed().unwrap();
    Record { entry, ..about(what.envelope.wallet.unwrap(), what.envelope.request.unwrap(), body, &[]) }
}

pub fn burn(wallet: u64, id: RequestId) -> Record {
    deed(wallet, id, Body::Burned { check: wallet ^ 0xff }, &[])
}

pub fn fact(body: Body) -> Record {
    Record::fact(At(0), Envelope::default(), body)
}

pub fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

pub fn staged(number: u32, part: u16, bytes: &[u8]) -> Record {
    fact(Body::ConfigurationStaged { version: version(number), part, bytes: bytes.to_vec() })
}

pub fn adopted(number: u32, parts: u16, whole: &[u8]) -> Record {
    let hash = *blake3::hash(whole).as_bytes();
    fact(Body::ConfigurationAdopted { version: version(number), parts, hash })
}

pub fn genesis() -> Record {
    fact(Body::LedgerOpened(Genesis { ledger: LEDGER, shards: 2, level: ledger::LEVEL, key_id: [0x4b; 16] }))
}

fn first_block() -> Vec<Record> {
    let staged = |part: u16| staged(1, part, PARTS[usize::from(part)]);
    vec![genesis(), staged(0), staged(1), adopted(1, 2, &PARTS.concat())]
}

fn epoch(number: u32) -> Record {
    fact(Body::EpochOpened { epoch: Epoch(number) })
}

/// Two shards; wallets 2, 4 ... live in shard 0, wallets 3, 5 ... in shard 1.
pub fn good() -> Ledger {
    let sold = purchase(2, id(41_394, 1), 500);
    let again = purchase(2, id(41_394, 3), 500);
    let third = purchase(2, id(41_394, 5), 500);
    let voided = void(id(501, 5), &third, 15);
    let bonus = top_up(2, id(501, 3), Tender::Bonus, 500);
    let mut finished = purchase(2, id(41_394, 7), 0);
    finished.envelope.replaces = Some(id(41_394, 6));
    let shard_0 = vec![
        (0, first_block()),
        (
            1,
            vec![
                epoch(1),
                open(2, id(501, 1)),
                top_up(2, id(501, 2), Tender::Cash, 5_000),
                bonus,
                sold.clone(),
                declined(purchase(2, id(41_394, 2), 0), 1),
            ],
        ),
        (
            1,
            vec![
                void(id(501, 4), &sold, 8),
                again.clone(),
                cancel(&again, 11),
                burn(2, id(41_394, 4)),
                declined(cancel(&top_up(2, id(501, 2), Tender::Cash, 5_000), 6), 10),
                third.clone(),
                voided.clone(),
                cancel(&voided, 16),
                void(id(501, 6), &third, 15),
            ],
        ),
        (2, vec![epoch(2), top_up(2, id(501, 7), Tender::Cash, 1_000), finished]),
    ];
    let about_5 = |body| Record { envelope: deed(5, id(1, 1), Body::Released, &[]).envelope, ..fact(body) };
    let shard_1 = vec![
        (0, first_block()),
        (
            1,
            vec![
                epoch(1),
                open(3, id(501, 8)),
                top_up(3, id(501, 9), Tender::Cash, 9_000),
                purchase(3, id(41_395, 1), 0),
                burn(5, id(501, 10)),
                about_5(Body::Quarantined),
                about_5(Body::Released),
            ],
        ),
    ];
    let plan = |(epoch, records)| Plan { ledger: LEDGER, epoch, records };
    let mut ledger = Ledger { shards: Vec::new(), next_at: EVENING };
    for shard in [shard_0, shard_1] {
        ledger.shards.push(shard.into_iter().map(plan).collect());
    }
    ledger.set_times();
    ledger
}

impl Ledger {
    fn set_times(&mut self) {
        for record in self.shards.iter_mut().flatten().flat_map(|plan| &mut plan.records) {
            record.at = At(self.next_at);
            self.next_at += 1_000_000;
        }
    }

    /// The record of this number in a shard.
    pub fn record(&mut self, shard: usize, number: usize) -> &mut Record {
        self.shards[shard].iter_mut().flat_map(|plan| &mut plan.records).nth(number).unwrap()
    }

    /// Appends a record to a shard's last block; answers with its number.
    pub fn push(&mut self, shard: usize, mut record: Record) -> u64 {
        record.at = At(self.next_at);
        self.next_at += 1_000_000;
        let before: usize = self.shards[shard].iter().map(|plan| plan.records.len()).sum();
        self.shards[shard].last_mut().unwrap().records.push(record);
        before as u64
    }

    /// Appends an empty block to a shard.
    pub fn push_block(&mut self, shard: usize, epoch: u32) {
        self.shards[shard].push(Plan { ledger: LEDGER, epoch, records: Vec::new() });
    }

    /// Seals every block; `spoil` may change header and payload of each before the header is hashed.
    pub fn sealed_with(&self, spoil: impl Fn(u16, u64, &mut Vec<u8>, &mut Vec<u8>)) -> Files {
        let mut files = Files(Vec::new());
        for (shard, blocks) in (0_u16..).zip(&self.shards) {
            let mut head = Head::default();
            for plan in blocks {
                let draft = draft(shard, plan, head);
                let mut header = draft.seal().to_bytes().to_vec();
                let mut payload = draft.payload().to_vec();
                spoil(shard, head.next_seq, &mut header, &mut payload);
                rehash(&mut header, &payload);
                let bytes = [header, payload].concat();
                let block = Block::read(&mut Reader::new(&bytes));
                head = block.unwrap().header.head();
                files.0.push(bytes);
            }
        }
        files
    }

    pub fn sealed(&self) -> Files {
        self.sealed_with(|_, _, _, _| {})
    }

    pub fn audit(&self) -> Report {
        self.sealed().audit()
    }
}

/// Fits a header to its payload and to itself, as a forger would.
pub fn rehash(header: &mut [u8], payload: &[u8]) {
    header[76..80].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    header[80..112].copy_from_slice(blake3::hash(payload).as_bytes());
    let hash = *blake3::hash(&header[..112]).as_bytes();
    header[112..144].copy_from_slice(&hash);
}

fn draft(shard: u16, plan: &Plan, head: Head) -> Draft {
    let version = (head.next_seq > 0).then(|| version(1));
    let base = plan.records.iter().map(|record| record.at).min().unwrap_or(At(EVENING));
    let mut draft = Draft::new(plan.ledger, ShardId(shard), Epoch(plan.epoch));
    let prologue = Prologue {
        base,
        configuration: version,
        catalogue: version,
        policy: version,
        currency: Currency::EUR,
    };
    draft.begin(prologue);
    draft.place(head);
    plan.records.iter().for_each(|record| draft.push(record));
    draft
}

/// Sealed blocks as a store would hold them; it hands them over without checking the chain.
#[derive(Clone)]
pub struct Files(pub Vec<Vec<u8>>);

impl Files {
    pub fn audit(&self) -> Report {
        verify(self, &[])
    }

    pub fn audit_knowing(&self, known: &KnownHeads) -> Report {
        verify(self, known)
    }
}

impl Replay for Files {
    fn replay(
        &self,
        only: Option<ShardId>,
        visit: &mut dyn FnMut(Block<'_>) -> Result<(), ReplayError>,
    ) -> Result<Vec<Head>, ReplayError> {
        for (index, bytes) in self.0.iter().enumerate() {
            let damaged = |what: String| ReplayError::Damaged { place: format!("block file {index}"), what };
            let block = Block::read(&mut Reader::new(bytes)).map_err(|error| damaged(error.to_string()))?;
            if only.is_none_or(|only| only == block.header.shard) {
                visit(block)?;
            }
        }
        Ok(Vec::new())
    }
}

/// A finding in short: rule, shard, block, record.
pub type Short = (Rule, Option<u16>, Option<u64>, Option<u64>);

pub fn short(finding: &Finding) -> Short {
    let place = finding.place;
    (finding.rule, place.shard.map(|shard| shard.0), place.block, place.record.map(|record| record.0))
}

pub fn at(rule: Rule, shard: u16, block: u64, record: u64) -> Short {
    (rule, Some(shard), Some(block), Some(record))
}

#[track_caller]
pub fn assert_found(report: &Report, expected: &[Short], what: &str) {
    let found: Vec<_> = report.findings.iter().map(short).collect();
    assert_eq!(found, expected, "{what}: {:#?}", report.findings);
    assert_eq!(report.findings_total, expected.len() as u64);
    assert_eq!(report.is_sound(), expected.is_empty());
}

/// What is done to the good ledger, and what must be found.
pub struct Case {
    pub what: &'static str,
    pub tamper: fn(&mut Ledger),
    pub expected: Vec<Short>,
}

pub fn check(cases: Vec<Case>) {
    for case in cases {
        let mut ledger = good();
        (case.tamper)(&mut ledger);
        assert_found(&ledger.audit(), &case.expected, case.what);
    }
}

pub fn case(what: &'static str, tamper: fn(&mut Ledger), expected: &[Short]) -> Case {
    Case { what, tamper, expected: expected.to_vec() }
}

/// The next record of shard 0 is number 22 in block 3, of shard 1 number 11 in block 1.
pub fn next_0(rule: Rule) -> Short {
    at(rule, 0, 3, 22)
}

pub fn next_1(rule: Rule) -> Short {
    at(rule, 1, 1, 11)
}
