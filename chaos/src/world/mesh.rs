//! The way of letters between shards: any letter may be the next to arrive, may arrive twice, or never.
//! It outlives processes, so that letters of an earlier start arrive at a later one. Never looks into
//! what it carries.

use std::sync::{Arc, Mutex, PoisonError};

use engine::mail::{Letter, Post};
use fastrand::Rng;

/// Most letters on the way; what comes beyond is lost, as on any network.
const MOST: usize = 4_096;

/// What became of a letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives.
    Arrives(Letter),
    /// It arrives, and a copy of it stays on the way.
    ArrivesTwice(Letter),
    /// It is lost.
    Lost(Letter),
}

/// The way; clones are the same way.
#[derive(Clone, Default)]
pub struct Mesh(Arc<Mutex<Vec<Letter>>>);

impl Post for Mesh {
    fn post(&mut self, letters: &mut Vec<Letter>) {
        let mut bag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        letters.truncate(MOST.saturating_sub(bag.len()));
        bag.append(letters);
    }
}

impl Mesh {
    /// Letters on the way.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether none is on the way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The letter that lies at the front, taken out.
    pub fn oldest(&self) -> Option<Letter> {
        let mut bag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (!bag.is_empty()).then(|| bag.remove(0))
    }

    /// What becomes of some letter: of 100, so many are lost and so many arrive twice.
    pub fn next(&self, rng: &mut Rng, lost: u32, twice: u32) -> Option<Fate> {
        let mut bag = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bag.is_empty() {
            return None;
        }
        let at = rng.usize(0..bag.len());
        let chance = rng.u32(0..100);
        if chance >= lost && chance < lost + twice {
            return Some(Fate::ArrivesTwice(bag[at].clone()));
        }
        let letter = bag.swap_remove(at);
        Some(if chance < lost { Fate::Lost(letter) } else { Fate::Arrives(letter) })
    }
}

#[cfg(test)]
mod tests {
    use engine::mail::Content;
    use ledger::ids::ShardId;

    use super::*;

    fn letter(up_to: u64) -> Letter {
        Letter { from: ShardId(1), to: ShardId(2), content: Content::Taken { up_to } }
    }

    #[test]
    fn letters_arrive_once_twice_or_never_and_the_way_is_bounded() {
        let mut mesh = Mesh::default();
        let mut rng = Rng::with_seed(1);
        mesh.post(&mut (0..5_000).map(letter).collect());
        assert_eq!(mesh.len(), MOST);
        assert!(matches!(mesh.next(&mut rng, 100, 0), Some(Fate::Lost(_))));
        assert!(matches!(mesh.next(&mut rng, 0, 100), Some(Fate::ArrivesTwice(_))));
        assert_eq!(mesh.len(), MOST - 1);
        assert!(matches!(mesh.next(&mut rng, 0, 0), Some(Fate::Arrives(_))));
        assert_eq!(mesh.len(), MOST - 2);
        let mut mesh = Mesh::default();
        mesh.post(&mut (1..3).map(letter).collect());
        assert_eq!([mesh.oldest(), mesh.oldest(), mesh.oldest()], [Some(letter(1)), Some(letter(2)), None]);
    }
}
