//! Every store passes the same suite: in memory, the log on a simulated disk, the log on a real one.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ledger::block::Head;
use ledger::ids::ShardId;
use ledger::journal::conformance::{Subject, check};
use ledger::journal::embedded::{Clock, Disk, Log, LogConfig, OsDisk, SimDisk, Step};
use ledger::journal::memory::Memory;
use ledger::journal::{Journal, Replay, ReplayError};

type ReadBack = Result<(Vec<Head>, Vec<Vec<u8>>), ReplayError>;

fn read_back(store: &dyn Replay, only: Option<ShardId>) -> ReadBack {
    let mut blocks = Vec::new();
    let heads = store.replay(only, &mut |block| {
        blocks.push([&block.header.to_bytes(), block.payload()].concat());
        Ok(())
    })?;
    Ok((heads, blocks))
}

struct InMemory(Memory);

impl Subject for InMemory {
    fn port(&mut self) -> Box<dyn Journal> {
        Box::new(self.0.door(None))
    }

    fn run(&mut self) {
        self.0.confirm(usize::MAX);
        while self.0.serve_lookup() {}
    }

    fn end(&mut self) {
        self.0.die(0, "ended by the test");
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.0 = self.0.reopen();
        Ok(())
    }

    fn replay(&self, only: Option<ShardId>) -> ReadBack {
        read_back(&self.0, only)
    }
}

/// A clock that moves by a millisecond with every look at it.
fn ticking() -> Clock {
    let time = AtomicU64::new(0);
    Arc::new(move || time.fetch_add(1_000, Ordering::Relaxed))
}

struct OnDisk {
    log: Log,
    /// Gives the disk for the next life.
    disk: Box<dyn FnMut() -> Arc<dyn Disk>>,
    config: LogConfig,
}

impl OnDisk {
    fn new(config: LogConfig, mut disk: Box<dyn FnMut() -> Arc<dyn Disk>>) -> Self {
        Self { log: Log::create(disk(), config.clone()).unwrap(), disk, config }
    }
}

impl Subject for OnDisk {
    fn port(&mut self) -> Box<dyn Journal> {
        Box::new(self.log.port(None))
    }

    fn run(&mut self) {
        let mut worker = self.log.worker();
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
        while self.log.serve_lookup() {}
    }

    fn end(&mut self) {
        self.log.kill("ended by the test");
    }

    fn reopen(&mut self) -> Result<(), String> {
        let _dead_or_not = self.log.close();
        let opened = Log::open((self.disk)(), self.config.clone(), &mut |_| Ok(()));
        let (log, opened) = opened.map_err(|error| error.to_string())?;
        if !opened.torn.is_empty() {
            return Err(format!("a torn tail: {:?}", opened.torn));
        }
        self.log = log;
        Ok(())
    }

    fn replay(&self, only: Option<ShardId>) -> ReadBack {
        read_back(&self.log, only)
    }
}

fn on_sim_disk(config: LogConfig) -> Box<dyn Subject> {
    let disk = SimDisk::new(7);
    Box::new(OnDisk::new(config, Box::new(move || Arc::new(disk.clone()))))
}

#[test]
fn memory_keeps_the_contract() {
    check(&mut || Box::new(InMemory(Memory::new()))).unwrap();
}

#[test]
fn memory_in_manual_mode_keeps_the_contract() {
    check(&mut || Box::new(InMemory(Memory::manual()))).unwrap();
}

#[test]
fn the_log_keeps_the_contract_with_inline_writes() {
    check(&mut || on_sim_disk(LogConfig::small(ticking()))).unwrap();
}

#[test]
fn the_log_keeps_the_contract_with_the_worker_writing() {
    check(&mut || on_sim_disk(LogConfig { inline_bytes: 0, ..LogConfig::small(ticking()) })).unwrap();
}

#[test]
fn the_log_keeps_the_contract_on_a_real_disk() {
    let mut dirs = Vec::new();
    check(&mut || {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_owned();
        dirs.push(dir);
        let open = move || Arc::new(OsDisk::open(&path).unwrap()) as Arc<dyn Disk>;
        Box::new(OnDisk::new(LogConfig::small(ticking()), Box::new(open)))
    })
    .unwrap();
}
