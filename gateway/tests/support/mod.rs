//! A ledger in a temporary directory and a server's own way of writing to it, without a socket.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use actors::address::{Keys, Tag};
use actors::answer::Verdict;
use actors::command::{Command, Request};
use actors::festival::Festival;
use actors::mail::Receipt;
use actors::shard_state::{Decision, Evidence, Now, ShardState};
use gateway::commands::init::{Founding, init};
use gateway::directory::Directory;
use gateway::festival_file;
use ledger::block::{Draft, Head};
use ledger::ids::{At, DeviceNumber, Epoch, LedgerId, OperatorId, RequestId, ShardId, TillId, WalletNumber};
use ledger::journal::embedded::{Log, LogConfig, MIN_SEGMENT, OsDisk, Step};
use ledger::journal::{Event, Journal};
use ledger::record::{Body, Envelope, Message, Mode, Record, Tender};

pub(crate) const NOW: At = At(1_780_272_000_000_000);
pub(crate) const SHARDS: u16 = 4;
pub(crate) const EXAMPLE: &str = include_str!("../../../deploy/festival.example.toml");

/// Devices of the example and their tills.
pub(crate) const BAR: u32 = 1;
pub(crate) const PIZZA: u32 = 2;
pub(crate) const DESK: u32 = 3;
pub(crate) const SUPERVISOR: u32 = 4;
pub(crate) const OFFICE: u32 = 5;

/// The festival of `deploy/festival.example.toml`, open for business.
pub(crate) struct Site {
    _parent: tempfile::TempDir,
    dir: PathBuf,
    ledger: LedgerId,
    keys: Keys,
    log: Option<Log>,
    shards: Vec<Shard>,
    counter: u64,
    clock: At,
}

struct Shard {
    state: ShardState,
    head: Head,
    history: Vec<Record>,
    unwritten: Vec<Record>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::of(EXAMPLE)
    }

    /// The example, with what is off in it: transfers, allowances, and holds of up to an hour.
    pub(crate) fn with_everything() -> Self {
        let on = |text: &str, name: &str, value: &str| {
            let (before, rest) = text.split_once(&format!("\n{name} = ")).unwrap();
            let (_, after) = rest.split_once('#').unwrap();
            format!("{before}\n{name} = {value} #{after}")
        };
        let text = on(&on(EXAMPLE, "transfers", "true"), "allowances", "true");
        Self::of(&on(&text, "most_hold_seconds", "3600"))
    }

    fn of(festival: &str) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("ledger");
        let festival = festival_file::parse(festival, NOW).unwrap();
        let founding = Founding { shards: SHARDS, segment_bytes: 2 * MIN_SEGMENT, at: NOW };
        let ledger = init(&dir, &festival, &founding).unwrap();
        let mut shards: Vec<_> = (0..SHARDS).map(Shard::new).collect();
        let disk = OsDisk::open(&dir.join("log")).unwrap();
        let (log, opened) = Log::open(Arc::new(disk), LogConfig::small(Arc::new(|| 0)), &mut |block| {
            let shard = &mut shards[usize::from(block.header.shard.0)];
            block.each_record(|_, record| shard.apply(record)).unwrap();
            Ok(())
        })
        .unwrap();
        for (shard, head) in shards.iter_mut().zip(opened.heads) {
            shard.head = head;
            shard.add(Record::fact(NOW, Envelope::default(), Body::EpochOpened { epoch: Epoch(1) }));
        }
        let keys = Directory::open(&dir).unwrap().keys(shards[0].state.genesis().unwrap()).unwrap();
        Self { _parent: parent, dir, ledger, keys, log: Some(log), shards, counter: 0, clock: NOW }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn festival(&self) -> Arc<Festival> {
        Arc::clone(&self.shards[0].state.adopted().unwrap().festival)
    }

    /// The UID of band number `band`, as hexadecimal digits.
    pub(crate) fn uid(band: u32) -> String {
        format!("04{band:012x}")
    }

    fn tag(&self, band: u32) -> Tag {
        self.keys.tag(&[4, 0, 0, 0, 0, 0, u8::try_from(band).unwrap()])
    }

    /// A band's wallet.
    pub(crate) fn wallet(&self, band: u32) -> WalletNumber {
        self.tag(band).number.as_wallet()
    }

    /// Opens the log again, as a server has it while it runs.
    pub(crate) fn open(&mut self) {
        let disk = OsDisk::open(&self.dir.join("log")).unwrap();
        let config = LogConfig::small(Arc::new(|| 0));
        self.log = Some(Log::open(Arc::new(disk), config, &mut |_| Ok(())).unwrap().0);
    }

    /// The shard of a band's wallet.
    pub(crate) fn shard_of(&self, band: u32) -> u16 {
        self.tag(band).number.as_wallet().shard(SHARDS).0
    }

    /// A request under the device's next counter; its id and what came of it.
    pub(crate) fn tap(&mut self, device: u32, band: u32, command: Command) -> (RequestId, Verdict) {
        self.counter += 1;
        let id = RequestId::of(DeviceNumber::new(device).unwrap(), self.counter).unwrap();
        (id, self.ask(id, band, command))
    }

    /// Asks as the device that `id` belongs to, a second after the request before.
    pub(crate) fn ask(&mut self, id: RequestId, band: u32, command: Command) -> Verdict {
        self.clock = At(self.clock.0 + 1_000_000);
        let device = id.device().unwrap();
        let festival = self.festival();
        let mut request = Request {
            id,
            content: 0,
            device,
            festival: festival.id,
            tag: self.tag(band),
            till: festival.device(device).map(|device| device.till).or(TillId::new(1)),
            happened: None,
            operator: OperatorId::new(77),
            zone: None,
            tag_counter: None,
            mode: Mode::default(),
            replaces: None,
            wallet: None,
            command,
        };
        request.content = self.keys.content(&request);
        loop {
            let shard = request.actor().shard(SHARDS).0;
            match self.shards[usize::from(shard)].ask(&request, self.clock) {
                Ok(verdict) => return verdict,
                // The tag belongs to that wallet.
                Err(actor) => {
                    assert_ne!(request.wallet, Some(actor), "sent round in a circle");
                    request.wallet = Some(actor);
                }
            }
        }
    }

    /// Brings every message to its shard until none is on its way.
    pub(crate) fn deliver(&mut self) {
        while let Some((to, from, number, message)) = self.next_message() {
            let at = self.now();
            let shard = &mut self.shards[usize::from(to.0)];
            let Receipt::Record(record) = shard.state.receive(at, from, number, &message) else {
                panic!("message {number} of shard {from} was not taken");
            };
            shard.add(record);
        }
    }

    fn next_message(&self) -> Option<(ShardId, ShardId, u64, Message)> {
        self.shards.iter().find_map(|from| {
            let own = from.state.shard();
            from.state.channels().outboxes().find_map(|(to, outbox)| {
                let taken = self.shards[usize::from(to.0)].state.channels().taken_from(own);
                let next = outbox.waiting().find(|waiting| waiting.number > taken)?;
                Some((to, own, next.number, next.message.clone()))
            })
        })
    }

    fn now(&mut self) -> At {
        self.clock = At(self.clock.0 + 1_000);
        self.clock
    }

    /// Lets time pass; what is due comes about.
    pub(crate) fn pass(&mut self, seconds: i64) {
        self.clock = At(self.clock.0 + seconds * 1_000_000);
        for shard in &mut self.shards {
            while let Some(record) =
                shard.state.due(self.clock, None).and_then(|due| shard.state.fire(self.clock, due))
            {
                shard.add(record);
            }
        }
    }

    /// The vendors' sales of every shard leave for the vendors' homes.
    pub(crate) fn sweep(&mut self) {
        let at = self.now();
        for shard in &mut self.shards {
            let mut after = None;
            while let Some((vendor, record)) = shard.state.sweep(at, after) {
                after = Some(vendor);
                if let Some(record) = record {
                    shard.add(record);
                }
            }
        }
    }

    /// All records of a shard.
    pub(crate) fn history(&self, shard: u16) -> &[Record] {
        &self.shards[usize::from(shard)].history
    }

    /// Writes what was decided, a block a shard, and leaves the log open.
    pub(crate) fn write(&mut self) {
        let log = self.log.as_ref().unwrap();
        for shard in &mut self.shards {
            shard.write(self.ledger, log);
        }
    }

    /// Writes what was decided and closes the log.
    pub(crate) fn close(&mut self) {
        self.write();
        self.log.take().unwrap().close().unwrap();
    }

    /// Digests of all shards.
    pub(crate) fn digests(&self) -> Vec<[u8; 32]> {
        self.shards.iter().map(|shard| shard.state.digest()).collect()
    }

    /// Puts a record of its own making into the log, as a forger with the whole machine could.
    pub(crate) fn forge(&mut self, shard: u16, change: impl FnOnce(&mut Record)) {
        let shard = &mut self.shards[usize::from(shard)];
        let mut record = shard.history.last().unwrap().clone();
        change(&mut record);
        shard.add(record);
    }
}

impl Shard {
    fn new(shard: u16) -> Self {
        let state = ShardState::new(ShardId(shard));
        Self { state, head: Head::default(), history: Vec::new(), unwritten: Vec::new() }
    }

    fn apply(&mut self, record: Record) {
        self.state.apply(self.state.next_record(), &record);
        self.history.push(record);
    }

    fn add(&mut self, record: Record) {
        self.unwritten.push(record.clone());
        self.apply(record);
    }

    /// What came of the request, or who is to be asked.
    fn ask(&mut self, request: &Request, at: At) -> Result<Verdict, WalletNumber> {
        let mut now = Now { at, late: false, evidence: None };
        let mut decision = self.state.decide(&now, request);
        if let Decision::Evidence(position) = decision {
            let record = &self.history[usize::try_from(position.0).unwrap()];
            now.evidence = Some(Evidence { position, record });
            decision = self.state.decide(&now, request);
        }
        match decision {
            Decision::Record(record) => {
                let number = self.state.next_record();
                self.add((*record).clone());
                Ok(self.state.answer_of(request, &record, number).verdict)
            }
            Decision::Answer(answer) => Ok(answer.verdict),
            Decision::Elsewhere(actor) => Err(actor),
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, ledger: LedgerId, log: &Log) {
        let Some(first) = self.unwritten.first() else { return };
        let mut draft = Box::new(Draft::new(ledger, self.state.shard(), Epoch(1)));
        draft.begin(self.state.prologue(first.at));
        for record in self.unwritten.drain(..) {
            draft.push(&record);
        }
        draft.place(self.head);
        let (mut port, mut worker) = (log.port(None), log.worker());
        port.submit(draft).unwrap();
        port.commit(true);
        while !matches!(worker.step(), Step::Idle | Step::Dead) {}
        let mut events = Vec::new();
        port.events(&mut events);
        let Some(Event::Confirmed { head, .. }) = events.pop() else { panic!("not confirmed: {events:?}") };
        self.head = head;
    }
}

pub(crate) fn cash(amount: i64) -> Command {
    Command::TopUp { tender: Tender::Cash, amount }
}

/// One of an item of the example.
pub(crate) fn buy(item: u32) -> Command {
    let unit_price = [650, 250, 900][item as usize - 1];
    let line = actors::command::AskedLine { item, quantity: 1, unit_price };
    Command::Purchase { lines: [line].into_iter().collect(), amount: unit_price.into(), confirmed: false }
}

/// An evening: ten bands, every kind of record, a few declines.
pub(crate) fn evening(site: &mut Site) -> RequestId {
    for band in 0..10 {
        site.tap(DESK, band, Command::Open);
        site.tap(DESK, band, cash(2_000));
        site.tap(SUPERVISOR, band, Command::TopUp { tender: Tender::Bonus, amount: 300 });
    }
    let (sale, _) = site.tap(BAR, 3, buy(1));
    site.tap(PIZZA, 3, buy(3));
    site.tap(BAR, 3, buy(1));
    site.tap(PIZZA, 3, buy(3));
    site.tap(DESK, 3, Command::Void { sale });
    let (given_up, _) = site.tap(BAR, 4, buy(2));
    site.ask(given_up, 4, Command::Cancel);
    site.tap(BAR, 5, Command::Cancel);
    sale
}

/// An evening, and what goes on between wallets and over time: further bands, holds, transfers, an
/// allowance, sales brought home. Answers with the request of the hold that nobody captured.
pub(crate) fn long_evening(site: &mut Site) -> RequestId {
    evening(site);
    let wallet = site.wallet(0);
    site.tap(DESK, 20, Command::Pair { wallet, replaces: None });
    site.deliver();
    site.tap(BAR, 20, buy(1));
    site.tap(DESK, 20, Command::BlockTag);
    site.tap(BAR, 20, buy(2));
    site.tap(DESK, 20, Command::UnblockTag);
    site.tap(BAR, 20, buy(2));
    let replaces = Some(site.wallet(20).as_tag());
    site.tap(DESK, 21, Command::Pair { wallet, replaces });
    site.deliver();
    site.tap(PIZZA, 20, buy(3));
    site.tap(DESK, 22, Command::Pair { wallet: site.wallet(99), replaces: None });
    site.deliver();
    let hold = Command::Authorise { amount: 1_000, seconds: 60 };
    let (captured, _) = site.tap(BAR, 1, hold.clone());
    let Command::Purchase { lines, amount, .. } = buy(1) else { panic!() };
    site.tap(BAR, 1, Command::Capture { hold: captured, lines, amount });
    let (released, _) = site.tap(BAR, 6, hold.clone());
    site.tap(BAR, 6, Command::ReleaseHold { hold: released });
    let (forgotten, _) = site.tap(BAR, 7, hold);
    site.pass(61);
    for payee in [8, 2, 99] {
        site.tap(DESK, 9, Command::Transfer { payee: site.wallet(payee), amount: 100 });
    }
    site.deliver();
    let allowance = |target, mark| Command::SetAllowance { child: site.wallet(11), target, mark };
    let (set, end) = (allowance(800, 700), allowance(0, 0));
    site.tap(DESK, 11, Command::Open);
    site.tap(DESK, 8, set);
    site.deliver();
    site.tap(BAR, 11, buy(1));
    site.deliver();
    site.tap(DESK, 8, end);
    site.deliver();
    site.pass(1);
    site.sweep();
    site.deliver();
    forgotten
}
