//! Two loops: connections are dealt out, shards of the other loop are reached by batches.

use std::collections::BTreeSet;

use gateway::core_loop::Wait;
use ledger::ids::ShardId;
use wire::{Outcome, Refusal, Request};

use crate::support::*;

fn two() -> Server {
    Server::with(Setting { loops: 2, shards: 4, ..Setting::default() })
}

#[test]
fn a_terminal_reaches_every_shard_whatever_loop_it_is_connected_to() {
    let mut server = two();
    let _desk = funded(&mut server, 30);
    let mut shards = BTreeSet::new();
    for connection in 0..4 {
        let mut bar = Terminal::welcomed(&mut server, SELLER);
        for band in 1..=30 {
            let id = bar.id(connection * 100 + u64::from(band));
            let answer = bar.tap(
                &mut server,
                Request { flags: wire::Flags::CONFIRM, ..Request::purchase(id, uid(band), &ONE_BEER) },
            );
            assert_eq!(answer.outcome(), Outcome::Applied);
            shards.insert(answer.position.shard());
        }
    }
    assert_eq!(shards, (0..4).collect());
    server.pass(250_000);
    let taken: Vec<_> =
        server.loops.iter().map(|one| (one.counts().accepted, one.core().counters().jobs)).collect();
    assert!(taken.iter().all(|(accepted, jobs)| *accepted >= 2 && *jobs > 0), "{taken:?}");
}

#[test]
fn a_frame_for_shards_of_both_loops_is_answered_whole() {
    let mut server = two();
    let _desk = funded(&mut server, 40);
    for _ in 0..2 {
        let mut bar = Terminal::welcomed(&mut server, SELLER);
        let requests: Vec<_> =
            (1..=40).map(|band| Request::purchase(bar.id(band.into()), uid(band), &ONE_BEER)).collect();
        bar.ask(&requests);
        let answers = bar.answers(&mut server, 40);
        let ids: BTreeSet<_> = answers.iter().map(|answer| answer.id).collect();
        assert_eq!(ids.len(), 40);
        // The second time around every one is a retry and gets its first answer.
        assert!(answers.iter().all(|answer| answer.outcome() == Outcome::Applied && answer.balance == 4_350));
    }
}

#[test]
fn answers_for_a_terminal_that_has_gone_reach_nobody_else() {
    let memory = ledger::journal::memory::Memory::manual();
    let mut server = Server::with(Setting { memory, loops: 2, shards: 4, ..Setting::default() });
    server.settle();
    server.memory.confirm(4);
    server.settle();
    let mut gone: Vec<_> = (0..2).map(|_| Terminal::welcomed(&mut server, DESK)).collect();
    for (counter, terminal) in (1..).zip(&mut gone) {
        terminal.ask(&[Request::open_wallet(terminal.id(counter.into()), uid(counter))]);
    }
    server.settle();
    drop(gone);
    server.settle();
    // They take the places of those that went.
    let mut next: Vec<_> = (0..2).map(|_| Terminal::welcomed(&mut server, SELLER)).collect();
    server.memory.confirm(4);
    server.settle();
    assert!(next.iter_mut().all(|terminal| terminal.next().is_none()));
}

#[test]
fn a_shard_that_lost_its_state_says_busy_and_the_others_answer_on() {
    let mut server = Server::with(Setting { shards: 4, ..Setting::default() });
    let mut desk = funded(&mut server, 30);
    server.memory.fence(ShardId(1));
    let mut lost = Vec::new();
    for band in 1..=30 {
        let counter = 100 + u64::from(band);
        let top_up = Request::top_up(desk.id(counter), uid(band), 500, wire::Tender::Cash);
        let answer = desk.tap(&mut server, top_up);
        if answer.outcome() == Outcome::Applied {
            assert_ne!(answer.position.shard(), 1);
        } else {
            lost.push(answer.outcome());
        }
    }
    // The block of the first was fenced off; the others found no state.
    assert_eq!(lost.remove(0), Outcome::Unknown);
    assert!(!lost.is_empty() && lost.len() < 28);
    assert!(lost.iter().all(|outcome| *outcome == Outcome::Refused(Refusal::Busy)), "{lost:?}");
    assert_eq!(server.rebuilds.try_recv(), Ok(ShardId(1)));
}

#[test]
fn a_new_configuration_wakes_the_loops_that_sleep() {
    // A bar was stopped, and the terminals of a quiet loop heard of it a quarter of a second after the others.
    let mut server = Server::with(Setting { loops: 3, shards: 4, ..Setting::default() });
    let mut office = Terminal::welcomed(&mut server, ADMINISTRATOR);
    let mut second = festival();
    second.version = ledger::ids::Version::new(2).unwrap();
    let bytes = second.encode();
    let stage = Request::stage(office.id(1), 2, 0, &bytes);
    assert_eq!(office.tap(&mut server, stage).outcome(), Outcome::Applied);
    office.ask(&[Request::adopt(office.id(2), 2, 1, *blake3::hash(&bytes).as_bytes())]);
    let (mut rounds, mut woken) = (0, BTreeSet::new());
    'rounds: loop {
        for number in 0..3 {
            rounds += 1;
            assert!(rounds < 10_000, "the second version does not come");
            let _goes_on = server.loops[number].round(Wait::No);
            if server.shared.version() == 2 {
                woken.extend((0..3).filter(|other| *other != number && server.wakes[*other].is_rung()));
                break 'rounds;
            }
        }
    }
    assert_eq!(woken.len(), 2, "{woken:?}");
}
