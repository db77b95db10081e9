//! The block: a run of records of one shard, hashed over its canonical bytes and chained to the
//! block before it (L7). The same chain lies in every store.

use thiserror::Error;

use crate::ids::{At, Epoch, LedgerId, RecordNumber, ShardId, Version};
use crate::money::Currency;
use crate::mutant::{self, Mutant};
use crate::record::leb::{ReadError, Reader};
use crate::record::{self, CodecError, MAX_RECORD_BYTES, Prologue, Record};

/// Largest payload of a block.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// A payload begins with what its records share.
pub const PROLOGUE_BYTES: usize = 22;
/// Bytes of an encoded header.
pub const HEADER_BYTES: usize = 144;
/// The part of the header that the block's hash covers.
const HASHED_BYTES: usize = 112;

/// A BLAKE3 hash.
pub type Hash = [u8; 32];

/// A shard's last confirmed block: what the next one continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Head {
    /// Sequence number of the block the shard writes next; 0 in an empty shard.
    pub next_seq: u64,
    /// Hash of the last block; zero in an empty shard.
    pub hash: Hash,
    /// Number of the record the shard decides next.
    pub next_record: RecordNumber,
    /// Epoch of the last block.
    pub epoch: Epoch,
}

/// The fixed part of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The ledger it belongs to.
    pub ledger: LedgerId,
    /// Format level of its records.
    pub level: u16,
    /// The shard it is part of.
    pub shard: ShardId,
    /// The start of the process that wrote it.
    pub epoch: Epoch,
    /// 0, 1, 2 ... within the shard.
    pub seq: u64,
    /// Hash of the block before.
    pub prev: Hash,
    /// Number of its first record.
    pub first: RecordNumber,
    /// How many records it holds.
    pub count: u32,
    /// Bytes of payload.
    pub length: u32,
    /// BLAKE3 of the payload.
    pub payload_hash: Hash,
    /// BLAKE3 of everything above.
    pub hash: Hash,
}

/// Why bytes are not a block, or not the block that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The bytes are malformed.
    #[error(transparent)]
    Bytes(#[from] ReadError),
    /// A record of it is malformed.
    #[error("record {number}: {error}")]
    Record {
        /// Its number.
        number: RecordNumber,
        /// Why.
        error: CodecError,
    },
    /// The payload is not what the header was computed over.
    #[error("the payload does not match its hash")]
    PayloadHash,
    /// The header is not what it was computed over.
    #[error("the header does not match its hash")]
    HeaderHash,
    /// It does not continue the shard's head.
    #[error("does not continue the chain: {0}")]
    Chain(&'static str),
    /// It is of another level than this build knows.
    #[error("format level {0} is not known to this build")]
    Level(u16),
}

impl Header {
    /// The canonical bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..16].copy_from_slice(&self.ledger.0);
        bytes[16..18].copy_from_slice(&self.level.to_le_bytes());
        bytes[18..20].copy_from_slice(&self.shard.0.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.epoch.0.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.seq.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.prev);
        bytes[64..72].copy_from_slice(&self.first.0.to_le_bytes());
        bytes[72..76].copy_from_slice(&self.count.to_le_bytes());
        bytes[76..80].copy_from_slice(&self.length.to_le_bytes());
        bytes[80..112].copy_from_slice(&self.payload_hash);
        bytes[112..].copy_from_slice(&self.hash);
        bytes
    }

    /// Reads a header and checks its own hash; the payload is checked by [`Block::check`].
    pub fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Result<Self, BlockError> {
        let mut reader = Reader::new(bytes);
        let header = Self {
            ledger: LedgerId(reader.array()?),
            level: reader.u16()?,
            shard: ShardId(reader.u16()?),
            epoch: Epoch(reader.u32()?),
            seq: reader.u64()?,
            prev: reader.array()?,
            first: RecordNumber(reader.u64()?),
            count: reader.u32()?,
            length: reader.u32()?,
            payload_hash: reader.array()?,
            hash: reader.array()?,
        };
        if *blake3::hash(&bytes[..HASHED_BYTES]).as_bytes() != header.hash {
            return Err(BlockError::HeaderHash);
        }
        if header.level != crate::LEVEL {
            return Err(BlockError::Level(header.level));
        }
        header.in_range()?;
        Ok(header)
    }

    /// Numbers that no shard reaches are refused here, so that none of those that follow overflows.
    fn in_range(&self) -> Result<(), BlockError> {
        let end = self.first.0.saturating_add(u64::from(self.count));
        if self.seq > RecordNumber::MAX || end > RecordNumber::MAX + 1 {
            return Err(BlockError::Chain("a number beyond what a shard can hold"));
        }
        Ok(())
    }

    /// The head after this block.
    pub fn head(&self) -> Head {
        Head {
            next_seq: self.seq + 1,
            hash: self.hash,
            next_record: RecordNumber(self.first.0 + u64::from(self.count)),
            epoch: self.epoch,
        }
    }

    /// L7: whether this block continues `head`.
    pub fn continues(&self, head: &Head) -> Result<(), BlockError> {
        if mutant::on(Mutant::ChainUnchecked) {
            return Ok(());
        }
        let broken = [
            (self.seq != head.next_seq, "a block is missing or out of order"),
            (self.prev != head.hash, "the hash of the block before differs"),
            (self.first != head.next_record, "record numbers leave a gap"),
            (self.epoch < head.epoch, "the epoch went back"),
        ];
        broken.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, why)| Err(BlockError::Chain(why)))
    }
}

/// A block being filled, and then on its way to the journal. Its buffer is meant to be reused.
#[derive(Clone, Debug)]
pub struct Draft {
    ledger: LedgerId,
    shard: ShardId,
    epoch: Epoch,
    head: Head,
    prologue: Prologue,
    count: u32,
    payload: Vec<u8>,
}

impl Draft {
    /// An empty draft that will continue `head` once that is known; see [`Draft::begin`].
    pub fn new(ledger: LedgerId, shard: ShardId, epoch: Epoch) -> Self {
        let prologue = Prologue {
            base: At(0),
            configuration: None,
            catalogue: None,
            policy: None,
            currency: Currency::EUR,
        };
        Self { ledger, shard, epoch, head: Head::default(), prologue, count: 0, payload: Vec::new() }
    }

    /// Empties it and sets what its records will share. Its place in the chain is set by
    /// [`Draft::place`] when the block before it is confirmed.
    pub fn begin(&mut self, prologue: Prologue) {
        self.prologue = prologue;
        self.count = 0;
        self.payload.clear();
        put_prologue(&mut self.payload, &prologue);
    }

    /// Empties it.
    pub fn clear(&mut self) {
        self.count = 0;
        self.payload.clear();
    }

    /// Sets the block it continues.
    pub fn place(&mut self, head: Head) {
        self.head = head;
    }

    /// Whether a record of the largest size still fits.
    pub fn has_room(&self) -> bool {
        self.payload.len() + MAX_RECORD_BYTES <= MAX_PAYLOAD
    }

    /// Appends a record. The caller asks [`Draft::has_room`] first.
    pub fn push(&mut self, record: &Record) {
        debug_assert!(self.has_room() && record.at >= self.prologue.base);
        record::encode(record, &self.prologue, &mut self.payload);
        self.count += 1;
    }

    /// How many records it holds.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The shard.
    pub const fn shard(&self) -> ShardId {
        self.shard
    }

    /// The sequence number it will have.
    pub const fn seq(&self) -> u64 {
        self.head.next_seq
    }

    /// Canonical bytes of the payload.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Bytes of the sealed block: header and payload.
    pub fn sealed_len(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }

    /// Hashes the payload and ties the block to the one before.
    pub fn seal(&self) -> Header {
        let mut header = Header {
            ledger: self.ledger,
            level: crate::LEVEL,
            shard: self.shard,
            epoch: self.epoch,
            seq: self.head.next_seq,
            prev: self.head.hash,
            first: self.head.next_record,
            count: self.count,
            length: u32::try_from(self.payload.len()).unwrap_or(u32::MAX),
            payload_hash: *blake3::hash(&self.payload).as_bytes(),
            hash: [0; 32],
        };
        header.hash = *blake3::hash(&header.to_bytes()[..HASHED_BYTES]).as_bytes();
        header
    }
}

fn put_prologue(out: &mut Vec<u8>, prologue: &Prologue) {
    out.extend_from_slice(&prologue.base.0.to_le_bytes());
    for version in [prologue.configuration, prologue.catalogue, prologue.policy] {
        out.extend_from_slice(&version.map_or(0, Version::get).to_le_bytes());
    }
    out.extend_from_slice(&prologue.currency.numeric().to_le_bytes());
}

fn take_prologue(reader: &mut Reader<'_>) -> Result<Prologue, ReadError> {
    Ok(Prologue {
        base: At(reader.u64()?.cast_signed()),
        configuration: Version::new(reader.u32()?),
        catalogue: Version::new(reader.u32()?),
        policy: Version::new(reader.u32()?),
        currency: Currency::from_numeric(reader.u16()?).ok_or(reader.error("an unknown currency"))?,
    })
}

/// A block as it was read: header and payload.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// The fixed part.
    pub header: Header,
    payload: &'a [u8],
}

impl<'a> Block<'a> {
    /// Reads a block from the front of `reader`. Hash of the header checked, of the payload not.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, BlockError> {
        let header = Header::from_bytes(&reader.array()?)?;
        let length = header.length as usize;
        if length > MAX_PAYLOAD {
            return Err(reader.error("a payload longer than any block has").into());
        }
        Ok(Self { header, payload: reader.take(length)? })
    }

    /// Checks the payload against its hash.
    pub fn check(&self) -> Result<(), BlockError> {
        if *blake3::hash(self.payload).as_bytes() == self.header.payload_hash {
            Ok(())
        } else {
            Err(BlockError::PayloadHash)
        }
    }

    /// Canonical bytes of the payload.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// What its records share.
    pub fn prologue(&self) -> Result<Prologue, BlockError> {
        Ok(take_prologue(&mut Reader::new(self.payload))?)
    }

    /// Calls `visit` with each record and its number, in order.
    pub fn each_record(&self, mut visit: impl FnMut(RecordNumber, Record)) -> Result<(), BlockError> {
        let mut reader = Reader::new(self.payload);
        let prologue = take_prologue(&mut reader)?;
        for index in 0..u64::from(self.header.count) {
            let number = RecordNumber(self.header.first.0 + index);
            let record = record::decode(&mut reader, &prologue);
            visit(number, record.map_err(|error| BlockError::Record { number, error })?);
        }
        Ok(reader.finish()?)
    }

    /// The record of this number, if the block holds it.
    pub fn record(&self, number: RecordNumber) -> Result<Option<Record>, BlockError> {
        let Some(index) = number.0.checked_sub(self.header.first.0) else { return Ok(None) };
        if index >= u64::from(self.header.count) {
            return Ok(None);
        }
        let mut reader = Reader::new(self.payload);
        let prologue = take_prologue(&mut reader)?;
        for _ in 0..index {
            let length = reader.clone().u32()? as usize;
            reader.take(length)?;
        }
        record::decode(&mut reader, &prologue).map(Some).map_err(|error| BlockError::Record { number, error })
    }
}
