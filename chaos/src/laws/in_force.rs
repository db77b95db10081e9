//! L9 for configurations: every record names the version that its shard has adopted, and so never an older
//! one than its shard has used, whatever restarts lie between.

use ledger::ids::Version;
use ledger::law::Law;
use ledger::record::Record;

use super::{Seen, Verdict, Violation};

/// A record names the version that is in force where it stands.
pub fn record(seen: &Seen<'_>) -> Verdict {
    let (adopted, used) = seen.book.versions().newest_of(seen.shard);
    let names = seen.record.envelope.configuration;
    let checked = not_older(names, used.max(adopted))
        .and_then(|()| in_force(names, adopted))
        .and_then(|()| moves_together(seen.record));
    checked.map_err(|what| {
        let place = format!("shard {} record {}", seen.shard, seen.number);
        Violation::new(Law::Order, format!("{place}: {what}: {:?}", seen.record))
    })
}

/// No decision goes back behind what its shard has used or adopted.
fn not_older(names: Option<Version>, used: Option<Version>) -> Result<(), String> {
    if names >= used {
        return Ok(());
    }
    Err(format!("names version {names:?} after version {used:?} was used here"))
}

/// No decision uses what its shard has not adopted.
fn in_force(names: Option<Version>, adopted: Option<Version>) -> Result<(), String> {
    if names <= adopted { Ok(()) } else { Err(format!("names version {names:?}, {adopted:?} is in force")) }
}

/// Configuration, catalogue and policy are one until they are adopted apart.
fn moves_together(record: &Record) -> Result<(), String> {
    let envelope = &record.envelope;
    let one = envelope.configuration == envelope.catalogue && envelope.configuration == envelope.policy;
    if one { Ok(()) } else { Err("names three versions".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_version_and_one_that_was_not_adopted_are_named() {
        let version = Version::new;
        assert_eq!(not_older(version(2), version(2)), Ok(()));
        assert_eq!(not_older(version(3), version(2)), Ok(()));
        assert!(not_older(version(1), version(2)).is_err());
        assert!(not_older(None, version(1)).is_err(), "a decision names a version");
        assert_eq!(in_force(version(2), version(2)), Ok(()));
        assert!(in_force(version(3), version(2)).is_err());
    }
}
