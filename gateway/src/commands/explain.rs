//! `fanfare explain`: everything the ledger holds about one request: its records, the configuration
//! they were decided under, the balances before and after, and whether deciding again, by the same
//! code that decided, comes to the same record (L6).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use actors::replay::decide_again;
use actors::shard_state::{Decision, ShardState};
use actors::wallet::Balances;
use ledger::ids::{DeviceNumber, RecordNumber, RequestId, ShardId, Version, WalletNumber};
use ledger::money::{Amount, Currency};
use ledger::record::{Body, Record};

use super::reading::each_block;
use super::{Failure, show};
use crate::directory::Directory;

/// Which request.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory.
    pub dir: PathBuf,
    /// The request: 16 hexadecimal digits, or DEVICE:COUNTER.
    pub id: String,
}

/// What deciding again came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Again {
    /// The same record, to the last field.
    Same,
    /// Something else: what.
    Other(String),
}

/// What an actor holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A wallet its purses.
    Purses(Balances),
    /// A vendor's office the vendor's home account.
    Home(i64),
}

/// One record that a request caused, or that took its sale back.
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

/// A request id as an operator types it.
pub fn parse_id(text: &str) -> Result<RequestId, String> {
    let wrong = || format!("{text:?} is no request: write 16 hexadecimal digits, or DEVICE:COUNTER");
    let id = match text.split_once(':') {
        Some((device, counter)) => {
            let device = device.parse().ok().and_then(DeviceNumber::new);
            device.zip(counter.parse().ok()).and_then(|(device, counter)| RequestId::of(device, counter))
        }
        None if text.len() == 16 => u64::from_str_radix(text, 16).ok().and_then(RequestId::new),
        None => None,
    };
    id.ok_or_else(wrong)
}

/// Everything about `id`, in the order of each shard.
pub fn explain(dir: &Path, id: RequestId) -> Result<Vec<Explained>, Failure> {
    let directory = Directory::open(dir)?;
    let wanted = wanted(&directory, id)?;
    let mut replays: BTreeMap<_, _> =
        wanted.into_iter().map(|(shard, wanted)| (shard, Replay::new(shard, wanted))).collect();
    if replays.is_empty() {
        return Ok(Vec::new());
    }
    each_block(&directory, |block| {
        let Some(replay) = replays.get_mut(&block.header.shard) else {
            return Ok(ControlFlow::Continue(()));
        };
        let (seq, currency) = (block.header.seq, block.prologue()?.currency);
        block.each_record(|number, record| replay.take(number, &record, seq, currency))?;
        let done = replays.values().all(|replay| replay.wanted.records.is_empty());
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(replays.into_values().flat_map(|replay| replay.explained).collect())
}

/// What of a shard is to be looked at.
#[derive(Default)]
struct Wanted {
    /// Records to explain.
    records: BTreeSet<RecordNumber>,
    /// Records that those were decided on.
    evidence: BTreeSet<RecordNumber>,
}

/// Finds the records that bear `id` or take its sale back, and what they were decided on.
fn wanted(directory: &Directory, id: RequestId) -> Result<BTreeMap<ShardId, Wanted>, Failure> {
    let mut wanted = BTreeMap::<ShardId, Wanted>::new();
    each_block(directory, |block| {
        block.each_record(|number, record| {
            let evidence = match record.body {
                Body::Voided { sale, position } if sale == id => position,
                _ if record.envelope.request != Some(id) => return,
                Body::Voided { position, .. } => position,
                Body::Cancelled { position } => Some(position),
                _ => None,
            };
            let wanted = wanted.entry(block.header.shard).or_default();
            wanted.records.insert(number);
            wanted.evidence.extend(evidence);
        })?;
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(wanted)
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
        let mut decision = decide_again(&self.state, record, None);
        if let Some(Decision::Evidence(position)) = decision
            && let Some(evidence) = self.evidence.get(&position)
        {
            decision = decide_again(&self.state, record, Some((position, evidence)));
        }
        match decision {
            Some(Decision::Record(again)) if again == *record => Again::Same,
            Some(other) => Again::Other(show::decision(&other)),
            None => Again::Other("nothing: the record cannot be turned back into its request".to_owned()),
        }
    }
}

fn held(state: &ShardState, number: WalletNumber) -> Option<Held> {
    let home = state.home_of(number).map(Held::Home);
    home.or_else(|| state.balances(number).map(Held::Purses))
}

/// Shows what [`explain`] found. `true` if every record could be decided again.
pub fn print(id: RequestId, found: &[Explained], out: &mut dyn Write) -> Result<bool, Failure> {
    writeln!(out, "request {}", show::request(id))?;
    if found.is_empty() {
        writeln!(out, "no record of it: it was never seen, or refused")?;
    }
    for one in found {
        print_one(one, out)?;
    }
    Ok(found.iter().all(|one| one.again == Again::Same))
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
        Some(Held::Purses(balances)) => show::balances(balances, *currency),
        Some(Held::Home(minor)) => format!("the vendor's home holds {}", Amount::new(*minor, *currency)),
    };
    writeln!(out, "  before: {}", held(before))?;
    writeln!(out, "  after:  {}", held(after))?;
    match again {
        Again::Same => writeln!(out, "  decided again: the same record")?,
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
        assert_eq!(parse_id("3:7"), Ok(id));
        assert_eq!(parse_id(&id.to_string()), Ok(id));
        for wrong in ["", "3", "3:", ":7", "0:7", "16777216:1", "3:1099511627776", "000003000000000", "-3:7"]
        {
            assert!(parse_id(wrong).unwrap_err().contains("DEVICE:COUNTER"), "{wrong}");
        }
    }
}
