//! Letters between shards, and how they travel. A letter may be lost, doubled, late or out of order
//! on its way: the channel behind it numbers, repeats and acknowledges (L5), so the way needs to be
//! fast and nothing else. Two shards of one loop use it like two on different machines.

use crossbeam_channel::TrySendError;
use ledger::ids::ShardId;
use ledger::record::Message;

use crate::core::{Layout, Parcel};

/// What one shard tells another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The shard that wrote it.
    pub from: ShardId,
    /// The shard it is for.
    pub to: ShardId,
    /// What it says.
    pub content: Content,
}

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A message of the channel `from` to `to`; the record that sent it is confirmed.
    Message {
        /// Its number on the channel.
        number: u64,
        /// The message.
        message: Message,
    },
    /// `from` has taken every message of the channel `to` to `from` up to this number, and the records
    /// that took them are confirmed.
    Taken {
        /// The last of them.
        up_to: u64,
    },
}

/// The way of letters to their shards.
pub trait Post: Send {
    /// Takes all `letters` on their way. It may lose some: they are written again.
    fn post(&mut self, letters: &mut Vec<Letter>);
}

/// The way within one process: into the inbox of the receiver's core, the own core's included.
pub struct LocalPost {
    layout: Layout,
    bags: Vec<Vec<Letter>>,
}

impl LocalPost {
    /// The way between the cores of `layout`.
    pub fn new(layout: Layout) -> Self {
        let bags = layout.peers.iter().map(|_| Vec::new()).collect();
        Self { layout, bags }
    }
}

impl Post for LocalPost {
    fn post(&mut self, letters: &mut Vec<Letter>) {
        for letter in letters.drain(..) {
            let home = self.layout.homes.get(usize::from(letter.to.0)).copied().unwrap_or(0);
            if let Some(bag) = self.bags.get_mut(usize::from(home)) {
                bag.push(letter);
            }
        }
        for (bag, peer) in self.bags.iter_mut().zip(&self.layout.peers) {
            if bag.is_empty() {
                continue;
            }
            match peer.sender.try_send(Parcel::Letters(std::mem::take(bag))) {
                // A full inbox loses them, a core that is gone has no use for them.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => (peer.waker)(),
            }
        }
    }
}
