//! What the benches share: one shard with many wallets, and purchases on them. Built from the same
//! public parts as a server, so that what is measured is what runs.
//!
//! It measures nothing itself, and nothing depends on it: it stands outside and looks in.

use actors::address::Keys;
use actors::command::{AskedLine, Command, Request};
use actors::festival::{
    Device, Festival, Hours, Item, Limits, Lists, LocalTime, Prices, Purse, Role, Roles, Settings, Standing,
    Till, Vendor,
};
use actors::shard_state::{Decision, Now, ShardState};
use engine::recovery::{self, RecoveryError, Visit};
use ledger::ids::{At, DeviceNumber, FestivalId, ItemId, LedgerId, RequestId, TillId, VendorId, Version};
use ledger::journal::Replay as _;
use ledger::journal::memory::Memory;
use ledger::money::{Currency, VatRate};
use ledger::record::{Genesis, Mode, Record, Tender};

/// Wallets of a festival: more than any cache holds, because misses are the cost of a tap.
pub const WALLETS: u32 = 500_000;
/// The one shard.
pub const LEDGER: LedgerId = LedgerId([9; 16]);
const PRICE: u32 = 650;
const FUNDS: i64 = 1_000_000_000;
const START: At = At(1_700_000_000_000_000);

type Failed = Box<dyn std::error::Error>;

/// A shard whose wallets are open and funded, one device, one item.
pub struct World {
    keys: Keys,
    device: DeviceNumber,
    till: TillId,
    state: ShardState,
    counter: u64,
}

impl World {
    /// With `wallets` wallets.
    pub fn new(wallets: u32) -> Result<Self, Failed> {
        let keys = Keys::derive(&[7; 32]);
        let device = DeviceNumber::new(1).ok_or("no such device number")?;
        let till = TillId::new(1).ok_or("no such till number")?;
        let state = founded(&keys, &festival(device, till)?)?;
        let mut world = Self { keys, device, till, state, counter: 0 };
        for wallet in 0..wallets {
            for command in [Command::Open, Command::TopUp { tender: Tender::Cash, amount: FUNDS }] {
                let request = world.request(wallet, command)?;
                let record = world.record(&request)?;
                world.apply(&record);
            }
        }
        Ok(world)
    }

    /// The shard.
    pub fn state(&self) -> &ShardState {
        &self.state
    }

    /// When everything happens.
    pub fn now(&self) -> Now<'static> {
        Now { at: self.state.ledger_time(START), late: false, evidence: None }
    }

    fn request(&mut self, wallet: u32, command: Command) -> Result<Request, Failed> {
        self.counter += 1;
        let [a, b, c, d] = wallet.to_le_bytes();
        let mut request = Request {
            id: RequestId::of(self.device, self.counter).ok_or("the device's counter is at its end")?,
            content: 0,
            device: self.device,
            festival: FestivalId(1),
            tag: self.keys.tag(&[4, a, b, c, d, 6, 7]),
            till: Some(self.till),
            happened: None,
            operator: None,
            zone: None,
            tag_counter: None,
            mode: Mode::default(),
            replaces: None,
            wallet: None,
            command,
        };
        request.content = self.keys.content(&request);
        Ok(request)
    }

    /// A purchase of `lines` lines on a wallet, under an id of its own.
    pub fn purchase(&mut self, wallet: u32, lines: u16) -> Result<Request, Failed> {
        let line = AskedLine { item: 1, quantity: 1, unit_price: PRICE };
        let amount = i64::from(PRICE) * i64::from(lines);
        let lines = (0..lines).map(|_| line).collect();
        self.request(wallet, Command::Purchase { lines, amount, confirmed: true })
    }

    /// Purchases on wallets drawn from a fixed seed.
    pub fn purchases(&mut self, count: usize, wallets: u32, lines: u16) -> Result<Vec<Request>, Failed> {
        let mut random = fastrand::Rng::with_seed(1);
        (0..count).map(|_| self.purchase(random.u32(0..wallets), lines)).collect()
    }

    /// The record that a request brings about; an error if it brings about none.
    pub fn record(&self, request: &Request) -> Result<Record, Failed> {
        match self.state.decide(&self.now(), request) {
            Decision::Record(record) if record.decline.is_none() => Ok(*record),
            other => Err(format!("not a record that moves money: {other:?}").into()),
        }
    }

    /// Applies a record.
    pub fn apply(&mut self, record: &Record) {
        self.state.apply(self.state.next_record(), record);
    }
}

fn festival(device: DeviceNumber, till: TillId) -> Result<Festival, Failed> {
    let vendor = VendorId::new(1).ok_or("no such vendor number")?;
    let settings = Settings {
        id: FestivalId(1),
        version: Version::new(1).ok_or("no such version")?,
        name: "Bench".into(),
        currency: Currency::EUR,
        limits: Limits {
            balance_cap: FUNDS,
            top_up_min: 1,
            top_up_max: FUNDS,
            largest_amount: FUNDS,
            looks_repeated_seconds: 0,
        },
        purse_order: [Purse::Bonus, Purse::Paid].into_iter().collect(),
        local_time: LocalTime { transitions: vec![(At(0), 7_200)], cut_over_hour: 6 },
        transfers: true,
        allowances: true,
        most_hold_seconds: 3_600,
        standing: Standing::Open,
        hours: Hours::default(),
    };
    let roles = [Role::Sell, Role::Pair, Role::TopUp].into_iter().fold(Roles::default(), Roles::with);
    let lists = Lists {
        vendors: vec![Vendor { id: vendor, name: "Bar".into(), stopped: false, hours: Hours::default() }],
        items: vec![Item {
            id: ItemId::new(1).ok_or("no such item number")?,
            vendor,
            prices: Prices::fixed(PRICE),
            vat: VatRate::new(2_000).ok_or("no such VAT rate")?,
            name: "Beer".into(),
            stopped: false,
        }],
        tills: vec![Till { id: till, vendor: Some(vendor), zone: None, name: "Till".into() }],
        devices: vec![Device { number: device, till, roles, revoked: false }],
    };
    Ok(Festival::new(settings, lists)?)
}

/// The state of the only shard of a ledger that was founded a moment ago.
fn founded(keys: &Keys, festival: &Festival) -> Result<ShardState, Failed> {
    let memory = Memory::new();
    let genesis = Genesis { ledger: LEDGER, shards: 1, level: ledger::LEVEL, key_id: keys.id() };
    engine::genesis::found(&mut memory.door(None), &genesis, festival, START, || {
        memory.confirm(1);
    })?;
    let read = |visit: &mut Visit<'_>| memory.replay(None, visit).map_err(RecoveryError::Replay);
    let (_, shards) = recovery::recover(1, read)?;
    let (state, _) = shards.into_iter().next().ok_or("no shard was founded")?;
    Ok(state)
}
