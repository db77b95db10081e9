//! `fanfare explain`: everything the ledger holds about one request: its records, the configuration
//! they were decided under, the balances before and after, and whether deciding again, by the same
//! code that decided, comes to the same record (L6). Or about one record by its place: what a message,
//! a timer or a sweep did has no request.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use actors::replay::{Unasked, decide_again, decide_unasked};
use actors::shard_state::{Decision, ShardState};
use actors::wallet::Balances;
use engine::recovery::Stopped;
use ledger::ids::{DeviceNumber, RecordNumber, RequestId, ShardId, Version, WalletNumber};
use ledger::money::{Amount, Currency};
use ledger::mutant;
use ledger::record::{Body, Record};

use super::reading::each_block;
use super::{Failure, show};
use crate::directory::Directory;

/// Which request, or which record.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory.
    pub dir: PathBuf,
    /// The request: 16 hexadecimal digits, or DEVICE:COUNTER. Or the record: SHARD/RECORD, as `inspect` shows
    /// them.
    pub id: String,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A request: its records, the void of its sale, the end of its hold.
    Request(RequestId),
    /// One record.
    Record(ShardId, RecordNumber),
}

impl From<RequestId> for Subject {
    fn from(id: RequestId) -> Self {
        Self::Request(id)
    }
}

/// What deciding again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same record, to the last field.
    Same,
    /// No actor decides such records: the founding, starts of the server, acknowledgements, quarantines.
    Undecided,
    /// Something else: what.
    Other(String),
}

/// What an actor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A wallet its purses, and what it holds for sales to come.
    Purses(Balances, i64),
    /// A vendor's office the vendor's home account.
    Home(i64),
}

/// One record that a request caused, or that took its sale back or ended its hold.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The shard.
    pub shard: ShardId,
    /// The block in it.
    pub block: u64,
    /// The record's number in the shard.
    pub number: RecordNumber,
    /// The record.
    pub record: Record,
    /// The configuration it was decided under, and the festival's name in it.
    pub configuration: Option<(Version, String)>,
    /// Currency of its block.
    pub currency: Currency,
    /// What the actor held before; `None` if it had not come into being.
    pub before: Option<Held>,
    /// What it held after.
    pub after: Option<Held>,
    /// What deciding again came to.
    pub again: Again,
}

/// What there is about a subject.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its records, in the order of each shard.
    pub records: Vec<Explained>,
    /// A server has the ledger open: its last second was not read.
    pub in_use: bool,
}

/// A request, or the place of a record, as an operator types it.
pub fn parse(text: &str) -> Result<Subject, String> {
    let request = |id| RequestId::new(id).map(Subject::Request);
    let subject = if let Some((device, counter)) = text.split_once(':') {
        let device = device.parse().ok().and_then(DeviceNumber::new);
        let id = device.zip(counter.parse().ok());
        id.and_then(|(device, counter)| RequestId::of(device, counter)).map(Subject::Request)
    } else if let Some((shard, number)) = text.split_once('/') {
        let place = shard.parse().ok().zip(number.parse().ok().filter(|number| *number <= RecordNumber::MAX));
        place.map(|(shard, number)| Subject::Record(ShardId(shard), RecordNumber(number)))
    } else {
        Some(text)
            .filter(|text| text.len() == 16)
            .and_then(|text| u64::from_str_radix(text, 16).ok().and_then(request))
    };
    subject.ok_or_else(|| {
        format!(
            "{text:?} is no request and no record: write 16 hexadecimal digits, DEVICE:COUNTER, or SHARD/RECORD"
        )
    })
}

/// Everything about a subject.
pub fn explain(dir: &Path, subject: impl Into<Subject>) -> Result<Found, Failure> {
    let directory = Directory::open(dir)?;
    let (wanted, in_use) = wanted(&directory, subject.into())?;
    let mut replays: BTreeMap<_, _> =
        wanted.into_iter().map(|(shard, wanted)| (shard, Replay::new(shard, wanted))).collect();
    if replays.is_empty() {
        return Ok(Found { records: Vec::new(), in_use });
    }
    each_block(&directory, |block| {
        let Some(replay) = replays.get_mut(&block.header.shard) else {
            return Ok(ControlFlow::Continue(()));
        };
        let (seq, currency) = (block.header.seq, block.prologue()?.currency);
        let shard = block.header.shard;
        let mut stopped = Stopped { shard, seq, record: RecordNumber(0), message: None };
        let read = catch_unwind(AssertUnwindSafe(|| {
            block.each_record(|number, record| {
                stopped.record = number;
                replay.take(number, &record, seq, currency);
            })
        }));
        read.map_err(|_| format!("{stopped}; `fanfare inspect` shows it"))??;
        let done = replays.values().all(|replay| replay.wanted.records.is_empty());
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(Found { records: replays.into_values().flat_map(|replay| replay.explained).collect(), in_use })
}

/// What of a shard is to be looked at.
#[derive(Default)]
struct Wanted {
    /// Records to explain.
    records: BTreeSet<RecordNumber>,
    /// Records that those were decided on.
    evidence: BTreeSet<RecordNumber>,
}

/// Finds the records that are asked about, and what they were decided on. And whether there may be more that
/// was not read, since a server has the ledger open.
fn wanted(directory: &Directory, subject: Subject) -> Result<(BTreeMap<ShardId, Wanted>, bool), Failure> {
    let mut wanted = BTreeMap::<ShardId, Wanted>::new();
    let look = each_block(directory, |block| {
        let shard = block.header.shard;
        block.each_record(|number, record| {
            let asked = match subject {
                Subject::Request(id) => is_about(&record, id),
                Subject::Record(of, place) => (of, place) == (shard, number),
            };
            if asked {
                let wanted = wanted.entry(shard).or_default();
                wanted.records.insert(number);
                wanted.evidence.extend(evidence_of(&record));
            }
        })?;
        let found = matches!(subject, Subject::Record(..)) && !wanted.is_empty();
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok((wanted, look.is_some_and(|look| look.in_use)))
}

/// Whether a record bears the id, takes back its sale, or ends its hold.
fn is_about(record: &Record, id: RequestId) -> bool {
    let of = match record.body {
        Body::Voided { sale, .. } => Some(sale),
        Body::Captured { hold, .. } | Body::HoldReleased { hold } | Body::HoldExpired { hold } => Some(hold),
        _ => None,
    };
    record.envelope.request == Some(id) || of == Some(id)
}

/// The record that this one was decided on.
fn evidence_of(record: &Record) -> Option<RecordNumber> {
    match record.body {
        Body::Voided { position, .. } => position,
        Body::Cancelled { position } => Some(position),
        _ => None,
    }
}

/// A shard on its way to the last record to explain.
struct Replay {
    state: ShardState,
    wanted: Wanted,
    evidence: BTreeMap<RecordNumber, Record>,
    explained: Vec<Explained>,
}

impl Replay {
    fn new(shard: ShardId, wanted: Wanted) -> Self {
        let state = ShardState::new(shard);
        Self { state, wanted, evidence: BTreeMap::new(), explained: Vec::new() }
    }

    fn take(&mut self, number: RecordNumber, record: &Record, block: u64, currency: Currency) {
        if self.wanted.records.is_empty() {
            return;
        }
        if self.wanted.evidence.contains(&number) {
            self.evidence.insert(number, record.clone());
        }
        mutant::trip_replay(record.envelope.tag_counter);
        if !self.wanted.records.remove(&number) {
            return self.state.apply(number, record);
        }
        let wallet = record.envelope.wallet;
        let held = |state: &ShardState| wallet.and_then(|wallet| held(state, wallet));
        let adopted = self.state.adopted();
        let configuration = adopted.map(|adopted| (adopted.version, adopted.festival.name.clone()));
        let before = held(&self.state);
        let again = self.again(record);
        self.state.apply(number, record);
        self.explained.push(Explained {
            shard: self.state.shard(),
            block,
            number,
            record: record.clone(),
            configuration,
            currency,
            before,
            after: held(&self.state),
            again,
        });
    }

    /// Decides once more on the state before the record.
    fn again(&self, record: &Record) -> Again {
        if record.envelope.request.is_none() {
            return match decide_unasked(&self.state, record) {
                Unasked::Record(again) if *again == *record => Again::Same,
                Unasked::Record(again) => Again::Other(show::decision(&Decision::Record(again))),
                Unasked::Nothing => {
                    Again::Other("nothing: it was not to be yet, or had been before".to_owned())
                }
                Unasked::Undecided => Again::Undecided,
            };
        }
        let mut decision = decide_again(&self.state, record, None);
        if let Some(Decision::Evidence(position)) = decision
            && let Some(evidence) = self.evidence.get(&position)
        {
            decision = decide_again(&self.state, record, Some((position, evidence)));
        }
        match decision {
            Some(Decision::Record(again)) if *again == *record => Again::Same,
            Some(other) => Again::Other(show::decision(&other)),
            None => Again::Other("nothing: the record cannot be turned back into its request".to_owned()),
        }
    }
}

fn held(state: &ShardState, number: WalletNumber) -> Option<Held> {
    let home = state.home_of(number).map(Held::Home);
    home.or_else(|| state.balances(number).map(|purses| Held::Purses(purses, state.held(number))))
}

/// Shows what [`explain`] found. `true` if every record could be decided again.
pub fn print(subject: impl Into<Subject>, found: &Found, out: &mut dyn Write) -> Result<bool, Failure> {
    let nothing = match subject.into() {
        Subject::Request(id) => {
            writeln!(out, "request {}", show::request(id))?;
            "no record of it: it was never seen, or refused"
        }
        Subject::Record(shard, number) => {
            writeln!(out, "record {number} of shard {shard}")?;
            "there is none"
        }
    };
    if found.records.is_empty() && found.in_use {
        writeln!(out, "no record of it so far")?;
    } else if found.records.is_empty() {
        writeln!(out, "{nothing}")?;
    }
    for one in &found.records {
        print_one(one, out)?;
    }
    if found.in_use {
        writeln!(out, "... a server has this ledger open: its last second was not read, ask again for it")?;
    }
    Ok(found.records.iter().all(|one| !matches!(one.again, Again::Other(_))))
}

fn print_one(one: &Explained, out: &mut dyn Write) -> Result<(), Failure> {
    let Explained { shard, block, number, record, configuration, currency, before, after, again } = one;
    writeln!(out, "\nshard {shard} block {block}")?;
    for line in show::record(*number, record, *currency)?.lines() {
        writeln!(out, "  {line}")?;
    }
    if let Some((version, name)) = configuration {
        writeln!(out, "  decided under configuration {version} of {name:?}")?;
    }
    let held = |held: &Option<Held>| match held {
        None => "no wallet".to_owned(),
        Some(Held::Purses(balances, 0)) => show::balances(balances, *currency),
        Some(Held::Purses(balances, held)) => {
            format!("{}, held {}", show::balances(balances, *currency), Amount::new(*held, *currency))
        }
        Some(Held::Home(minor)) => format!("the vendor's home holds {}", Amount::new(*minor, *currency)),
    };
    if record.envelope.wallet.is_some() {
        writeln!(out, "  before: {}", held(before))?;
        writeln!(out, "  after:  {}", held(after))?;
    }
    match again {
        Again::Same => writeln!(out, "  decided again: the same record")?,
        Again::Undecided => writeln!(out, "  no actor decides such a record")?,
        Again::Other(what) => writeln!(out, "  decided again: {what}")?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_typed_as_digits_or_as_device_and_counter() {
        let id = RequestId::new(3 << 40 | 7).unwrap();
        assert_eq!(parse("3:7"), Ok(Subject::Request(id)));
        assert_eq!(parse(&id.to_string()), Ok(Subject::Request(id)));
        for wrong in ["", "3", "3:", ":7", "0:7", "16777216:1", "3:1099511627776", "000003000000000", "-3:7"]
        {
            assert!(parse(wrong).unwrap_err().contains("DEVICE:COUNTER"), "{wrong}");
        }
    }

    #[test]
    fn a_record_is_typed_as_its_place() {
        assert_eq!(parse("31/0"), Ok(Subject::Record(ShardId(31), RecordNumber(0))));
        for wrong in ["/", "3/", "/7", "65536/1", "3/1099511627776", "-3/7", "3/7/1"] {
            assert!(parse(wrong).unwrap_err().contains("SHARD/RECORD"), "{wrong}");
        }
    }
}
