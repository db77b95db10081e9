//! `fanfare verify`: audits a ledger from its files alone. Two readers see every block, and each has a
//! verdict of its own. The auditor works everything out from the bytes and the rules of the format (L1,
//! L2, L4, L7) and says whether the files are sound. The actors' own `apply` (L6) says whether this build
//! comes from them to a state, which is shown, and to the auditor's wallets; that it does not is a defect
//! of the build until the auditor finds one in the files.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use actors::codes::Decline;
use engine::recovery::{Recovered, RecoveryError, recover_each};
use ledger::audit::{Auditor, Finding, Place, Report};
use ledger::block::Head;
use ledger::ids::ShardId;
use ledger::journal::embedded::{Log, Look, OpenError};
use ledger::money::{Amount, Currency};
use ledger::record::DeclineCode;

use super::{Failure, show};
use crate::directory::Directory;

/// What to verify, and how to tell.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The ledger's directory.
    pub dir: PathBuf,
    /// Tell it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Most disagreements between auditor and actors that are told.
const MOST_DIFFERENCES: usize = 20;

/// A shard as the actors make it from its records.
#[derive(Clone, Debug)]
pub struct State {
    /// Which.
    pub shard: ShardId,
    /// Its last block.
    pub head: Head,
    /// Hash of everything a decision can depend on.
    pub digest: [u8; 32],
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Verified {
    /// What the auditor says.
    pub report: Report,
    /// How far the files could be read; `None` if they are damaged.
    pub look: Option<Look>,
    /// The festival's name, as the shards know it.
    pub festival: Option<String>,
    /// The states of all shards, by number; why there are none, if a record could not be applied.
    pub states: Result<Vec<State>, String>,
    /// Where the actors' wallets are not the auditor's.
    pub differences: Vec<String>,
}

impl Verified {
    /// Whether the files are a sound ledger: the auditor's word and nobody else's.
    pub fn is_sound(&self) -> bool {
        self.report.is_sound()
    }

    /// Whether this build can replay them, to the auditor's wallets.
    pub fn is_replayed(&self) -> bool {
        self.states.is_ok() && self.differences.is_empty()
    }

    /// Both verdicts as an exit code: 0 sound and replayed, 1 not sound, 3 sound but not replayed.
    pub fn code(&self) -> u8 {
        match (self.is_sound(), self.is_replayed()) {
            (true, true) => 0,
            (false, _) => 1,
            (true, false) => 3,
        }
    }

    /// One hash for all shards: BLAKE3 over theirs, by number.
    pub fn digest(&self) -> Option<[u8; 32]> {
        let mut hasher = blake3::Hasher::new();
        for state in self.states.as_ref().ok()? {
            hasher.update(&state.digest);
        }
        Some(*hasher.finalize().as_bytes())
    }
}

/// Verifies the ledger in `dir`. An error only if there is none, or no reading it; whatever else is
/// wrong with it is found and told.
pub fn verify(dir: &Path) -> Result<Verified, Failure> {
    let disk = Directory::open(dir)?.disk()?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut auditor = Auditor::new(&[]);
    // The auditor runs on this thread while the shards are replayed on others. That the reading
    // stopped is no error here: what was replayed until then is still compared. How it ended is kept
    // apart from the replay: one that breaks must not hide damaged files from the auditor.
    let mut looked = None;
    let replayed = recover_each(threads, |visit| {
        looked = Some(Log::look(&disk, &mut |block| {
            auditor.block(&block);
            visit(block)
        }));
        Ok::<_, RecoveryError>(())
    });
    let replayed = replayed.map_err(|error| error.to_string()).and_then(|((), found)| {
        let whole = found.into_iter().collect::<Result<Vec<_>, _>>();
        whole.map_err(|remains| remains.stopped.to_string())
    });
    let look = match looked {
        Some(Ok(look)) => Some(look),
        Some(Err(OpenError::Journal(error))) => {
            auditor.unreadable(&error.to_string());
            None
        }
        Some(Err(error)) => return Err(error.into()),
        None => {
            auditor.unreadable("nothing was read");
            None
        }
    };
    let report = auditor.finish();
    let differences = replayed.as_ref().map_or(Vec::new(), |shards| differences(&report, shards));
    let adopted = replayed.as_ref().ok().and_then(|shards| shards.first()?.0.adopted());
    let festival = adopted.map(|adopted| adopted.festival.name.clone());
    let states = replayed.map(|shards| shards.iter().map(state_of).collect());
    Ok(Verified { report, look, festival, states, differences })
}

fn state_of((state, head): &Recovered) -> State {
    State { shard: state.shard(), head: *head, digest: state.digest() }
}

/// L6: wallets by the actors' `apply` against wallets by the auditor's own sums.
fn differences(report: &Report, shards: &[Recovered]) -> Vec<String> {
    let Some(genesis) = report.genesis else { return Vec::new() };
    let mut found = Vec::new();
    for wallet in &report.wallets {
        let shard = wallet.number.shard(genesis.shards);
        let state = shards.iter().find(|(state, _)| state.shard() == shard).map(|(state, _)| state);
        let balances = state.and_then(|state| state.balances(wallet.number));
        let purses = balances.map(|balances| [balances.paid, balances.bonus, balances.deposit]);
        if purses != Some(wallet.purses) && found.len() < MOST_DIFFERENCES {
            found.push(format!(
                "shard {shard}: wallet {} holds {:?} by its postings, {purses:?} by the actors' state",
                wallet.number, wallet.purses
            ));
        }
    }
    let wallets: usize = shards.iter().map(|(state, _)| state.wallets()).sum();
    if wallets != report.wallets.len() {
        found.push(format!(
            "{} wallets by their records, {wallets} by the actors' state",
            report.wallets.len()
        ));
    }
    found
}

/// Tells a person.
pub fn print(verified: &Verified, out: &mut dyn Write) -> Result<(), Failure> {
    let report = &verified.report;
    print_extent(verified, out)?;
    writeln!(out, "\nrecords")?;
    for (kind, count) in &report.kinds {
        writeln!(out, "  {:<24}{count:>14}", kind.name())?;
    }
    if !report.declines.is_empty() {
        writeln!(out, "\ndeclines")?;
    }
    for (code, count) in &report.declines {
        writeln!(out, "  {:<24}{count:>14}", decline_name(*code))?;
    }
    print_totals(report, out)?;
    print_states(verified, out)?;
    for (shard, account, debt) in &report.stripes_in_debt {
        let debt = amount(*debt, account.currency);
        writeln!(out, "vendor {}: shard {shard} in debt {debt}", account.owner)?;
    }
    for fork in &report.forks {
        let ledger::audit::Fork { request, first, other, place } = fork;
        writeln!(
            out,
            "forked: {place}: {} was used on wallets {first} and {other}",
            show::request(*request)
        )?;
    }
    print_verdict(verified, out)
}

fn print_extent(verified: &Verified, out: &mut dyn Write) -> Result<(), Failure> {
    let report = &verified.report;
    if let Some(genesis) = &report.genesis {
        let name = verified.festival.as_deref().unwrap_or("a festival without a name");
        let ledger::record::Genesis { ledger, shards, level, .. } = genesis;
        writeln!(out, "ledger {ledger} of {name:?}: {shards} shards, format level {level}")?;
    }
    writeln!(out, "{} blocks, {} records, {} bytes", report.blocks, report.records, report.bytes)?;
    if let (Some(first), Some(last)) = (report.first, report.last) {
        writeln!(out, "from {} to {}", show::time(first), show::time(last))?;
    }
    match &verified.look {
        None => writeln!(out, "the files could not be read to the end")?,
        Some(look) if look.in_use => {
            writeln!(out, "a server has this ledger open: what came after its last mark was not read")?;
        }
        Some(look) if look.torn => {
            writeln!(
                out,
                "behind the last block lies a write that was cut short; the next start sets it aside"
            )?;
        }
        Some(_) => {}
    }
    Ok(())
}

fn print_totals(report: &Report, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "\n{:<26}{:>20}{:>20}{:>20}", "totals", "debits", "credits", "balance")?;
    for total in &report.totals {
        let shown = [total.debits, total.credits, total.balance()].map(|minor| amount(minor, total.currency));
        writeln!(out, "  {:<24}{:>20}{:>20}{:>20}", total.kind.name(), shown[0], shown[1], shown[2])?;
    }
    writeln!(out, "  {} messages between shards on their way", report.in_flight)?;
    let open = report.wallets.iter().filter(|wallet| wallet.open).count();
    writeln!(out, "  {} wallets, {open} of them open", report.wallets.len())?;
    Ok(())
}

fn amount(minor: i128, currency: Currency) -> String {
    match i64::try_from(minor) {
        Ok(minor) => Amount::new(minor, currency).to_string(),
        Err(_) => format!("{minor} minor units of {currency}"),
    }
}

fn print_states(verified: &Verified, out: &mut dyn Write) -> Result<(), Failure> {
    let Ok(states) = &verified.states else { return Ok(()) };
    writeln!(out, "\n{:<8}{:>12}{:>14}  {:<18}state", "shard", "blocks", "records", "last block")?;
    for State { shard, head, digest } in states {
        let [hash, digest] = [&head.hash, digest].map(|hash| show::hex(&hash[..8]));
        writeln!(out, "{shard:<8}{:>12}{:>14}  {hash:<18}{digest}", head.next_seq, head.next_record)?;
    }
    if let Some(digest) = verified.digest() {
        writeln!(out, "state of all shards {}", show::hex(&digest))?;
    }
    Ok(())
}

fn print_verdict(verified: &Verified, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out)?;
    let report = &verified.report;
    for finding in &report.findings {
        writeln!(out, "found: {finding}")?;
    }
    if report.blocks_skipped > 0 {
        writeln!(out, "{} blocks behind a break were not judged", report.blocks_skipped)?;
    }
    if verified.is_sound() {
        writeln!(out, "sound: nothing was found that must not be")?;
    } else {
        writeln!(out, "NOT SOUND: {} findings of the auditor in all", report.findings_total)?;
    }
    if let Err(error) = &verified.states {
        writeln!(out, "this build cannot replay it: {error}")?;
    }
    for difference in &verified.differences {
        writeln!(out, "this build replays it to something else: {difference}")?;
    }
    if verified.is_replayed() {
        writeln!(out, "this build replays it to the same wallets")?;
    }
    Ok(())
}

type Object = serde_json::Map<String, serde_json::Value>;

fn decline_name(code: DeclineCode) -> String {
    Decline::from_record(code).map_or_else(|| format!("code {}", code.0), |code| code.name().to_owned())
}

/// Tells a program. Amounts are minor units; what does not fit 64 bits is a string.
pub fn json(verified: &Verified) -> serde_json::Value {
    let report = &verified.report;
    let number =
        |minor: i128| i64::try_from(minor).map_or_else(|_| minor.to_string().into(), serde_json::Value::from);
    let totals = report.totals.iter().map(|total| {
        serde_json::json!({
            "kind": total.kind.name(), "currency": total.currency.alpha(),
            "debits": number(total.debits), "credits": number(total.credits),
            "balance": number(total.balance()),
        })
    });
    let accounts = report.accounts.iter().map(|(account, balance)| {
        serde_json::json!({
            "kind": account.kind.name(), "owner": account.owner, "currency": account.currency.alpha(),
            "balance": number(*balance),
        })
    });
    let in_debt = report.stripes_in_debt.iter().map(|(shard, account, debt)| {
        serde_json::json!({
            "vendor": account.owner, "shard": shard.0, "currency": account.currency.alpha(),
            "debt": number(*debt),
        })
    });
    let kinds = report.kinds.iter().map(|(kind, count)| (kind.name().to_owned(), (*count).into()));
    let declines = report.declines.iter().map(|(code, count)| (decline_name(*code), (*count).into()));
    serde_json::json!({
        "sound": verified.is_sound(), "replayed": verified.is_replayed(),
        "ledger": report.genesis.map(|genesis| genesis.ledger.to_string()),
        "festival": verified.festival,
        "shards": report.genesis.map(|genesis| genesis.shards),
        "level": report.genesis.map(|genesis| genesis.level),
        "in_use": verified.look.as_ref().map(|look| look.in_use),
        "torn_tail": verified.look.as_ref().map(|look| look.torn),
        "blocks": report.blocks, "blocks_skipped": report.blocks_skipped,
        "records": report.records, "bytes": report.bytes,
        "first_micros": report.first.map(|at| at.0), "last_micros": report.last.map(|at| at.0),
        "kinds": kinds.collect::<Object>(), "declines": declines.collect::<Object>(),
        "totals": totals.collect::<Vec<_>>(), "accounts": accounts.collect::<Vec<_>>(),
        "vendors_in_debt": in_debt.collect::<Vec<_>>(),
        "wallets": report.wallets.len(),
        "wallets_open": report.wallets.iter().filter(|wallet| wallet.open).count(),
        "states": verified.states.as_ref().ok().map(|states| states.iter().map(state_json).collect::<Vec<_>>()),
        "state": verified.digest().map(|digest| show::hex(&digest)),
        "forks": report.forks_total,
        "findings_total": report.findings_total,
        "findings": report.findings.iter().map(finding_json).collect::<Vec<_>>(),
        "not_replayed": verified.states.as_ref().err(), "differences": verified.differences,
    })
}

fn state_json(state: &State) -> serde_json::Value {
    serde_json::json!({
        "shard": state.shard.0, "blocks": state.head.next_seq, "records": state.head.next_record.0,
        "hash": show::hex(&state.head.hash), "state": show::hex(&state.digest),
    })
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    let Finding { rule, place: Place { shard, block, record }, text } = finding;
    serde_json::json!({
        "law": rule.law().id(), "rule": rule.name(), "shard": shard.map(|shard| shard.0), "block": block,
        "record": record.map(|record| record.0), "text": text,
    })
}
