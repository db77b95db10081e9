//! Which configuration version this shard decides by. Parts are staged unseen; the record that
//! adopts them brings them into force, so a shard that moved or restarted can never decide by an
//! older version than the one it already used.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::ids::Version;

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
}

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
        let whole: Vec<u8> =
            (0..parts).filter_map(|part| self.staged.get(&(version, part))).flatten().copied().collect();
        let named = blake3::hash(&whole).as_bytes() == hash;
        named.then(|| Festival::decode(&whole).ok())?
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
