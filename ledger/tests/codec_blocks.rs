//! Blocks against L7: whatever is changed in a sealed block, or in the order of blocks, shows.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test"
)]

use ledger::block::{Block, BlockError, Draft, HEADER_BYTES, Head, Header, MAX_PAYLOAD, PROLOGUE_BYTES};
use ledger::ids::{At, Epoch, LedgerId, RecordNumber, ShardId, Version};
use ledger::money::Currency;
use ledger::record::leb::Reader;
use ledger::record::{Prologue, Record, sample};
use proptest::prelude::*;

fn prologue(base: At) -> Prologue {
    Prologue {
        base,
        configuration: Version::new(3),
        catalogue: Version::new(3),
        policy: None,
        currency: Currency::EUR,
    }
}

fn draft() -> Draft {
    Draft::new(LedgerId([7; 16]), ShardId(3), Epoch(2))
}

/// `count` small records of rising time.
fn records(seed: u64, count: usize) -> Vec<Record> {
    let mut source = fastrand::Rng::with_seed(seed);
    let mut records = Vec::new();
    while records.len() < count {
        let mut record = sample(&mut |limit| source.u64(..limit));
        record.at = At(1_000 + records.len() as i64);
        let mut bytes = Vec::new();
        ledger::record::encode(&record, &prologue(At(1_000)), &mut bytes);
        if bytes.len() < 2_000 {
            records.push(record);
        }
    }
    records
}

/// Seals `records` onto `head`.
fn sealed(head: Head, records: &[Record]) -> (Header, Vec<u8>) {
    let mut draft = draft();
    draft.begin(prologue(At(1_000)));
    draft.place(head);
    for record in records {
        draft.push(record);
    }
    let header = draft.seal();
    let mut bytes = header.to_bytes().to_vec();
    bytes.extend_from_slice(draft.payload());
    assert_eq!(bytes.len(), draft.sealed_len());
    (header, bytes)
}

/// Reads, checks and decodes a block, and asks whether it continues `head`.
fn accept(bytes: &[u8], head: &Head) -> Result<Vec<(RecordNumber, Record)>, BlockError> {
    let mut reader = Reader::new(bytes);
    let block = Block::read(&mut reader)?;
    block.check()?;
    block.header.continues(head)?;
    let mut records = Vec::new();
    block.each_record(|number, record| records.push((number, record)))?;
    reader.finish()?;
    Ok(records)
}

/// Three blocks of one shard, in order.
fn chain() -> Vec<(Header, Vec<u8>)> {
    let mut head = Head::default();
    let mut blocks = Vec::new();
    for seed in 0..3 {
        let block = sealed(head, &records(seed, 4));
        head = block.0.head();
        blocks.push(block);
    }
    blocks
}

#[test]
fn a_chain_reads_back_record_by_record() {
    let mut head = Head::default();
    for (index, (header, bytes)) in chain().into_iter().enumerate() {
        let expected = records(index as u64, 4);
        let found = accept(&bytes, &head).unwrap();
        let first = 4 * index as u64;
        let numbers: Vec<_> = found.iter().map(|(number, _)| number.0).collect();
        assert_eq!(numbers, (first..first + 4).collect::<Vec<_>>());
        assert!(found.iter().map(|(_, record)| record).eq(&expected));
        let block = Block::read(&mut Reader::new(&bytes)).unwrap();
        for (number, record) in &found {
            assert_eq!(block.record(*number).unwrap().as_ref(), Some(record));
        }
        for outside in [first.wrapping_sub(1), first + 4] {
            assert_eq!(block.record(RecordNumber(outside)).unwrap(), None);
        }
        assert_eq!(block.prologue().unwrap(), prologue(At(1_000)));
        head = header.head();
    }
    assert_eq!((head.next_seq, head.next_record, head.epoch), (3, RecordNumber(12), Epoch(2)));
}

#[test]
fn every_single_bit_of_a_sealed_block_is_watched() {
    let (_, bytes) = sealed(Head::default(), &records(11, 6));
    assert!(accept(&bytes, &Head::default()).is_ok());
    let mut spoiled = bytes.clone();
    for bit in 0..bytes.len() * 8 {
        spoiled[bit / 8] ^= 1 << (bit % 8);
        let error = accept(&spoiled, &Head::default()).expect_err("a flipped bit went unseen");
        match bit / 8 {
            0..HEADER_BYTES => assert_eq!(error, BlockError::HeaderHash, "bit {bit}"),
            _ => assert_eq!(error, BlockError::PayloadHash, "bit {bit}"),
        }
        spoiled[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn blocks_missing_doubled_or_swapped_do_not_continue_the_head() {
    let blocks = chain();
    let heads: Vec<_> =
        std::iter::once(Head::default()).chain(blocks.iter().map(|(h, _)| h.head())).collect();
    for (at, head) in heads.iter().enumerate() {
        for (index, (_, bytes)) in blocks.iter().enumerate() {
            let expected = if at == index {
                None
            } else {
                Some(BlockError::Chain("a block is missing or out of order"))
            };
            assert_eq!(accept(bytes, head).err(), expected, "block {index} after head {at}");
        }
    }
}

#[test]
fn each_part_of_the_head_is_checked() {
    let (header, _) = &chain()[1];
    let good = chain()[0].0.head();
    assert_eq!(header.continues(&good), Ok(()));
    for (head, expected) in [
        (Head { next_seq: 0, ..good }, "a block is missing or out of order"),
        (Head { hash: [1; 32], ..good }, "the hash of the block before differs"),
        (Head { next_record: RecordNumber(3), ..good }, "record numbers leave a gap"),
        (Head { epoch: Epoch(3), ..good }, "the epoch went back"),
    ] {
        assert_eq!(header.continues(&head), Err(BlockError::Chain(expected)));
    }
}

/// A header with `change` made and its hash computed again, as a forger would.
fn forged(change: impl Fn(&mut [u8])) -> Result<Header, BlockError> {
    let mut bytes = chain()[0].0.to_bytes();
    change(&mut bytes);
    let hash = *blake3::hash(&bytes[..112]).as_bytes();
    bytes[112..].copy_from_slice(&hash);
    Header::from_bytes(&bytes)
}

#[test]
fn a_forged_header_is_refused_before_its_numbers_are_used() {
    let beyond = BlockError::Chain("a number beyond what a shard can hold");
    for level in (0..ledger::LEVEL).chain([ledger::LEVEL + 1, u16::MAX]) {
        let stated = forged(|bytes| bytes[16..18].copy_from_slice(&level.to_le_bytes()));
        assert_eq!(stated, Err(BlockError::Level(level)));
    }
    assert_eq!(forged(|bytes| bytes[24..32].fill(0xff)), Err(beyond));
    assert_eq!(forged(|bytes| bytes[64..72].fill(0xff)), Err(beyond));
    // One past the last record number a remembered id can hold.
    assert_eq!(forged(|bytes| bytes[64..72].copy_from_slice(&RecordNumber::MAX.to_le_bytes())), Err(beyond));
    let long =
        forged(|bytes| bytes[76..80].copy_from_slice(&(MAX_PAYLOAD as u32 + 1).to_le_bytes())).unwrap();
    let error = Block::read(&mut Reader::new(&long.to_bytes())).unwrap_err();
    assert_eq!(error.to_string(), "byte 144: a payload longer than any block has");
}

#[test]
fn a_block_is_filled_until_a_largest_record_no_longer_fits() {
    let mut draft = draft();
    draft.begin(prologue(At(1_000)));
    assert_eq!(draft.payload().len(), PROLOGUE_BYTES);
    let records = records(5, 50);
    let mut pushed = 0;
    while draft.has_room() {
        draft.push(&records[pushed % records.len()]);
        pushed += 1;
    }
    assert!(draft.payload().len() <= MAX_PAYLOAD && draft.count() as usize == pushed);
    // An emptied draft carries nothing over.
    draft.begin(prologue(At(1_000)));
    assert_eq!((draft.count(), draft.payload().len()), (0, PROLOGUE_BYTES));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_block(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Block::read(&mut Reader::new(&bytes)).is_err());
    }

    /// A forger who hashes again still cannot make the decoder panic.
    #[test]
    fn a_spoiled_payload_with_fresh_hashes_never_panics(
        seed in 0_u64..50,
        place in any::<usize>(),
        value in any::<u8>(),
        count in 0_u32..9,
    ) {
        let (header, bytes) = sealed(Head::default(), &records(seed, 4));
        let mut payload = bytes[HEADER_BYTES..].to_vec();
        let place = place % payload.len();
        payload[place] = value;
        let mut fresh = header.to_bytes().to_vec();
        fresh[72..76].copy_from_slice(&count.to_le_bytes());
        fresh[80..112].copy_from_slice(blake3::hash(&payload).as_bytes());
        let hash = *blake3::hash(&fresh[..112]).as_bytes();
        fresh[112..].copy_from_slice(&hash);
        fresh.extend_from_slice(&payload);
        if let Ok(found) = accept(&fresh, &Head::default()) {
            let prologue = Block::read(&mut Reader::new(&fresh)).unwrap().prologue().unwrap();
            let mut again = payload[..PROLOGUE_BYTES].to_vec();
            for (_, record) in &found {
                ledger::record::encode(record, &prologue, &mut again);
            }
            prop_assert_eq!(again, payload, "one meaning, two encodings");
        }
        let block = Block::read(&mut Reader::new(&fresh)).unwrap();
        for number in 0..10 {
            let _ = block.record(RecordNumber(number));
        }
    }
}
