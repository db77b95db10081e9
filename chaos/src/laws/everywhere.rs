//! L5 for configurations: when nothing fails any more and time has passed, every shard goes by the newest
//! version that any of them has adopted.

use ledger::ids::Version;
use ledger::law::Law;

use super::versions::Versions;
use super::{Verdict, Violation};

/// At rest all shards agree.
pub fn at_rest(versions: &Versions) -> Verdict {
    agree(versions.newest(), versions.by_shard())
}

fn agree(newest: Option<Version>, shards: impl Iterator<Item = Option<Version>>) -> Verdict {
    let behind = shards.enumerate().find(|(_, version)| *version != newest);
    behind.map_or(Ok(()), |(shard, version)| {
        let what = format!("shard {shard} still goes by version {version:?}, the newest is {newest:?}");
        Err(Violation::new(Law::WholeOrNothing, what))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_never_hears_of_the_newest_version_is_named() {
        let agree = |shards: [u32; 3]| agree(Version::new(2), shards.into_iter().map(Version::new));
        assert_eq!(agree([2, 2, 2]), Ok(()));
        let late = agree([2, 1, 2]).unwrap_err();
        assert_eq!(late.law, Law::WholeOrNothing);
        assert!(late.what.starts_with("shard 1 "), "{late}");
    }
}
