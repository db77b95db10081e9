//! The auditor against plain tampering with the bytes, by somebody who fits the hashes or does not:
//! the chain names the place (L7), and what follows in that shard is not believed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation, reason = "a test")]

mod audit_support;

use audit_support::configuration::{STAGED, TOLD, changed, whole};
use audit_support::*;
use ledger::account::AccountKind;
use ledger::audit::{Auditor, Rule};
use ledger::block::{Block, HEADER_BYTES, Head, PROLOGUE_BYTES};
use ledger::ids::ShardId;
use ledger::record::leb::Reader;

/// Index of a block among the sealed ones: four of shard 0, then two of shard 1.
const SHARD_0: usize = 4;

fn in_block(rule: Rule, shard: u16, block: u64) -> Short {
    (rule, Some(shard), Some(block), None)
}

/// Where each record of a payload begins.
fn starts(payload: &[u8]) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut at = PROLOGUE_BYTES;
    while at < payload.len() {
        starts.push(at);
        at += u32::from_le_bytes(payload[at..at + 4].try_into().unwrap()) as usize;
    }
    starts.push(at);
    starts
}

#[test]
fn a_flipped_bit_anywhere_is_named_by_its_block() {
    let files = good().sealed();
    for (index, block) in files.0.iter().enumerate() {
        let (shard, seq) = if index < SHARD_0 { (0, index) } else { (1, index - SHARD_0) };
        for bit in (0..block.len() * 8).step_by(13) {
            let mut spoiled = files.clone();
            spoiled.0[index][bit / 8] ^= 1 << (bit % 8);
            let report = spoiled.audit();
            let first = report.findings.first().unwrap_or_else(|| panic!("bit {bit} of block {index}"));
            if bit / 8 < HEADER_BYTES {
                // The reader cannot even say which block it is: it names the place in the store.
                assert_eq!(short(first), (Rule::Chain, None, None, None));
                assert!(first.text.contains(&format!("damaged at block file {index}")), "{first}");
            } else {
                assert_eq!(short(first), in_block(Rule::Chain, shard, seq as u64), "{first}");
            }
        }
    }
}

#[test]
fn a_record_changed_in_place_is_looked_for() {
    let mut files = good().sealed();
    let payload = &files.0[1][HEADER_BYTES..];
    // The length of record 6, the third of block 1.
    let at = HEADER_BYTES + starts(payload)[2];
    files.0[1][at] ^= 0x40;
    let report = files.audit();
    assert!(report.findings[0].text.contains("record 6: "), "{}", report.findings[0]);
    assert_eq!(report.blocks_skipped, 2, "what follows in the shard is not believed");
    assert_eq!(report.heads[0].1.next_seq, 1);
    assert_eq!(report.heads[1].1.next_seq, 2, "the other shard is judged to its end");
}

#[test]
fn blocks_dropped_swapped_or_doubled_are_named() {
    let files = good().sealed();
    let mut dropped = files.clone();
    dropped.0.remove(1);
    assert_found(&dropped.audit(), &[in_block(Rule::Chain, 0, 2)], "block 1 of shard 0 dropped");
    let mut swapped = files.clone();
    swapped.0.swap(1, 2);
    assert_found(&swapped.audit(), &[in_block(Rule::Chain, 0, 2)], "blocks 1 and 2 of shard 0 swapped");
    let mut doubled = files.clone();
    doubled.0.insert(2, files.0[1].clone());
    assert_found(&doubled.audit(), &[in_block(Rule::Chain, 0, 1)], "block 1 of shard 0 doubled");
    let mut first = files;
    first.0.remove(SHARD_0);
    assert_found(&first.audit(), &[in_block(Rule::Chain, 1, 1)], "block 0 of shard 1 dropped");
}

#[test]
fn shards_may_come_in_any_order() {
    let mut files = good().sealed();
    files.0.rotate_left(SHARD_0);
    assert_found(&files.audit(), &[], "shard 1 first");
    let files = good().sealed();
    let order = [4, 0, 1, 5, 2, 3];
    let mixed = Files(order.iter().map(|index| files.0[*index].clone()).collect());
    assert_found(&mixed.audit(), &[], "mixed");
}

/// The good ledger with the payload of block 2 of shard 0 changed and every later hash fitted.
fn forged(change: impl Fn(&mut Vec<u8>, &mut Vec<u8>)) -> Files {
    good().sealed_with(|shard, seq, header, payload| {
        if (shard, seq) == (0, 2) {
            change(header, payload);
        }
    })
}

#[test]
fn a_record_dropped_and_the_hashes_fitted_is_missed() {
    // Records 10 to 18, 13 dropped: those that name a position do not find there what they name.
    let drop_13 = |header: &mut Vec<u8>, payload: &mut Vec<u8>| {
        let starts = starts(payload);
        payload.drain(starts[3]..starts[4]);
        header[72] -= 1;
    };
    let expected = [at(Rule::Void, 0, 2, 15), at(Rule::Cancel, 0, 2, 16), at(Rule::Void, 0, 2, 17)];
    assert_found(&forged(drop_13).audit(), &expected, "record 13 dropped");
    // With the number of the next block left as it was, the gap itself shows.
    let gap = good().sealed_with(|shard, seq, header, _| {
        if (shard, seq) == (0, 3) {
            header[64] += 1;
        }
    });
    assert_found(&gap.audit(), &[in_block(Rule::Chain, 0, 3)], "a gap");
    // With the count left as it was, the records run out.
    let report = forged(|_, payload| drop_last(payload)).audit();
    assert_eq!(short(&report.findings[0]), in_block(Rule::Format, 0, 2));
}

fn drop_last(payload: &mut Vec<u8>) {
    let starts = starts(payload);
    payload.truncate(starts[starts.len() - 2]);
}

#[test]
fn two_records_swapped_and_the_hashes_fitted_are_out_of_time() {
    let report = forged(|_, payload| {
        let starts = starts(payload);
        let (first, second) =
            (payload[starts[4]..starts[5]].to_vec(), payload[starts[5]..starts[6]].to_vec());
        payload.splice(starts[4]..starts[6], [second, first].concat());
    })
    .audit();
    assert_found(
        &report,
        &[at(Rule::Time, 0, 2, 15), at(Rule::Void, 0, 2, 16), at(Rule::Void, 0, 2, 18)],
        "15 and 14 swapped",
    );
}

#[test]
fn a_record_that_does_not_balance_is_named_though_every_hash_is_right() {
    // The last posting of record 13 of shard 1's block 1 is the vendor's: one cent less.
    let report = good().sealed_with(|shard, seq, _, payload| {
        if (shard, seq) == (1, 1) {
            let end = starts(payload)[4];
            // 2350 as zigzag LEB128 of -2350 is db 24; dd is -2351.
            assert_eq!(payload[end - 2..end], [0xdb, 0x24]);
            payload[end - 2] = 0xdd;
        }
    });
    let report = report.audit();
    assert_found(&report, &[at(Rule::Conservation, 1, 1, 7)], "one cent less");
    let vendor = report.totals.iter().find(|total| total.kind == AccountKind::VendorSales).unwrap();
    assert_eq!(vendor.balance(), -2_350, "the bad record is in no total");
}

/// Where `part` stands in `whole`.
fn find(whole: &[u8], part: &[u8]) -> usize {
    whole.windows(part.len()).position(|window| window == part).unwrap()
}

/// A price list that one shard took and another did not: bars of one festival at different prices, each with
/// a journal that verifies.
#[test]
fn a_flipped_bit_of_a_configuration_on_its_way_is_named_though_every_hash_is_right() {
    let ledger = changed();
    let mut cases = Vec::new();
    for (message, sent_in) in whole(2, &TOLD).into_iter().zip([15, 15, 16, 16]) {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        cases.push((1, sent_in, bytes.clone()));
        cases.push((0, 3, bytes));
    }
    for bytes in STAGED {
        cases.push((1, 11, bytes.to_vec()));
    }
    cases.push((1, 14, blake3::hash(&STAGED.concat()).as_bytes().to_vec()));
    for (shard, what, bytes) in cases {
        let block = if shard == 0 { 3 } else { 1 };
        for bit in 0..bytes.len() * 8 {
            let spoiled = ledger.sealed_with(|of, seq, _, payload| {
                if (of, seq) == (shard, block) {
                    // Of a message that the shard of the office sends, and of what it staged: the first there.
                    let at = find(payload, &bytes) + bit / 8;
                    payload[at] ^= 1 << (bit % 8);
                }
            });
            let report = spoiled.audit();
            assert!(!report.is_sound(), "bit {bit} of {bytes:02x?}, shard {shard} ({what})");
        }
    }
}

#[test]
fn a_record_of_an_unknown_kind_is_named_and_the_rest_is_judged() {
    let spoil = |kind: u8| {
        good().sealed_with(move |shard, seq, _, payload| {
            if (shard, seq) == (1, 1) {
                let at = starts(payload)[6];
                payload[at + 4] = kind;
            }
        })
    };
    assert_found(&spoil(99).audit(), &[at(Rule::Format, 1, 1, 10)], "an unknown kind");
    assert_found(&spoil(32).audit(), &[], "another known kind");
}

#[test]
fn bytes_behind_the_records_and_counts_that_lie_are_named() {
    let behind = forged(|_, payload| payload.push(0)).audit();
    assert_eq!(short(behind.findings.last().unwrap()), in_block(Rule::Format, 0, 2));
    let more = good().sealed_with(|shard, seq, header, _| {
        if (shard, seq) == (1, 1) {
            header[72] += 1;
        }
    });
    assert_found(&more.audit(), &[in_block(Rule::Format, 1, 1)], "one record more than there is");
    let short_length = good().sealed_with(|shard, seq, _, payload| {
        if (shard, seq) == (1, 1) {
            let at = starts(payload)[6];
            payload[at..at + 4].copy_from_slice(&[0; 4]);
        }
    });
    assert!(!short_length.audit().is_sound());
}

/// The heads of the good ledger.
fn heads() -> Vec<(ShardId, Head)> {
    good().audit().heads
}

#[test]
fn a_cut_tail_shows_against_a_head_noted_elsewhere() {
    let files = good().sealed();
    assert_found(&files.audit_knowing(&heads()), &[], "whole");
    let mut cut = files.clone();
    cut.0.truncate(files.0.len() - 1);
    assert_found(&cut.audit(), &[], "without a noted head nobody can tell");
    assert_found(&cut.audit_knowing(&heads()), &[in_block(Rule::Missing, 1, 1)], "cut");
    let mut gone = files.clone();
    gone.0.truncate(SHARD_0);
    let expected = [(Rule::Missing, Some(1), None, None), in_block(Rule::Missing, 1, 0)];
    assert_found(&gone.audit_knowing(&heads()), &expected, "the whole shard gone");
    // A journal that went on since is fine.
    let mut longer = good();
    longer.push_block(1, 1);
    longer.push(1, burn(3, id(501, 11)));
    assert_found(&longer.sealed().audit_knowing(&heads()), &[], "longer");
    // One that was rewritten is not, however well its hashes fit.
    let mut rewritten = good();
    rewritten.push(1, burn(3, id(501, 11)));
    assert_found(&rewritten.sealed().audit_knowing(&heads()), &[in_block(Rule::Missing, 1, 1)], "rewritten");
}

#[test]
fn an_auditor_can_be_fed_as_blocks_become_durable() {
    let mut auditor = Auditor::new(&[]);
    let mut ledger = good();
    ledger.push_block(1, 1);
    ledger.push(1, open(3, id(501, 11)));
    for bytes in &ledger.sealed().0 {
        assert_eq!(auditor.findings_total(), 0);
        auditor.block(&Block::read(&mut Reader::new(bytes)).unwrap());
    }
    assert_eq!(short(&auditor.findings()[0]), at(Rule::Opening, 1, 2, 11));
    assert_found(&auditor.finish(), &[at(Rule::Opening, 1, 2, 11)], "fed");
}

#[test]
fn forged_blocks_never_make_the_auditor_panic() {
    let mut source = fastrand::Rng::with_seed(5);
    for _ in 0..3_000 {
        let (shard, seq) = (source.u16(..2), source.u64(..4));
        let changes: Vec<(usize, u8)> =
            (0..source.usize(1..4)).map(|_| (source.usize(..), source.u8(..))).collect();
        let files = good().sealed_with(|of, at, header, payload| {
            if (of, at) == (shard, seq) {
                for (place, value) in &changes {
                    let place = place % payload.len();
                    payload[place] = *value;
                }
                header[72] = header[72].wrapping_add(changes[0].1 & 1);
            }
        });
        let _report = files.audit();
    }
}
