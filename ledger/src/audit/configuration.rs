//! Configurations (L6): founded in every shard, changed at the festival's office, told from there to the
//! other shards part by part, adopted as they were staged, and the same everywhere. From the bytes alone:
//! what a configuration says is not read.

use std::collections::BTreeMap;

use super::finding::Rule;
use super::shard::Broken;
use crate::ids::{ShardId, Version};
use crate::record::{Body, Mail, Message, Record};

/// What all shards must agree on.
#[derive(Clone, Debug, Default)]
pub(super) struct Versions {
    founded: Option<Version>,
    hashes: BTreeMap<Version, [u8; 32]>,
}

impl Versions {
    /// A version says the same in all shards.
    fn same(&mut self, version: Version, hash: &[u8; 32]) -> Option<Broken> {
        let other = self.hashes.entry(version).or_insert(*hash) != hash;
        other.then(|| broken(format!("another shard adopted another version {version}")))
    }

    /// All shards begin with one version.
    fn founded(&mut self, version: Version) -> Option<Broken> {
        let first = *self.founded.get_or_insert(version);
        (first != version)
            .then(|| broken(format!("begins with version {version}, another shard with {first}")))
    }
}

/// What one shard has staged, adopted and told.
#[derive(Clone, Debug, Default)]
pub(super) struct Configuration {
    adopted: Option<Version>,
    /// Parts on their way to be adopted; one that is staged again takes the place of the first.
    staged: BTreeMap<(Version, u16), Box<[u8]>>,
    /// What was adopted last at the festival's office, if that is in this shard, and its hash.
    of_office: Option<(Version, [u8; 32])>,
    /// What each other shard was told of it.
    told: BTreeMap<ShardId, Told>,
}

/// What a shard was told of one version.
#[derive(Clone, Debug)]
struct Told {
    parts: u16,
    hasher: blake3::Hasher,
    /// The order went out, or something was wrong: what follows from that is not its own fault.
    closed: Option<Closed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closed {
    Ordered,
    Broken,
}

impl Configuration {
    /// The version in force.
    pub(super) const fn adopted(&self) -> Option<Version> {
        self.adopted
    }

    /// Takes in what a record of `shard` does to the configuration.
    pub(super) fn take(
        &mut self,
        shard: ShardId,
        record: &Record,
        versions: &mut Versions,
    ) -> [Option<Broken>; 2] {
        let asked = record.envelope.request.is_some();
        let declined = record.decline.is_some();
        match &record.body {
            Body::ConfigurationStaged { .. } | Body::ConfigurationAdopted { .. } if declined => [None, None],
            Body::ConfigurationStaged { version, part, bytes } => {
                [self.founds_once(asked), self.stage(*version, *part, bytes)]
            }
            Body::ConfigurationAdopted { version, parts, hash } => {
                let unasked = self.founds_once(asked).or_else(|| versions.same(*version, hash));
                let first = self.adopted.is_none().then(|| versions.founded(*version)).flatten();
                let wrong = first.or_else(|| self.adopt(*version, *parts, hash));
                if asked {
                    self.of_office = Some((*version, *hash));
                    self.told.clear();
                }
                [unasked, wrong]
            }
            Body::Delivered { message } => match message {
                Message::ConfigurationPart { .. } | Message::ConfigurationOrder { .. } if declined => {
                    [Some(broken("declines what the festival's office tells".into())), None]
                }
                Message::ConfigurationPart { version, part, bytes } if self.is_newer(*version) => {
                    [None, self.stage(*version, *part, bytes)]
                }
                Message::ConfigurationOrder { version, parts, hash } => {
                    // An old one is taken and changes nothing.
                    let adopted = self.is_newer(*version).then(|| self.adopt(*version, *parts, hash));
                    [versions.same(*version, hash), adopted.flatten()]
                }
                Message::Returned { message, .. } => {
                    self.sent_back(message, record.envelope.mail.as_deref());
                    [None, None]
                }
                _ => [None, None],
            },
            Body::Told => [self.tell(shard, record.envelope.mail.as_deref()), None],
            _ => [None, None],
        }
    }

    /// A shard that could not adopt what it was told sends the order back: it may be told again.
    fn sent_back(&mut self, message: &Message, mail: Option<&Mail>) {
        let Message::ConfigurationOrder { version, .. } = message else { return };
        let from = mail.and_then(|mail| mail.taken).map(|taken| taken.from);
        if let Some(from) = from.filter(|_| self.of_office.is_some_and(|(told, _)| told == *version)) {
            self.told.remove(&from);
        }
    }

    fn is_newer(&self, version: Version) -> bool {
        self.adopted < Some(version)
    }

    /// Without a request a configuration is founded, and never again.
    fn founds_once(&self, asked: bool) -> Option<Broken> {
        let again = !asked && self.adopted.is_some();
        again.then(|| broken("changes the configuration, which nobody asked for".into()))
    }

    /// Takes in a part of a version that is not in force.
    fn stage(&mut self, version: Version, part: u16, bytes: &[u8]) -> Option<Broken> {
        if !self.is_newer(version) {
            let text = format!("stages version {version}, which is not newer than the one in force");
            return Some(broken(text));
        }
        self.staged.insert((version, part), bytes.into());
        None
    }

    /// Brings a version into force; what is adopted must be what was staged.
    fn adopt(&mut self, version: Version, parts: u16, hash: &[u8; 32]) -> Option<Broken> {
        let fell = self.adopted.replace(version).is_some_and(|before| version <= before);
        let staged = (0..parts).map_while(|part| self.staged.remove(&(version, part)));
        let (mut hasher, mut found) = (blake3::Hasher::new(), 0_u16);
        for part in staged {
            hasher.update(&part);
            found = found.saturating_add(1);
        }
        let left = self.staged.keys().any(|(staged, _)| *staged == version);
        self.staged.retain(|(staged, _), _| *staged > version);
        if fell {
            return Some(broken(format!("version {version} is not newer than the one in force")));
        }
        if parts == 0 || found < parts {
            return Some(broken(format!("part {found} of version {version} was not staged")));
        }
        if hasher.finalize().as_bytes() != hash {
            let more = if left { ", which had more parts" } else { "" };
            let text = format!("version {version} is not what was staged{more}: the hash differs");
            return Some(broken(text));
        }
        None
    }

    /// The shard of the office tells the others what was adopted there: all parts in order, then the
    /// order, once; and again if that came back.
    fn tell(&mut self, shard: ShardId, mail: Option<&Mail>) -> Option<Broken> {
        let Some((version, hash)) = self.of_office else {
            return Some(broken("tells of a configuration that was not changed in this shard".into()));
        };
        let mut wrong = None;
        for sent in mail.iter().flat_map(|mail| &mail.sent) {
            let told = self.told.entry(sent.to).or_insert_with(Told::nothing);
            let why =
                if sent.to == shard { Some("itself") } else { told.hear(&sent.message, (version, hash)) };
            wrong = wrong.or(why.map(|why| format!("tells shard {} of version {version} {why}", sent.to)));
        }
        wrong.map(broken)
    }
}

impl Told {
    fn nothing() -> Self {
        Self { parts: 0, hasher: blake3::Hasher::new(), closed: None }
    }

    /// Takes in the next message; answers what is wrong with it.
    fn hear(&mut self, message: &Message, (adopted, whole): (Version, [u8; 32])) -> Option<&'static str> {
        if self.closed == Some(Closed::Broken) {
            return None;
        }
        let wrong = match message {
            _ if self.closed == Some(Closed::Ordered) => Some("once more"),
            Message::ConfigurationPart { version, .. } | Message::ConfigurationOrder { version, .. }
                if *version != adopted =>
            {
                Some("by another one")
            }
            Message::ConfigurationPart { part, bytes, .. } => {
                let next = *part == self.parts;
                self.hasher.update(bytes);
                self.parts = self.parts.saturating_add(1);
                (!next).then_some("its parts out of order")
            }
            Message::ConfigurationOrder { parts, hash, .. } => {
                let right =
                    *parts == self.parts && *hash == whole && *self.hasher.finalize().as_bytes() == whole;
                self.closed = Some(Closed::Ordered);
                (!right).then_some("another one than was adopted")
            }
            _ => None,
        };
        if wrong.is_some() {
            self.closed = Some(Closed::Broken);
        }
        wrong
    }
}

const fn broken(text: String) -> Broken {
    (Rule::Configuration, text)
}
