//! Which configuration version this shard decides by. Parts are staged unseen; the record that
//! adopts them brings them into force, so a shard that moved or restarted can never decide by an
//! older version than the one it already used.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::ids::{ShardId, Version};

use crate::festival::Festival;

/// A configuration in force.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// Its version.
    pub version: Version,
    /// Hash of its parts.
    pub hash: [u8; 32],
    /// What it says.
    pub festival: Arc<Festival>,
}

/// The adopted version and what is staged of the next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configuration {
    adopted: Option<Adopted>,
    staged: BTreeMap<(Version, u16), Vec<u8>>,
    /// At the office: how often other shards were to be told the version in force again. One more than they
    /// are told: who has that many waits for the next start.
    told_again: BTreeMap<ShardId, u8>,
}

/// How often a shard is told a version again that it could not take, from one start to the next: whatever
/// made this build fail three times makes it fail a fourth time.
const MOST_TELLINGS_AGAIN: u8 = 3;

impl Configuration {
    pub(super) fn adopted(&self) -> Option<&Adopted> {
        self.adopted.as_ref()
    }

    pub(super) fn version(&self) -> Option<Version> {
        self.adopted.as_ref().map(|adopted| adopted.version)
    }

    /// Keeps a part of a version that is not in force yet; a part of one that is means nothing.
    pub(super) fn stage(&mut self, version: Version, part: u16, bytes: &[u8]) {
        if self.is_newer(version) {
            self.staged.insert((version, part), bytes.to_vec());
        }
    }

    fn is_newer(&self, version: Version) -> bool {
        self.version().is_none_or(|current| current < version)
    }

    /// The whole that these staged parts make, if it is the named one.
    pub(crate) fn staged_as(&self, version: Version, parts: u16, hash: &[u8; 32]) -> Option<Festival> {
        Festival::decode(&self.whole(version, parts, hash)?).ok()
    }

    fn whole(&self, version: Version, parts: u16, hash: &[u8; 32]) -> Option<Vec<u8>> {
        let whole: Vec<u8> =
            (0..parts).filter_map(|part| self.staged.get(&(version, part))).flatten().copied().collect();
        (blake3::hash(&whole).as_bytes() == hash).then_some(whole)
    }

    /// Whether a version that is to come into force is not there whole.
    pub(super) fn lacks(&self, version: Version, parts: u16, hash: &[u8; 32]) -> bool {
        self.is_newer(version) && self.whole(version, parts, hash).is_none()
    }

    /// Another version is told from here on.
    pub(super) fn told_anew(&mut self) {
        self.told_again.clear();
    }

    /// Counts that a shard is to be told again; `false` if that was enough.
    pub(super) fn tells_again(&mut self, to: ShardId) -> bool {
        let times = self.told_again.entry(to).or_default();
        *times = times.saturating_add(1).min(MOST_TELLINGS_AGAIN + 1);
        *times <= MOST_TELLINGS_AGAIN
    }

    /// The shards that could not take it however often they were told. They are told again as if it were for
    /// the first time: another build may have started.
    pub(super) fn take_given_up(&mut self) -> Vec<ShardId> {
        let mut given_up = Vec::new();
        self.told_again.retain(|shard, times| {
            let gave_up = *times > MOST_TELLINGS_AGAIN;
            if gave_up {
                given_up.push(*shard);
            }
            !gave_up
        });
        given_up
    }

    /// How often which shard was told again, for the state's digest.
    pub(super) fn told_again(&self) -> impl Iterator<Item = (ShardId, u8)> {
        self.told_again.iter().map(|(shard, times)| (*shard, *times))
    }

    /// Brings a staged version into force. Parts that do not make the named whole change nothing:
    /// the shard keeps deciding by what it had (and the auditor names the record).
    pub(super) fn adopt(&mut self, version: Version, parts: u16, hash: &[u8; 32]) {
        if self.is_newer(version)
            && let Some(festival) = self.staged_as(version, parts, hash)
        {
            self.adopted = Some(Adopted { version, hash: *hash, festival: Arc::new(festival) });
        }
        self.staged.retain(|(staged, _), _| *staged > version);
    }

    /// Holds an equal festival once for all shards of a process: it may be large.
    pub(super) fn share(&mut self, shared: &mut Option<Arc<Festival>>) {
        let Some(adopted) = &mut self.adopted else { return };
        match shared {
            Some(festival) if **festival == *adopted.festival => adopted.festival = Arc::clone(festival),
            _ => *shared = Some(Arc::clone(&adopted.festival)),
        }
    }

    /// Staged parts in order, for the state's digest.
    pub(super) fn staged(&self) -> impl Iterator<Item = (&(Version, u16), &Vec<u8>)> {
        self.staged.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_never_takes_it_is_told_three_times_more_and_no_other_is_kept_waiting() {
        // One part that a shard can never take, sent to it all night, a record each time.
        let mut configuration = Configuration::default();
        let told: Vec<bool> = (0..5).map(|_| configuration.tells_again(ShardId(1))).collect();
        assert_eq!(told, [true, true, true, false, false]);
        assert!(configuration.tells_again(ShardId(2)));
        // A start asks who is left; whoever took it, or may still, is not told once more.
        assert_eq!(configuration.take_given_up(), [ShardId(1)]);
        assert_eq!(configuration.take_given_up(), []);
        let told: Vec<bool> = (0..4).map(|_| configuration.tells_again(ShardId(1))).collect();
        assert_eq!(told, [true, true, true, false]);
        configuration.told_anew();
        assert!(configuration.tells_again(ShardId(1)));
    }
}
