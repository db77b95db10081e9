//! The independent auditor, behind `fanfare verify`: reads the blocks of a journal once and works
//! everything out again from their bytes and the rules of `FORMAT.md`: the chain (L7),
//! conservation (L1), floors (L2), exactly once (L4), time, epochs and versions.
//!
//! It must never use the code that decides or applies (`actors`), or it would share its mistakes,
//! and it must never change or repair anything. What it holds in memory is some 40 bytes a record.
//!
//! ```text
//!   Replay -> Auditor::block -> shard (chain, time, versions)
//!                            -> balances, sums (conservation)
//!                            -> history (wallets, request ids)      -> Report
//! ```

mod allowances;
mod balances;
mod channels;
mod configuration;
mod finding;
mod history;
mod holds;
mod report;
mod requests;
mod shard;
mod sums;
mod table;
mod tags;
mod wallets;

use std::collections::BTreeMap;

pub use balances::Total;
pub use finding::{Finding, Fork, Place, Rule};
pub use report::Report;
pub use wallets::Wallet;

use crate::account::AccountKind;
use crate::block::{Block, Head, Header, PROLOGUE_BYTES};
use crate::ids::{At, RecordNumber, ShardId};
use crate::journal::Replay;
use crate::record::leb::{ReadError, Reader};
use crate::record::{Body, CodecError, DeclineCode, Genesis, Kind, Prologue, Record, decode};
use finding::Kept;
use history::{Found, History};
use shard::Shard;

/// Heads known from elsewhere (a checkpoint, a terminal's cut, an earlier audit). A journal that
/// ends before one of them, or has another block there, has lost its tail.
pub type KnownHeads = [(ShardId, Head)];

/// Audits a whole journal in one pass.
pub fn verify(journal: &dyn Replay, known: &KnownHeads) -> Report {
    let mut auditor = Auditor::new(known);
    let read = journal.replay(None, &mut |block| {
        auditor.block(&block);
        Ok(())
    });
    if let Err(error) = read {
        auditor.unreadable(&error.to_string());
    }
    auditor.finish()
}

/// An audit under way: blocks go in, in the order of each shard; the report comes out.
#[derive(Clone, Debug)]
pub struct Auditor {
    known: Vec<(ShardId, Head)>,
    shards: Vec<Shard>,
    genesis: Option<Genesis>,
    versions: configuration::Versions,
    balances: balances::Balances,
    channels: channels::Channels,
    allowances: allowances::Allowances,
    history: History,
    findings: Kept<Finding>,
    kinds: BTreeMap<Kind, u64>,
    declines: BTreeMap<DeclineCode, u64>,
    blocks: u64,
    blocks_skipped: u64,
    records: u64,
    bytes: u64,
    first: Option<At>,
    last: Option<At>,
}

impl Auditor {
    /// An auditor that has read nothing and knows these heads from elsewhere.
    pub fn new(known: &KnownHeads) -> Self {
        Self {
            known: known.to_vec(),
            shards: Vec::new(),
            genesis: None,
            versions: configuration::Versions::default(),
            balances: balances::Balances::default(),
            channels: channels::Channels::default(),
            allowances: allowances::Allowances::default(),
            history: History::new(),
            findings: Kept::new(),
            kinds: BTreeMap::new(),
            declines: BTreeMap::new(),
            blocks: 0,
            blocks_skipped: 0,
            records: 0,
            bytes: 0,
            first: None,
            last: None,
        }
    }

    /// How many things were found so far that must not be.
    pub const fn findings_total(&self) -> u64 {
        self.findings.total
    }

    /// What was found so far: the first 100.
    pub fn findings(&self) -> &[Finding] {
        &self.findings.kept
    }

    /// Says that the journal could not be read to its end.
    pub fn unreadable(&mut self, why: &str) {
        self.found(Place::default()).say(Rule::Chain, || why.to_string());
    }

    fn found(&mut self, place: Place) -> Found<'_> {
        Found { findings: &mut self.findings, place }
    }

    /// Takes in the next block of its shard.
    pub fn block(&mut self, block: &Block<'_>) {
        let header = &block.header;
        let place = Place { shard: Some(header.shard), block: Some(header.seq), record: None };
        let index = usize::from(header.shard.0);
        while self.shards.len() <= index {
            self.shards.push(Shard::new());
        }
        let Some(shard) = self.shards.get_mut(index) else { return };
        if shard.stopped {
            self.blocks_skipped += 1;
            return;
        }
        let next = shard.next(block);
        shard.stopped = next.is_err();
        let mut found = self.found(place);
        match next {
            Ok(fell) => found.say_if(fell),
            Err((rule, text)) => return found.say(rule, || text),
        }
        self.blocks += 1;
        self.bytes += (crate::block::HEADER_BYTES + block.payload().len()) as u64;
        self.check_header(header, place);
        if let Err(text) = self.records(block, place) {
            self.found(place).say(Rule::Format, || text);
            if let Some(shard) = self.shards.get_mut(index) {
                shard.stopped = true;
            }
        }
    }

    /// Whether the block belongs to this ledger, and is the one that was known to stand there.
    fn check_header(&mut self, header: &Header, place: Place) {
        let genesis = self.genesis;
        let other = genesis.is_some_and(|genesis| {
            header.ledger != genesis.ledger
                || header.level != genesis.level
                || header.shard.0 >= genesis.shards
        });
        if other {
            self.found(place).say(Rule::Genesis, || "a block of another ledger, level or shard".into());
        }
        let known = self.known.iter().find(|(shard, head)| {
            *shard == header.shard && head.next_seq == header.seq + 1 && head.hash != header.hash
        });
        if known.is_some() {
            self.found(place).say(Rule::Missing, || "another block than the one known to be here".into());
        }
    }

    /// Every record of a block. A record that does not decode is named and passed over; an error
    /// means that the rest cannot be told apart.
    fn records(&mut self, block: &Block<'_>, place: Place) -> Result<(), String> {
        let prologue = block.prologue().map_err(|error| error.to_string())?;
        let mut reader = Reader::new(block.payload());
        reader.take(PROLOGUE_BYTES).map_err(|error| error.to_string())?;
        let mut left = u64::from(block.header.count);
        let mut number = block.header.first;
        let mut run = Vec::with_capacity(RUN);
        while left > 0 {
            let mut torn = None;
            while left > 0 && run.len() < RUN && torn.is_none() {
                let offset = reader.offset();
                match next_record(&mut reader) {
                    Ok(bytes) => run.push((offset, whole(bytes, &prologue))),
                    Err(error) => torn = Some(error),
                }
                left -= 1;
            }
            self.history.warm(run.iter().filter_map(|(_, record)| record.as_ref().ok()));
            for (offset, record) in run.drain(..) {
                self.decoded(&block.header, number, offset, record, place);
                number = number.next();
            }
            if let Some(error) = torn {
                return Err(format!("record {number}: {error}"));
            }
        }
        reader.finish().map_err(|error| error.to_string())
    }

    fn decoded(
        &mut self,
        header: &Header,
        number: RecordNumber,
        offset: usize,
        record: Result<Record, CodecError>,
        place: Place,
    ) {
        let place = Place { record: Some(number), ..place };
        self.records += 1;
        match record {
            Ok(record) => self.record(header, number, &record, place),
            Err(error) => {
                let unbalanced = matches!(error, CodecError::Entry(_));
                let rule = if unbalanced { Rule::Conservation } else { Rule::Format };
                self.found(place).say(rule, || format!("{error} (payload byte {offset})"));
            }
        }
    }

    fn record(&mut self, header: &Header, number: RecordNumber, record: &Record, place: Place) {
        *self.kinds.entry(record.body.kind()).or_insert(0) += 1;
        if let Some(code) = record.decline {
            *self.declines.entry(code).or_insert(0) += 1;
        }
        self.first = Some(self.first.map_or(record.at, |first| first.min(record.at)));
        self.last = Some(self.last.map_or(record.at, |last| last.max(record.at)));
        self.money(header.shard, record, place);
        self.shard_facts(header, number, record, place);
        let changed = is_configuration(record.body.kind()) && names_a_request(record);
        if is_decided(record.body.kind()) || changed {
            let shards = self.genesis.map(|genesis| genesis.shards);
            let mut found = Found { findings: &mut self.findings, place };
            self.history.take(shards, number, record, &mut found);
        } else {
            let mut found = Found { findings: &mut self.findings, place };
            self.history.deliver(self.genesis.map(|genesis| genesis.shards), record, &mut found);
        }
        let mut found = Found { findings: &mut self.findings, place };
        self.channels.take(self.genesis.map(|genesis| genesis.shards), header.shard, record, &mut found);
        self.allowances.take(record, &mut found);
    }

    /// L1, L2 but for purses, and that what moves nothing moves nothing.
    fn money(&mut self, shard: ShardId, record: &Record, place: Place) {
        let mut found = Found { findings: &mut self.findings, place };
        let postings = record.entry.postings();
        if let Some((currency, sum)) = sums::unbalanced(postings) {
            found.say(Rule::Conservation, || format!("postings in {currency} sum to {sum}"));
        }
        let swept = matches!(record.body, Body::Swept { .. });
        for posting in postings {
            let account = posting.account;
            let Some(after) = self.balances.post(shard, posting) else { continue };
            let before = after - i128::from(posting.minor);
            // A stripe may be in debt, by a void of what was swept before, but no sweep takes it there.
            let fell = match account.kind {
                AccountKind::VendorSales => swept,
                kind => kind.has_floor() && before <= 0,
            };
            if fell && after > 0 {
                found.say(Rule::Floor, || format!("{account} goes from {} to {}", -before, -after));
            }
        }
        if !postings.is_empty() && !may_move(record) {
            return found.say(Rule::MovesNothing, || format!("a record ({}) moves money", describe(record)));
        }
        if record.decline.is_some() {
            let sold = match &record.body {
                Body::Purchased { taxes, .. } => !taxes.is_empty(),
                Body::Captured { taxes, from, .. } => !taxes.is_empty() || *from != [0; 3],
                _ => false,
            };
            if sold || !may_decline(record.body.kind()) {
                found.say(Rule::Sums, || format!("a record ({}) cannot be like this", describe(record)));
            }
        } else if !record.envelope.mode.training {
            found.say_if(sums::check(record).map(|text| (Rule::Sums, text)));
        }
    }

    /// What the record means for its shard: its time, its epoch, its versions.
    fn shard_facts(&mut self, header: &Header, number: RecordNumber, record: &Record, place: Place) {
        let Some(shard) = self.shards.get_mut(usize::from(header.shard.0)) else { return };
        let mut found = Found { findings: &mut self.findings, place };
        found.say_if(shard.tick(record.at));
        let opened = if let Body::EpochOpened { epoch } = record.body { Some(epoch) } else { None };
        if opened.is_some() || number == header.first {
            found.say_if(shard.opened_epoch(opened, header));
        }
        // Before it changes what is in force: a request to the festival's office is decided under that.
        let kind = record.body.kind();
        let asked = is_configuration(kind) && record.envelope.request.is_some();
        if asked || is_decided(kind) || is_message(kind) {
            found.say_if(shard.versions(&record.envelope));
        }
        for broken in shard.configuration.take(header.shard, record, &mut self.versions) {
            found.say_if(broken);
        }
        self.check_genesis(header, number, record, place);
    }

    /// Record 0 of every shard says the same, and no other record says it again.
    fn check_genesis(&mut self, header: &Header, number: RecordNumber, record: &Record, place: Place) {
        let said = if let Body::LedgerOpened(genesis) = &record.body { Some(*genesis) } else { None };
        let wrong = match (number.0, said) {
            (0, None) => Some("does not open the ledger, as record 0 must"),
            (0, Some(genesis)) => {
                let first = *self.genesis.get_or_insert(genesis);
                let fits = genesis.ledger == header.ledger
                    && genesis.level == header.level
                    && header.shard.0 < genesis.shards;
                (genesis != first || !fits)
                    .then_some("opens another ledger than its header or another shard says")
            }
            (_, Some(_)) => Some("opens the ledger again"),
            (_, None) => None,
        };
        if let Some(text) = wrong {
            self.found(place).say(Rule::Genesis, || text.into());
        }
    }

    /// What was read, and everything that was found.
    pub fn finish(mut self) -> Report {
        self.check_end();
        let sound = |(index, shard): (usize, &Shard)| {
            let number = u16::try_from(index).ok().filter(|_| shard.head.next_seq > 0)?;
            Some((ShardId(number), shard.head))
        };
        Report {
            genesis: self.genesis,
            heads: self.shards.iter().enumerate().filter_map(sound).collect(),
            blocks: self.blocks,
            blocks_skipped: self.blocks_skipped,
            records: self.records,
            bytes: self.bytes,
            kinds: self.kinds.into_iter().collect(),
            declines: self.declines.into_iter().collect(),
            totals: self.balances.totals(),
            accounts: self.balances.accounts(),
            stripes_in_debt: self.balances.in_debt(),
            wallets: self.history.wallets.all,
            in_flight: self.channels.in_flight(),
            first: self.first,
            last: self.last,
            forks: self.history.forks.kept,
            forks_total: self.history.forks.total,
            findings: self.findings.kept,
            findings_total: self.findings.total,
        }
    }

    /// L1 over everything; no shard and no known tail is missing.
    fn check_end(&mut self) {
        for (currency, sum) in self.balances.unbalanced() {
            let text = format!("all balances in {currency} sum to {sum}");
            self.found(Place::default()).say(Rule::Conservation, || text);
        }
        let count = self.genesis.map_or(0, |genesis| genesis.shards);
        let lost = |shard: ShardId| match self.shards.get(usize::from(shard.0)) {
            Some(known) => known.stopped || known.is_untouched(),
            None => shard.0 < count,
        };
        for (rule, text) in self.channels.check_end(lost, &self.balances.accounts()) {
            self.found(Place::default()).say(rule, || text);
        }
        let shards = self.genesis.map_or(0, |genesis| genesis.shards);
        for number in 0..shards {
            let place = Place { shard: Some(ShardId(number)), ..Place::default() };
            if self.shards.get(usize::from(number)).is_none_or(Shard::is_untouched) {
                self.found(place).say(Rule::Missing, || "the shard has no blocks".into());
            }
        }
        if self.genesis.is_none() && self.findings.total == 0 {
            self.found(Place::default()).say(Rule::Genesis, || "the journal is empty".into());
        }
        for (shard, head) in std::mem::take(&mut self.known) {
            let at = self.shards.get(usize::from(shard.0));
            let next = at.map_or(0, |shard| shard.head.next_seq);
            if next < head.next_seq && at.is_none_or(|shard| !shard.stopped) {
                let place = Place { shard: Some(shard), block: Some(next), record: None };
                let last = head.next_seq - 1;
                self.found(place).say(Rule::Missing, || format!("the tail is cut: block {last} was known"));
            }
        }
    }
}

/// Records that are decoded before the tables are asked about them: enough for their cache misses
/// to overlap, few enough to stay in the cache themselves.
const RUN: usize = 32;

/// The bytes of the next record, by its length alone.
fn next_record<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], ReadError> {
    let length = reader.clone().u32()? as usize;
    reader.take(length.max(4))
}

/// Decodes a record that must fill `bytes`.
fn whole(bytes: &[u8], prologue: &Prologue) -> Result<Record, CodecError> {
    decode(&mut Reader::new(bytes), prologue)
}

/// Kinds that an actor decides at the request of a device.
const fn is_decided(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::WalletOpened
            | Kind::ToppedUp
            | Kind::Purchased
            | Kind::Voided
            | Kind::Cancelled
            | Kind::Burned
            | Kind::TransferSent
            | Kind::TagPaired
            | Kind::TagSet
            | Kind::Held
            | Kind::Captured
            | Kind::HoldReleased
            | Kind::AllowanceSet
            | Kind::PaidOut
    )
}

/// Kinds by which a configuration is founded, or changed at the festival's office.
const fn is_configuration(kind: Kind) -> bool {
    matches!(kind, Kind::ConfigurationStaged | Kind::ConfigurationAdopted)
}

/// Kinds that carry money or facts between shards.
const fn is_message(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Delivered
            | Kind::DeadLettered
            | Kind::Swept
            | Kind::Told
            | Kind::HoldExpired
            | Kind::AllowanceReturned
    )
}

const fn may_decline(kind: Kind) -> bool {
    is_decided(kind) && !matches!(kind, Kind::Burned)
        || is_configuration(kind)
        || matches!(kind, Kind::Delivered)
}

const fn names_a_request(record: &Record) -> bool {
    record.envelope.wallet.is_some() || record.envelope.request.is_some()
}

/// Whether a record like this one may have postings.
fn may_move(record: &Record) -> bool {
    let kind = record.body.kind();
    let moves = matches!(kind, Kind::ToppedUp | Kind::Purchased | Kind::Voided | Kind::Cancelled)
        || matches!(kind, Kind::TransferSent | Kind::Delivered | Kind::Swept)
        || matches!(kind, Kind::Held | Kind::Captured | Kind::HoldReleased | Kind::HoldExpired)
        || matches!(kind, Kind::AllowanceSet | Kind::AllowanceReturned | Kind::PaidOut);
    moves && record.decline.is_none() && !record.envelope.mode.training
}

fn describe(record: &Record) -> String {
    let name = record.body.kind().name();
    match record.decline {
        Some(code) => format!("{name}, declined with code {}", code.0),
        None if record.envelope.mode.training => format!("{name}, training"),
        None => name.to_string(),
    }
}
