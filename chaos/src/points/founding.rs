//! Crash points of a founding: one founding for every mutating call it makes, each way that call can go
//! wrong. A founding that said "done" must have left a whole ledger whatever the power loss after it
//! takes; one that was cut leaves no shard that believes half a configuration. `fanfare init` founds
//! beside the directory's name and renames at the end, so a founding that was cut is never served.
//! Must never: take a ledger for whole because it can be opened.
//! Laws: L3 and L6 on the first records of a ledger.

use std::sync::Arc;

use actors::festival::Festival;
use ledger::journal::embedded::{LogConfig, SimDisk};

use super::{Blow, SEED};
use crate::laws::replay;
use crate::world::fixture;
use crate::world::process::{self, StartError};

/// How it went.
#[derive(Debug, Default)]
pub struct Founded {
    /// Mutating calls of one founding.
    pub calls: u64,
    /// Foundings.
    pub runs: u64,
    /// Of these, those that left a whole ledger.
    pub whole: u64,
    /// Those that left none, or an unfinished one.
    pub nothing: u64,
    /// The first that left what must not be, and how.
    pub broken: Option<String>,
}

const SHARDS: u16 = 4;

/// Founds once for every `stride`th call and every blow.
pub fn all(stride: usize, blows: impl Fn() -> Vec<Blow>) -> Founded {
    let mut outcome = Founded::default();
    let broken = |what: String| Founded { broken: Some(what), ..Founded::default() };
    let festival = match fixture::festival(true) {
        Ok(festival) => festival,
        Err(error) => return broken(error.to_string()),
    };
    let clean = SimDisk::new(SEED);
    if let Err(error) = found(&clean, &festival) {
        return broken(format!("without any fault: {error}"));
    }
    outcome.calls = clean.operations();
    for at in (0..outcome.calls).step_by(stride.max(1)) {
        for blow in blows() {
            outcome.runs += 1;
            match struck(at, blow, &festival) {
                Ok(true) => outcome.whole += 1,
                Ok(false) => outcome.nothing += 1,
                Err(what) => {
                    outcome.broken = Some(format!("founding, call {at}, {blow:?}: {what}"));
                    return outcome;
                }
            }
        }
    }
    outcome
}

fn found(disk: &SimDisk, festival: &Festival) -> Result<(), StartError> {
    process::found(disk, LogConfig::small(Arc::new(|| 0)), SHARDS, festival, fixture::START)
}

/// A founding with one blow, then a power loss; whether a whole ledger is left.
fn struck(at: u64, blow: Blow, festival: &Festival) -> Result<bool, String> {
    let disk = SimDisk::new(SEED);
    let subset = match blow {
        Blow::Crash(subset) => {
            disk.crash_at(at);
            subset
        }
        Blow::Fails(fault) => {
            disk.fail_at(at, fault);
            at
        }
    };
    let done = found(&disk, festival).is_ok();
    judge(done, &disk.reboot(subset), festival)
}

/// What a founding that said `done`, or did not, may have left.
fn judge(done: bool, left: &SimDisk, festival: &Festival) -> Result<bool, String> {
    left.set_free(u64::MAX);
    let states = match replay::from_image(left, SHARDS) {
        Ok(replayed) => replayed.states,
        Err(problem) if done => return Err(format!("it said that it was done, but {problem}")),
        // Nothing to serve, and whoever tries is told.
        Err(_) => return Ok(false),
    };
    let adopted = states.iter().filter_map(|state| state.adopted());
    let right = adopted.filter(|adopted| *adopted.festival == *festival).count();
    let told = states.iter().filter(|state| state.adopted().is_some()).count();
    if right != told {
        return Err(format!("{} shards adopted another configuration than was given", told - right));
    }
    let whole = right == usize::from(SHARDS);
    if done && !whole {
        return Err(format!("it said that it was done, but {right} of {SHARDS} shards have a configuration"));
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operator who was told "done" and then lost the power had a directory that no server opens.
    #[test]
    fn what_was_cut_is_not_taken_for_done() {
        let festival = fixture::festival(true).unwrap();
        let clean = SimDisk::new(SEED);
        found(&clean, &festival).unwrap();
        assert_eq!(judge(true, &clean.image(), &festival), Ok(true));
        let cut = SimDisk::new(SEED);
        cut.crash_at(clean.operations() / 2);
        assert!(found(&cut, &festival).is_err());
        let left = cut.reboot(1);
        assert_eq!(judge(false, &left.copy(), &festival), Ok(false));
        assert!(judge(true, &left, &festival).unwrap_err().contains("it said that it was done"));
    }

    #[test]
    fn another_configuration_is_not_the_one_that_was_given() {
        let clean = SimDisk::new(SEED);
        found(&clean, &fixture::festival(true).unwrap()).unwrap();
        let other = fixture::festival(false).unwrap();
        assert!(judge(true, &clean.image(), &other).unwrap_err().contains("4 shards adopted another"));
    }
}
