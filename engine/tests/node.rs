//! A node over a real directory: founded, opened, sold on, killed, opened again.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use actors::answer::Verdict;
use actors::codes::{Outcome, Refusal};
use engine::host::{Host, OsHost};
use engine::limits::LOOP_BATCHES;
use engine::node::{self, NodeError, Running};
use engine::supervise::Stop;
use ledger::ids::LedgerId;
use ledger::journal::embedded::{Log, LogConfig};
use ledger::record::Genesis;
use support::{BEER, buy, festival, job, keys, open, top_up, uid};

const SHARDS: u16 = 4;

fn founded() -> (tempfile::TempDir, OsHost) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("log")).unwrap();
    let host = OsHost::new(dir.path());
    (dir, host)
}

fn found(host: &OsHost) {
    let log = Log::create(host.disk().unwrap(), LogConfig::small(Arc::new(|| 0))).unwrap();
    let genesis =
        Genesis { ledger: LedgerId([9; 16]), shards: SHARDS, level: ledger::LEVEL, key_id: keys().id() };
    let mut worker = log.worker();
    let mut port = log.port(None);
    let drive = || {
        worker.step();
    };
    engine::genesis::found(&mut port, &genesis, &festival(), host.clock().wall, drive).unwrap();
    log.close().unwrap();
}

/// Runs the node's one core until `wanted` answers have left; the journal's thread runs beside.
fn serve(mut running: Running, host: &OsHost, requests: Vec<actors::command::Request>) -> Vec<i64> {
    let wanted = requests.len();
    let mut core = running.cores.remove(0);
    let parts = std::mem::take(&mut running.parts);
    let stop = Stop::default();
    std::thread::scope(|scope| {
        let mut wakes = Vec::new();
        for part in parts {
            wakes.push(part.wake);
            let stop = stop.clone();
            scope.spawn(move || (part.run)(&stop));
        }
        let mut jobs = (0..).zip(requests).map(|(token, request)| job(0, token, request)).collect();
        core.submit(&mut jobs);
        let mut told = Vec::new();
        while told.len() < wanted {
            core.turn(host.clock());
            told.append(core.ready());
        }
        stop.set();
        for wake in &wakes {
            wake();
        }
        let applied =
            |told: &engine::job::Told| told.message.answer().verdict == Verdict::Applied(Outcome::Applied);
        assert!(told.iter().all(applied), "{told:?}");
        told.iter().map(|told| told.message.answer().balance).collect()
    })
}

#[test]
fn what_was_sold_is_there_after_the_process_is_gone() {
    // Every sale of the evening, when the server was restarted.
    let (_dir, host) = founded();
    found(&host);
    let first = node::open(&host, 2).unwrap();
    assert_eq!((first.epoch.0, first.ledger), (1, LedgerId([9; 16])));
    let requests = (1..=20).flat_map(|band| {
        let counter = u64::from(band) * 3;
        [open(counter, band), top_up(counter + 1, band, 1_000), buy(counter, band, 1)]
    });
    let requests: Vec<_> = requests.collect();
    let log = first.log.clone();
    let balances = serve(first.run(&[Arc::new(|| {})], host.clock()), &host, requests.clone());
    assert_eq!(balances.iter().filter(|balance| **balance == 1_000 - BEER).count(), 20);
    // Gone without a word: nothing is closed, only the lock goes with the process.
    log.kill("the process is gone");
    drop(log);

    let second = node::open(&host, 1).unwrap();
    assert_eq!(second.epoch.0, 2);
    assert_eq!(second.highest.values().copied().max(), Some(61));
    let again = serve(second.run(&[Arc::new(|| {})], host.clock()), &host, requests);
    assert_eq!(again.iter().filter(|balance| **balance == 1_000 - BEER).count(), 20);
}

#[test]
fn a_directory_without_a_ledger_is_refused_with_what_to_do() {
    let (_dir, host) = founded();
    let log = Log::create(host.disk().unwrap(), LogConfig::small(Arc::new(|| 0))).unwrap();
    log.close().unwrap();
    drop(log);
    let error = node::open(&host, 1).err().unwrap();
    assert!(matches!(error, NodeError::NoLedger(_)), "{error}");
    assert!(error.to_string().contains("fanfare init"));
}

#[test]
fn a_loop_that_does_not_take_its_batches_is_sent_no_more() {
    // A loop that hangs, and the other one keeping every batch for it in memory until there is none left.
    let (_dir, host) = founded();
    found(&host);
    let node = node::open(&host, 1).unwrap();
    let mut running = node.run(&[Arc::new(|| {}), Arc::new(|| {})], host.clock());
    let band = (1..=250).find(|band| keys().tag(&uid(*band)).number.as_wallet().shard(SHARDS).0 == 1);
    let request = open(1, band.unwrap());
    for token in 0..LOOP_BATCHES as u64 + 3 {
        running.cores[0].submit(&mut vec![job(0, token, request.clone())]);
        running.cores[0].turn(host.clock());
    }
    let told = std::mem::take(running.cores[0].ready());
    let busy = |told: &engine::job::Told| told.message.answer().verdict == Verdict::Refused(Refusal::Busy);
    assert_eq!((told.len(), told.iter().all(busy)), (3, true));
}
