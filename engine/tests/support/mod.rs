//! A small festival and cores over the in-memory journal, for tests of the engine.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use actors::address::{Keys, Tag};
use actors::command::{AskedLine, Command, Request};
use actors::festival::{
    Device, Festival, Hours, Item, Limits, Lists, LocalTime, Prices, Purse, Role, Roles, Settings, Standing,
    Till, Vendor,
};
use engine::core::{Core, CoreParts, Layout, Peer};
use engine::job::{Clock, Job, Lane, Mono, Reply, Told};
use engine::recovery;
use ledger::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, Office, OperatorId, RequestId, TillId, VendorId,
    Version,
};
use ledger::journal::memory::{Door, Memory};
use ledger::journal::{Journal, Replay as _};
use ledger::money::{Currency, VatRate};
use ledger::record::{Genesis, Message, Mode, Tender};

/// Sells at till 1.
pub const SELLER: u32 = 1;
/// Opens, tops up and refunds at the desk, till 2.
pub const DESK: u32 = 2;
/// Changes the configuration, at the desk's till.
pub const OFFICE: u32 = 3;
/// Price of item 1, at vendor 1.
pub const BEER: i64 = 650;

pub fn festival() -> Festival {
    let (settings, lists) = parts();
    Festival::new(settings, lists).unwrap()
}

/// What it is made of.
pub fn parts() -> (Settings, Lists) {
    let vendor = VendorId::new(1).unwrap();
    let till =
        |id, vendor| Till { id: TillId::new(id).unwrap(), vendor, zone: None, name: format!("till {id}") };
    let device = |number, till, roles: &[Role]| Device {
        number: DeviceNumber::new(number).unwrap(),
        till: TillId::new(till).unwrap(),
        roles: roles.iter().fold(Roles::default(), |roles, role| roles.with(*role)),
        revoked: false,
    };
    let limits = Limits {
        balance_cap: 25_000,
        top_up_min: 100,
        top_up_max: 15_000,
        largest_amount: 50_000,
        looks_repeated_seconds: 20,
    };
    let settings = Settings {
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
    let lists = Lists {
        vendors: vec![Vendor { id: vendor, name: "Bar".into(), stopped: false, hours: Hours::default() }],
        items: vec![Item {
            id: ItemId::new(1).unwrap(),
            vendor,
            prices: Prices::fixed(u32::try_from(BEER).unwrap()),
            vat: VatRate::new(2_000).unwrap(),
            name: "Beer".into(),
            stopped: false,
        }],
        tills: vec![till(1, Some(vendor)), till(2, None)],
        devices: vec![
            device(SELLER, 1, &[Role::Sell]),
            device(DESK, 2, &[Role::Pair, Role::TopUp, Role::Refund, Role::Supervise]),
            device(OFFICE, 2, &[Role::Administer]),
        ],
    };
    (settings, lists)
}

pub fn keys() -> Keys {
    Keys::derive(&[7; 32])
}

pub fn clock(micros: u64) -> Clock {
    Clock { wall: At(1_700_000_000_000_000 + i64::try_from(micros).unwrap()), mono: Mono(micros) }
}

/// A founded ledger of `shards` in memory.
pub fn found(memory: &Memory, shards: u16) {
    let genesis = Genesis { ledger: LedgerId([9; 16]), shards, level: ledger::LEVEL, key_id: keys().id() };
    let mut door = memory.door(None);
    let at = clock(0).wall;
    engine::genesis::found(&mut door, &genesis, &festival(), at, || {
        memory.confirm(1);
    })
    .unwrap();
}

/// Cores over a founded memory; shard s at core s modulo their number.
pub fn cores(memory: &Memory, loops: u16) -> Vec<Core<Door>> {
    let open = |parts: CoreParts<Door>| {
        let epoch = parts.epoch;
        let mut core = Core::new(parts);
        core.open_epoch(clock(0), epoch);
        core
    };
    core_parts(memory, loops).into_iter().map(open).collect()
}

/// What these cores are made of.
pub fn core_parts(memory: &Memory, loops: u16) -> Vec<CoreParts<Door>> {
    let read =
        |visit: &mut recovery::Visit<'_>| memory.replay(None, visit).map_err(recovery::RecoveryError::Replay);
    let (_, found) = recovery::recover_each(1, read).unwrap();
    let count = u16::try_from(found.len()).unwrap();
    let (shards, remains) = recovery::parted(found);
    let last = shards.iter().map(|(state, _)| state.epoch().0).max().unwrap();
    let epoch = Epoch(last + 1);
    let mut peers = Vec::new();
    let mut inboxes = Vec::new();
    for _ in 0..loops {
        let (sender, inbox) = crossbeam_channel::bounded(64);
        peers.push(Peer { sender, waker: std::sync::Arc::new(|| {}) });
        inboxes.push(inbox);
    }
    let layout = Layout::new((0..count).map(|shard| shard % loops).collect(), peers);
    let mut own: Vec<Vec<_>> = (0..loops).map(|_| Vec::new()).collect();
    for recovered in shards {
        own[usize::from(recovered.0.shard().0 % loops)].push(recovered);
    }
    let one = |((shards, inbox), number)| {
        let (ledger, journal, layout) = (LedgerId([9; 16]), memory.door(None), layout.clone());
        let stopped = remains.iter().map(|remains| remains.stopped);
        let stopped = stopped.filter(|stopped| stopped.shard.0 % loops == number).collect();
        CoreParts { number, journal, shards, stopped, ledger, epoch, layout, inbox }
    };
    own.into_iter().zip(inboxes).zip(0..).map(one).collect()
}

pub fn uid(band: u8) -> [u8; 7] {
    [4, band, 3, 4, 5, 6, 7]
}

/// A request of `device` with its `counter` about a band.
pub fn request(device: u32, counter: u64, band: u8, command: Command) -> Request {
    let number = DeviceNumber::new(device).unwrap();
    let till = if device == SELLER { 1 } else { 2 };
    let mut request = Request {
        id: RequestId::of(number, counter).unwrap(),
        content: 0,
        device: number,
        festival: FestivalId(1),
        tag: keys().tag(&uid(band)),
        till: TillId::new(till),
        happened: None,
        operator: OperatorId::new(5),
        zone: None,
        tag_counter: None,
        mode: Mode::default(),
        replaces: None,
        wallet: None,
        command,
    };
    request.content = keys().content(&request);
    request
}

/// A request to the festival's office.
pub fn at_office(counter: u64, command: Command) -> Request {
    let mut request = request(OFFICE, counter, 0, command);
    let office = Office::Festival(request.festival).number();
    request.tag = Tag { number: office.as_tag(), check: 0 };
    request.content = keys().content(&request);
    request
}

/// What the office sends to have it adopted.
pub fn application(counter: u64, festival: &Festival) -> Vec<Request> {
    let (version, bytes) = (festival.version, festival.encode());
    let mut commands: Vec<Command> = (0..)
        .zip(bytes.chunks(Message::MAX_PART))
        .map(|(part, bytes)| Command::StageConfiguration { version, part, bytes: bytes.into() })
        .collect();
    let (parts, hash) = (u16::try_from(commands.len()).unwrap(), *blake3::hash(&bytes).as_bytes());
    commands.push(Command::AdoptConfiguration { version, parts, hash });
    (counter..).zip(commands).map(|(counter, command)| at_office(counter, command)).collect()
}

pub fn open(counter: u64, band: u8) -> Request {
    request(DESK, counter, band, Command::Open)
}

pub fn top_up(counter: u64, band: u8, amount: i64) -> Request {
    request(DESK, counter, band, Command::TopUp { tender: Tender::Cash, amount })
}

pub fn buy(counter: u64, band: u8, quantity: u16) -> Request {
    let lines = [AskedLine { item: 1, quantity, unit_price: u32::try_from(BEER).unwrap() }];
    let amount = BEER * i64::from(quantity);
    request(
        SELLER,
        counter,
        band,
        Command::Purchase { lines: lines.into_iter().collect(), amount, confirmed: true },
    )
}

pub fn job(home: u16, token: u64, request: Request) -> Job {
    Job { reply: Reply { home, token }, deadline: None, lane: Lane::Live, ways: 0, request }
}

/// Submits requests to a core (tokens 0, 1, ...), without turning it.
pub fn submit<J: Journal>(core: &mut Core<J>, requests: impl IntoIterator<Item = Request>) {
    let mut jobs: Vec<_> = (0..).zip(requests).map(|(token, request)| job(0, token, request)).collect();
    core.submit(&mut jobs);
}

/// Turns a core until it has nothing to do; returns what it told.
pub fn settle<J: Journal>(core: &mut Core<J>, at: u64) -> Vec<Told> {
    let mut told = Vec::new();
    for _ in 0..100 {
        let turn = core.turn(clock(at));
        told.append(core.ready());
        if !turn.more && !turn.in_flight {
            break;
        }
    }
    told
}

/// The auditor finds nothing in what was stored.
pub fn check_audit(memory: &Memory) {
    let mut auditor = ledger::audit::Auditor::new(&[]);
    memory
        .replay(None, &mut |block| {
            auditor.block(&block);
            Ok(())
        })
        .unwrap();
    let report = auditor.finish();
    assert!(report.is_sound(), "{:?}", report.findings);
}

/// A strike meets the first shard that passes its point, whichever test it belongs to.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what the recovery thread does. How many shards it was asked for.
pub fn rebuild(core: &mut Core<Door>, memory: &Memory) -> usize {
    let asked = core.take_rebuilds();
    for shard in &asked {
        core.install(engine::recovery::rebuild(memory, *shard).unwrap());
    }
    asked.len()
}
