//! A configuration on its way from the festival's office to the other shards: which of its messages
//! each of them has been told. Changed by records only, so a restart goes on where it was.

use std::collections::BTreeMap;

use ledger::ids::{At, ShardId, Version};
use ledger::mutant::{self, Mutant};
use ledger::record::{Body, Envelope, Mail, Message, Record};

use super::ShardState;

/// Most parts of a configuration in one record: they and their messages' heads stay below the largest
/// record.
const PARTS_AT_A_TIME: usize = 15;

/// The version that the office's shard adopted last, until every other shard was told all of it.
#[derive(Clone, Debug)]
pub(super) struct Spreading {
    version: Version,
    hash: [u8; 32],
    parts: Vec<Vec<u8>>,
    /// How many messages each shard has been told: the parts, then the order.
    told: BTreeMap<ShardId, usize>,
}

impl Spreading {
    /// `bytes` are to go to all shards but `own`.
    pub(super) fn new(
        version: Version,
        hash: [u8; 32],
        bytes: &[u8],
        shards: u16,
        own: ShardId,
    ) -> Option<Self> {
        let skipped = |shard: &u16| mutant::on(Mutant::AdoptionSkipped) && *shard == shards - 1;
        let others = (0..shards).filter(|shard| !skipped(shard)).map(ShardId).filter(|shard| *shard != own);
        let told: BTreeMap<_, _> = others.map(|shard| (shard, 0)).collect();
        let parts = bytes.chunks(Message::MAX_PART).map(<[u8]>::to_vec).collect();
        (!told.is_empty()).then_some(Self { version, hash, parts, told })
    }

    /// Notes what a record told; whether everything is told now.
    fn note(&mut self, mail: &Mail) -> bool {
        for sent in &mail.sent {
            let ours = match &sent.message {
                Message::ConfigurationPart { version, .. } | Message::ConfigurationOrder { version, .. } => {
                    *version == self.version
                }
                _ => false,
            };
            if ours && let Some(told) = self.told.get_mut(&sent.to) {
                *told += 1;
            }
        }
        self.told.values().all(|told| *told > self.parts.len())
    }

    /// The message after the first `told`.
    fn message(&self, told: usize) -> Message {
        let version = self.version;
        // Parts are few: their numbers fit, as the office took them.
        let number = |part: usize| u16::try_from(part).unwrap_or(u16::MAX);
        match self.parts.get(told) {
            Some(bytes) => Message::ConfigurationPart { version, part: number(told), bytes: bytes.clone() },
            None => Message::ConfigurationOrder { version, parts: number(self.parts.len()), hash: self.hash },
        }
    }

    /// For the state's digest: the version, and how far each shard is.
    pub(super) fn progress(&self) -> (Version, impl Iterator<Item = (ShardId, usize)>) {
        (self.version, self.told.iter().map(|(shard, told)| (*shard, *told)))
    }
}

impl ShardState {
    /// The next messages that carry a new configuration to another shard. `None` while there are none,
    /// or no channel has room: acknowledgements make it. Each record counts on the one before, so each
    /// is to be applied before the next is asked for.
    pub fn spread(&self, at: At) -> Option<Record> {
        let spreading = self.spreading.as_ref()?;
        let (to, told, room) = spreading.told.iter().find_map(|(to, told)| {
            let left = (spreading.parts.len() + 1).saturating_sub(*told);
            let room = self.channels().room_for_configuration(*to).min(left).min(PARTS_AT_A_TIME);
            (room > 0).then_some((*to, *told, room))
        })?;
        let messages = (told..told + room).map(|told| spreading.message(told));
        let mail = Mail { taken: None, sent: self.channels().address_run(to, messages) };
        let version = self.adopted().map(|adopted| adopted.version);
        let envelope = Envelope {
            configuration: version,
            catalogue: version,
            policy: version,
            mail: Some(Box::new(mail)),
            ..Envelope::default()
        };
        Some(Record::fact(at, envelope, Body::Told))
    }

    /// Whether a new configuration is on its way from here.
    pub const fn is_spreading(&self) -> bool {
        self.spreading.is_some()
    }

    /// Whether the parts of a version that a shard is to adopt now are not all here: one of them became a
    /// dead letter.
    pub(crate) fn lacks_parts(&self, version: Version, parts: u16, hash: &[u8; 32]) -> bool {
        self.configuration.lacks(version, parts, hash)
    }

    /// A shard that could not adopt the version in force sent the order back: it is told all of it again,
    /// a few times, and a few times more after each start.
    pub(super) fn tell_again(&mut self, record: &Record, message: &Message) {
        let Message::Returned { message, .. } = message else { return };
        let Message::ConfigurationOrder { version, .. } = **message else { return };
        let from = record.envelope.mail.as_ref().and_then(|mail| mail.taken).map(|taken| taken.from);
        let Some(to) = from.filter(|_| self.configuration.version() == Some(version)) else { return };
        if self.configuration.tells_again(to) {
            self.spread_again(&[to]);
        }
    }

    /// A start: the build may be another one, which can take what the one before could not.
    pub(super) fn tell_who_gave_up(&mut self) {
        let given_up = self.configuration.take_given_up();
        self.spread_again(&given_up);
    }

    /// All of the version in force is to go to these shards once more.
    fn spread_again(&mut self, to: &[ShardId]) {
        if to.is_empty() {
            return;
        }
        if self.spreading.is_none() {
            self.spread_adopted();
            if let Some(spreading) = &mut self.spreading {
                spreading.told.clear();
            }
        }
        if let Some(spreading) = &mut self.spreading {
            spreading.told.extend(to.iter().map(|shard| (*shard, 0)));
        }
    }

    /// What a record told the others.
    pub(super) fn note_told(&mut self, mail: &Mail) {
        if self.spreading.as_mut().is_some_and(|spreading| spreading.note(mail)) {
            self.spreading = None;
        }
    }
}
