//! L7: every block carries the hash of the one before. Checked here with code of its own, so that a
//! mutant of the ledger's check is seen.

use ledger::block::{Block, Head};
use ledger::law::Law;

use super::{Verdict, Violation};

/// Whether `block` is whole and comes directly after `head`.
pub fn continues(head: &Head, block: &Block<'_>) -> Verdict {
    let header = &block.header;
    let wrong = |what: &str| {
        let place = format!("shard {} block {}", header.shard, header.seq);
        Err(Violation::new(Law::Chain, format!("{place}: {what}")))
    };
    if header.seq != head.next_seq {
        return wrong(&format!("block {} was expected", head.next_seq));
    }
    if header.prev != head.hash {
        return wrong("the hash of the block before differs");
    }
    if header.first != head.next_record {
        return wrong("record numbers leave a gap");
    }
    if header.epoch < head.epoch {
        return wrong("the epoch went back");
    }
    if *blake3::hash(block.payload()).as_bytes() != header.payload_hash {
        return wrong("the payload does not match its hash");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ledger::block::{Draft, HEADER_BYTES};
    use ledger::ids::{At, Epoch, LedgerId, ShardId};
    use ledger::record::leb::Reader;
    use ledger::record::{Body, Envelope, Record};

    use super::*;

    fn block(head: Head, epoch: u32) -> Vec<u8> {
        let mut draft = Draft::new(LedgerId::default(), ShardId(0), Epoch(epoch));
        let state = actors::shard_state::ShardState::new(ShardId(0));
        draft.begin(state.prologue(At(1)));
        draft.push(&Record::fact(At(1), Envelope::default(), Body::EpochOpened { epoch: Epoch(epoch) }));
        draft.place(head);
        [draft.seal().to_bytes().as_slice(), draft.payload()].concat()
    }

    #[test]
    fn a_missing_a_swapped_and_a_changed_block_are_named() {
        let first = block(Head::default(), 1);
        let read = |bytes: &[u8], head: Head| {
            let block = Block::read(&mut Reader::new(bytes)).unwrap();
            (continues(&head, &block).map_err(|violation| violation.law), block.header.head())
        };
        let (verdict, head) = read(&first, Head::default());
        assert_eq!(verdict, Ok(()));
        let second = block(head, 1);
        assert_eq!(read(&second, head).0, Ok(()));
        let broken = Err(Law::Chain);
        assert_eq!(read(&second, Head::default()).0, broken, "the first block is missing");
        assert_eq!(read(&first, head).0, broken, "the first block comes again");
        assert_eq!(read(&second, Head { hash: [7; 32], ..head }).0, broken);
        assert_eq!(read(&second, Head { epoch: Epoch(2), ..head }).0, broken);
        let mut changed = second;
        changed[HEADER_BYTES + 3] ^= 1;
        assert_eq!(read(&changed, head).0, broken, "one bit of a record");
    }
}
