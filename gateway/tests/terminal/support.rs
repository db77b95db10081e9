//! A small festival, a server over it whose rounds are driven by hand, and a terminal.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actors::address::Keys;
use actors::festival::{
    Device, Festival, Hours, Item, Lists, LocalTime, Prices, Purse, Role, Roles, Settings, Standing, Till,
    Vendor,
};
use crossbeam_channel::Receiver;
use engine::core::{Core, CoreParts, Layout, Peer};
use engine::job::{Clock, Mono};
use engine::recovery;
use gateway::core_loop::{CoreLoop, End, LoopParts, Wait};
use gateway::limits::Limits;
use gateway::listener::{Dealer, Listener};
use gateway::shared::{Shared, SharedParts};
use gateway::wake::Wake;
use ledger::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, ShardId, TillId, VendorId, Version,
};
use ledger::journal::Replay as _;
use ledger::journal::memory::{Door, Memory};
use ledger::money::{Currency, VatRate};
use ledger::record::Genesis;
use wire::{FrameKind, Hello, Line, Request, RequestId, RequestsWriter, Tender, Uid};

/// Sells at till 1.
pub const SELLER: u32 = 1;
/// Opens, tops up and refunds at till 2, the desk.
pub const DESK: u32 = 2;
/// Decides payouts, at the desk.
pub const ADMINISTRATOR: u32 = 3;
/// Price of item 1.
pub const BEER: u32 = 650;
pub const LEDGER: LedgerId = LedgerId([9; 16]);
/// Wall clock when the monotonic clock shows zero.
pub const START: i64 = 1_700_000_000_000_000;

pub fn festival() -> Festival {
    festival_with(|_| {})
}

/// The festival with some settings changed.
pub fn festival_with(change: impl FnOnce(&mut Settings)) -> Festival {
    let vendor = VendorId::new(1).unwrap();
    let till =
        |id, vendor| Till { id: TillId::new(id).unwrap(), vendor, zone: None, name: format!("till {id}") };
    let device = |number, till, roles: &[Role]| Device {
        number: DeviceNumber::new(number).unwrap(),
        till: TillId::new(till).unwrap(),
        roles: roles.iter().fold(Roles::default(), |roles, role| roles.with(*role)),
        revoked: false,
    };
    let limits = actors::festival::Limits {
        balance_cap: 25_000,
        top_up_min: 100,
        top_up_max: 15_000,
        largest_amount: 50_000,
        looks_repeated_seconds: 20,
    };
    let mut settings = Settings {
        id: FestivalId(1),
        version: Version::new(1).unwrap(),
        name: "Test Fields".into(),
        currency: Currency::EUR,
        limits,
        purse_order: [Purse::Bonus, Purse::Paid].into_iter().collect(),
        local_time: LocalTime { transitions: vec![(At(0), 7_200)], cut_over_hour: 6 },
        transfers: true,
        allowances: true,
        most_hold_seconds: 3_600,
        standing: Standing::Open,
        hours: Hours::default(),
    };
    change(&mut settings);
    let item = Item {
        id: ItemId::new(1).unwrap(),
        vendor,
        prices: Prices::fixed(BEER),
        vat: VatRate::new(2_000).unwrap(),
        name: "Beer".into(),
        stopped: false,
    };
    let lists = Lists {
        vendors: vec![Vendor { id: vendor, name: "Bar".into(), stopped: false, hours: Hours::default() }],
        items: vec![item],
        tills: vec![till(1, Some(vendor)), till(2, None)],
        devices: vec![
            device(SELLER, 1, &[Role::Sell]),
            device(DESK, 2, &[Role::Pair, Role::TopUp, Role::Refund, Role::Supervise]),
            device(ADMINISTRATOR, 2, &[Role::Administer]),
        ],
    };
    Festival::new(settings, lists).unwrap()
}

/// What differs from test to test.
pub struct Setting {
    pub shards: u16,
    pub loops: u16,
    pub limits: Limits,
    pub memory: Memory,
    pub festival: Festival,
}

impl Default for Setting {
    fn default() -> Self {
        Self { shards: 4, loops: 1, limits: Limits::default(), memory: Memory::new(), festival: festival() }
    }
}

/// A server whose loops turn only when they are told to.
pub struct Server {
    pub shared: Arc<Shared>,
    pub listener: Arc<Listener>,
    pub memory: Memory,
    pub loops: Vec<CoreLoop<Door>>,
    /// What wakes each.
    pub wakes: Vec<Wake>,
    /// Loops that were told to stop and have nobody left.
    resting: Vec<CoreLoop<Door>>,
    pub ends: Vec<End>,
    pub rebuilds: Receiver<ShardId>,
    mono: Arc<AtomicU64>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(Setting::default())
    }

    /// Over a new ledger, or over the one that is already in the memory.
    pub fn with(setting: Setting) -> Self {
        let keys = Keys::derive(&[7; 32]);
        if setting.memory.blocks().is_empty() {
            found(&setting, &keys);
        }
        let (_, shards) = recovery::recover::<_, recovery::RecoveryError>(1, |visit| {
            Ok(setting.memory.replay(None, visit)?)
        })
        .unwrap();
        let epoch = Epoch(shards.iter().map(|(state, _)| state.epoch().0).max().unwrap() + 1);
        let festival = Arc::clone(&shards[0].0.adopted().unwrap().festival);
        let seen = |device: &Device| {
            let highest = shards.iter().map(|(state, _)| state.highest_counter(device.number)).max();
            (device.number, highest.unwrap_or(0))
        };
        let highest = festival.devices().iter().map(seen).collect();
        let count = setting.shards;
        let parts = SharedParts { keys, ledger: LEDGER, epoch, festival, highest, shards: count };
        let shared = Arc::new(Shared::new(parts, setting.limits, setting.loops));
        let mono = Arc::new(AtomicU64::new(1_000_000));
        let listener = Arc::new(Listener::plain("127.0.0.1:0".parse().unwrap()).unwrap());
        let (rebuild, rebuilds) = crossbeam_channel::bounded(64);
        let wakes: Vec<_> = (0..setting.loops).map(|_| Wake::new().unwrap()).collect();
        let (dealer, arrivals) = Dealer::new(&wakes);
        let dealer = Arc::new(dealer);
        let cores = cores(&setting, &wakes, shards, epoch);
        let rings = wakes.clone();
        let loops = (0..).zip(cores).zip(rings).zip(arrivals).map(|(((number, core), wake), arrivals)| {
            let mono = Arc::clone(&mono);
            CoreLoop::new(LoopParts {
                number,
                core,
                shared: Arc::clone(&shared),
                wake,
                listener: Arc::clone(&listener),
                dealer: Arc::clone(&dealer),
                arrivals,
                rebuilds: rebuild.clone(),
                time: Arc::new(move || clock(mono.load(Ordering::SeqCst))),
            })
            .unwrap()
        });
        let loops = loops.collect();
        let (resting, ends) = (Vec::new(), Vec::new());
        Self { shared, listener, memory: setting.memory, loops, wakes, resting, ends, rebuilds, mono }
    }

    /// One round of every loop.
    pub fn turn(&mut self) {
        self.resting.iter_mut().for_each(|one| one.rest(Wait::No));
        for mut one in std::mem::take(&mut self.loops) {
            match one.round(Wait::No) {
                None => self.loops.push(one),
                Some(end) => {
                    if matches!(end, End::Stopped) {
                        self.resting.push(one);
                    }
                    self.ends.push(end);
                }
            }
        }
    }

    /// As many rounds as anything may need.
    pub fn settle(&mut self) {
        (0..50).for_each(|_| self.turn());
    }

    /// Lets time pass.
    pub fn pass(&mut self, micros: u64) {
        self.mono.fetch_add(micros, Ordering::SeqCst);
        self.settle();
    }

    pub fn connections(&self) -> u64 {
        self.shared.totals().0.connections
    }
}

fn clock(mono: u64) -> Clock {
    Clock { wall: At(START + i64::try_from(mono).unwrap()), mono: Mono(mono) }
}

fn found(setting: &Setting, keys: &Keys) {
    let genesis = Genesis { ledger: LEDGER, shards: setting.shards, level: ledger::LEVEL, key_id: keys.id() };
    let mut door = setting.memory.door(None);
    engine::genesis::found(&mut door, &genesis, &setting.festival, clock(0).wall, || {
        setting.memory.confirm(1);
    })
    .unwrap();
}

fn cores(
    setting: &Setting,
    wakes: &[Wake],
    shards: Vec<recovery::Recovered>,
    epoch: Epoch,
) -> Vec<Core<Door>> {
    let loops = setting.loops;
    let mut peers = Vec::new();
    let mut inboxes = Vec::new();
    for wake in wakes {
        let (sender, inbox) = crossbeam_channel::bounded(64);
        peers.push(Peer { sender, waker: wake.waker() });
        inboxes.push(inbox);
    }
    let homes = shards.iter().map(|(state, _)| state.shard().0 % loops).collect();
    let layout = Layout::new(homes, peers);
    let mut own: Vec<Vec<_>> = (0..loops).map(|_| Vec::new()).collect();
    for recovered in shards {
        own[usize::from(recovered.0.shard().0 % loops)].push(recovered);
    }
    let mut cores = Vec::new();
    for (((shards, inbox), number), wake) in own.into_iter().zip(inboxes).zip(0..).zip(wakes) {
        let journal = setting.memory.door(Some(wake.waker()));
        let layout = layout.clone();
        let (ledger, stopped) = (LEDGER, Vec::new());
        let parts = CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox };
        let mut core = Core::new(parts);
        core.open_epoch(clock(0), epoch);
        cores.push(core);
    }
    cores
}

/// A frame as it came, header included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Came {
    pub kind: FrameKind,
    pub count: u16,
    pub cookie: u64,
    pub body: Vec<u8>,
}

/// The other end of a connection.
pub struct Terminal {
    stream: TcpStream,
    came: Vec<u8>,
    pub device: u32,
}

impl Terminal {
    /// Connects and says nothing.
    pub fn connect(server: &Server, device: u32) -> Self {
        let stream = TcpStream::connect(server.listener.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, came: Vec::new(), device }
    }

    /// Connects and is welcomed.
    pub fn welcomed(server: &mut Server, device: u32) -> Self {
        let mut terminal = Self::connect(server, device);
        terminal.hello(server);
        terminal
    }

    pub fn hello(&mut self, server: &mut Server) -> wire::Welcome {
        let mut out = Vec::new();
        Hello::new(1, self.device).push(&mut out).unwrap();
        self.send(&out);
        let frame = self.frame(server);
        assert_eq!(frame.kind, FrameKind::Welcome, "{}", self.fault_text(&frame));
        wire::Welcome::parse(&frame.body).unwrap()
    }

    fn fault_text(&self, frame: &Came) -> String {
        match frame.kind {
            FrameKind::Fault => wire::Fault::parse(&frame.body).unwrap().text.to_owned(),
            other => format!("device {}: {other:?}", self.device),
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.stream.write(rest) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Sends as much as the sockets take without anybody reading.
    pub fn stuff(&mut self, bytes: &[u8]) -> usize {
        let mut all = 0;
        while let Ok(sent) = self.stream.write(bytes) {
            all += sent;
        }
        all
    }

    /// Says that it sends no more.
    pub fn half_close(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Reads what is there; `false` at the end of the stream.
    fn pull(&mut self) -> bool {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(count) => {
                self.came.extend_from_slice(&buffer[..count]);
                true
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => true,
            Err(_) => false,
        }
    }

    /// The next frame if it is there already.
    pub fn next(&mut self) -> Option<Came> {
        self.pull();
        let frame = wire::split_frame(&self.came).unwrap()?;
        let came = Came {
            kind: frame.header.kind,
            count: frame.header.count,
            cookie: frame.header.cookie,
            body: frame.body.to_vec(),
        };
        let size = frame.size();
        self.came.drain(..size);
        Some(came)
    }

    /// The next frame; the server turns until it comes.
    pub fn frame(&mut self, server: &mut Server) -> Came {
        for _ in 0..10_000 {
            if let Some(frame) = self.next() {
                return frame;
            }
            server.turn();
        }
        panic!("no frame for device {}", self.device)
    }

    /// The next `count` answers, whatever frames they come in.
    pub fn answers(&mut self, server: &mut Server, count: usize) -> Vec<wire::Answer> {
        let mut all = Vec::new();
        while all.len() < count {
            let frame = self.frame(server);
            assert_eq!(frame.kind, FrameKind::Answers, "{}", self.fault_text(&frame));
            all.extend(wire::answers(&frame.body, frame.count).unwrap().map(Result::unwrap));
        }
        assert_eq!(all.len(), count);
        all
    }

    /// Sends requests in one frame.
    pub fn ask(&mut self, requests: &[Request<'_>]) {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        assert!(requests.iter().all(|request| frame.push(request)));
        frame.finish().unwrap();
        self.send(&out);
    }

    /// One request, one answer.
    pub fn tap(&mut self, server: &mut Server, request: Request<'_>) -> wire::Answer {
        self.ask(&[request]);
        self.answers(server, 1)[0]
    }

    /// The fault that ends the connection, as its code; then the end of the stream.
    pub fn faulted(&mut self, server: &mut Server) -> u16 {
        let frame = self.frame(server);
        assert_eq!(frame.kind, FrameKind::Fault);
        let code = wire::Fault::parse(&frame.body).unwrap().code;
        self.gone(server);
        code
    }

    /// Waits for the end of the stream; nothing may come before it.
    pub fn gone(&mut self, server: &mut Server) {
        for _ in 0..10_000 {
            if !self.pull() {
                assert!(self.came.is_empty(), "{:?}", self.next());
                return;
            }
            server.turn();
        }
        panic!("the server did not close")
    }

    pub fn id(&self, counter: u64) -> RequestId {
        RequestId::new(self.device, counter).unwrap()
    }
}

pub fn uid(band: u8) -> Uid {
    Uid::new(&[4, band, 3, 4, 5, 6, 7]).unwrap()
}

pub const ONE_BEER: [Line; 1] = [Line { item: 1, quantity: 1, unit_price: BEER }];

/// A desk that has opened and funded these bands, with its counters up to 2 * `bands` used.
pub fn funded(server: &mut Server, bands: u8) -> Terminal {
    let mut desk = Terminal::welcomed(server, DESK);
    for band in 1..=bands {
        let counter = u64::from(band) * 2;
        let opened = desk.tap(server, Request::open_wallet(desk.id(counter - 1), uid(band)));
        assert_eq!(opened.class, wire::Class::Applied, "{opened:?}");
        let topped = desk.tap(server, Request::top_up(desk.id(counter), uid(band), 5_000, Tender::Cash));
        assert_eq!((topped.class, topped.balance), (wire::Class::Applied, 5_000), "{topped:?}");
    }
    desk
}
