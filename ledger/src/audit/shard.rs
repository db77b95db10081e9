//! What is known of one shard while its blocks go by: its place in the chain (L7), its time, its
//! epoch (L8), its configuration. Computed here from the bytes, not taken from `block`'s checks.

use super::configuration::Configuration;
use super::finding::Rule;
use crate::block::{Block, Head, Header};
use crate::ids::{At, Epoch, RecordNumber, Version};
use crate::record::{Envelope, Record};

/// A rule and in what way it was broken.
pub(super) type Broken = (Rule, String);

/// One shard.
#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// The head after the last block that was sound.
    pub(super) head: Head,
    /// Its chain broke: nothing after that can be judged.
    pub(super) stopped: bool,
    /// A block's epoch rose and its opening record is still to come.
    opening: bool,
    last_at: Option<At>,
    pub(super) configuration: Configuration,
    catalogue: Option<Version>,
    policy: Option<Version>,
}

impl Shard {
    pub(super) fn new() -> Self {
        Self {
            head: Head::default(),
            stopped: false,
            opening: false,
            last_at: None,
            configuration: Configuration::default(),
            catalogue: None,
            policy: None,
        }
    }

    /// Whether no block of it was ever seen.
    pub(super) fn is_untouched(&self) -> bool {
        self.head.next_seq == 0 && !self.stopped
    }

    /// Whether `block` is sound and the next of the chain; moves the head if so. A falling epoch is
    /// named and does not stop the shard: its records still follow each other.
    pub(super) fn next(&mut self, block: &Block<'_>) -> Result<Option<Broken>, Broken> {
        let header = &block.header;
        check_hashes(block)?;
        let head = &self.head;
        let chain = |text| Err((Rule::Chain, text));
        if header.seq != head.next_seq {
            return chain(format!("block {} was expected here", head.next_seq));
        }
        if header.prev != head.hash {
            return chain("the block before has another hash".into());
        }
        if header.first != head.next_record {
            return chain(format!("it begins with record {} instead of {}", header.first, head.next_record));
        }
        let fell = (header.epoch < head.epoch)
            .then(|| (Rule::Epoch, format!("epoch {} after epoch {}", header.epoch.0, head.epoch.0)));
        self.opening = header.seq > 0 && header.epoch > head.epoch;
        self.head = header.head();
        Ok(fell)
    }

    /// A block whose epoch rose must begin with the record that opens it; no other record may.
    pub(super) fn opened_epoch(&mut self, opened: Option<Epoch>, header: &Header) -> Option<Broken> {
        let awaited = std::mem::take(&mut self.opening);
        let wrong = |text| Some((Rule::Epoch, text));
        match opened {
            None if awaited => wrong(format!("epoch {} begins without its opening record", header.epoch.0)),
            Some(epoch) if epoch != header.epoch => {
                wrong(format!("opens epoch {} in a block of epoch {}", epoch.0, header.epoch.0))
            }
            Some(epoch) if !awaited && header.seq > 0 => wrong(format!("opens epoch {} once more", epoch.0)),
            _ => None,
        }
    }

    /// Time never falls. A single early record is named once.
    pub(super) fn tick(&mut self, at: At) -> Option<Broken> {
        let before = self.last_at.replace(at)?;
        (at < before).then(|| (Rule::Time, format!("time {} after {}", at.0, before.0)))
    }

    /// A decision names the configuration in force; its catalogue and policy never go back.
    pub(super) fn versions(&mut self, envelope: &Envelope) -> Option<Broken> {
        let (named, adopted) = (envelope.configuration, self.configuration.adopted());
        if named != adopted {
            let (named, adopted) = (show(named), show(adopted));
            return Some((
                Rule::Version,
                format!("decided under configuration {named}, {adopted} is in force"),
            ));
        }
        let catalogue = std::mem::replace(&mut self.catalogue, envelope.catalogue);
        let policy = std::mem::replace(&mut self.policy, envelope.policy);
        for (what, before, now) in
            [("catalogue", catalogue, envelope.catalogue), ("policy", policy, envelope.policy)]
        {
            if now < before {
                let text = format!("{what} {} after {what} {}", show(now), show(before));
                return Some((Rule::Version, text));
            }
        }
        None
    }
}

fn show(version: Option<Version>) -> String {
    version.map_or_else(|| "none".into(), |version| version.to_string())
}

/// Both hashes of a block, computed anew. Where the payload is wrong, the first record that does
/// not decode is the likely place.
fn check_hashes(block: &Block<'_>) -> Result<(), Broken> {
    let bytes = block.header.to_bytes();
    if *blake3::hash(&bytes[..112]).as_bytes() != block.header.hash {
        return Err((Rule::Chain, "the header does not match its hash".into()));
    }
    if *blake3::hash(block.payload()).as_bytes() == block.header.payload_hash {
        return Ok(());
    }
    let suspect = block.each_record(|_: RecordNumber, _: Record| {}).err();
    let suspect = suspect.map_or_else(String::new, |error| format!("; {error}"));
    Err((Rule::Chain, format!("the payload does not match its hash{suspect}")))
}
