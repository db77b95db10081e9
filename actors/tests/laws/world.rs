//! One shard with a small festival, its whole history, and short ways to make requests.

use actors::address::{Keys, Tag};
use actors::answer::{Answer, Statement, Verdict};
use actors::codes::Refusal;
use actors::command::{AskedLine, Command, Request};
use actors::festival::{
    Device, Festival, Hours, Item, Limits, Lists, LocalTime, MAX_PART, Prices, Purse, Role, Roles, Settings,
    Standing, Till, Vendor,
};
use actors::mail::Receipt;
use actors::shard_state::{Decision, Evidence, Now, ShardState};
use ledger::block::{Block, Draft, Head};
use ledger::ids::{
    At, DeviceNumber, Epoch, FestivalId, ItemId, LedgerId, Office, OperatorId, RecordNumber, RequestId,
    ShardId, TagNumber, TillId, VendorId, Version, WalletNumber,
};
use ledger::money::{Currency, VatRate};
use ledger::record::{Body, Envelope, Genesis, Message, Mode, Record, Tender};

pub(crate) const FESTIVAL: FestivalId = FestivalId(1);
pub(crate) const SHARD: ShardId = ShardId(3);
pub(crate) const WINDOW_SECONDS: u32 = 20;
pub(crate) const CAP: i64 = 25_000;
pub(crate) const TOP_UP_MIN: i64 = 100;
pub(crate) const TOP_UP_MAX: i64 = 15_000;
pub(crate) const LARGEST: i64 = 20_000;
pub(crate) const MOST_HOLD_SECONDS: u32 = 3_600;

/// Number, till, roles of the festival's devices.
pub(crate) const DEVICES: [(u32, u32, &[Role]); 9] = [
    (BAR, 1, &[Role::Sell]),
    (OTHER_BAR, 2, &[Role::Sell]),
    (DESK, 3, &[Role::Pair, Role::TopUp, Role::Refund]),
    (SUPERVISOR, 3, &[Role::Supervise]),
    (IDLE, 1, &[]),
    (ALL_ROLES, 1, &[Role::Sell, Role::TopUp, Role::Refund, Role::Pair, Role::Supervise]),
    (OTHER_DESK, 4, &[Role::Pair, Role::TopUp, Role::Refund]),
    (SELLING_DESK, 3, &[Role::Sell]),
    (ADMINISTRATOR, 4, &[Role::Administer]),
];
pub(crate) const BAR: u32 = 1;
pub(crate) const OTHER_BAR: u32 = 2;
pub(crate) const DESK: u32 = 3;
pub(crate) const SUPERVISOR: u32 = 4;
pub(crate) const IDLE: u32 = 5;
pub(crate) const ALL_ROLES: u32 = 6;
pub(crate) const OTHER_DESK: u32 = 7;
pub(crate) const SELLING_DESK: u32 = 8;
pub(crate) const ADMINISTRATOR: u32 = 9;
pub(crate) const OFFICE: u32 = ADMINISTRATOR;
/// The vendor whose home lies in this shard.
pub(crate) const HOME_VENDOR: u32 = 3;
/// Enrolled nowhere.
pub(crate) const STRANGER: u32 = 99;

/// Number, vendor; a desk has vendor 0.
pub(crate) const TILLS: [(u32, u32); 4] = [(1, 1), (2, 2), (3, 0), (4, 0)];
/// Number, vendor, price, VAT in hundredths of a per cent.
pub(crate) const ITEMS: [(u32, u32, u32, u16); 5] =
    [(1, 1, 650, 2_000), (2, 1, 400, 550), (3, 2, 1_100, 1_000), (4, 1, 0, 2_000), (5, 1, 333, 2_000)];

pub(crate) fn settings() -> Settings {
    Settings {
        id: FESTIVAL,
        version: Version::new(1).unwrap(),
        name: "Test".into(),
        currency: Currency::EUR,
        limits: Limits {
            balance_cap: CAP,
            top_up_min: TOP_UP_MIN,
            top_up_max: TOP_UP_MAX,
            largest_amount: LARGEST,
            looks_repeated_seconds: WINDOW_SECONDS,
        },
        purse_order: [Purse::Bonus, Purse::Paid].into_iter().collect(),
        local_time: LocalTime { transitions: vec![(At(0), 3_600)], cut_over_hour: 6 },
        transfers: true,
        allowances: true,
        most_hold_seconds: MOST_HOLD_SECONDS,
        standing: Standing::Open,
        hours: Hours::default(),
    }
}

pub(crate) fn lists() -> Lists {
    let name = |what: &str, number: u32| format!("{what} {number}");
    let vendor = |id| Vendor {
        id: VendorId::new(id).unwrap(),
        name: name("vendor", id),
        stopped: false,
        hours: Hours::default(),
    };
    let item = |(id, vendor, price, vat)| Item {
        id: ItemId::new(id).unwrap(),
        vendor: VendorId::new(vendor).unwrap(),
        prices: Prices::fixed(price),
        vat: VatRate::new(vat).unwrap(),
        name: name("item", id),
        stopped: false,
    };
    let till = |(id, vendor)| Till {
        id: TillId::new(id).unwrap(),
        vendor: VendorId::new(vendor),
        zone: None,
        name: name("till", id),
    };
    let device = |(number, till, roles): (u32, u32, &[Role])| Device {
        number: DeviceNumber::new(number).unwrap(),
        till: TillId::new(till).unwrap(),
        roles: roles.iter().fold(Roles::default(), |all, role| all.with(*role)),
        revoked: false,
    };
    Lists {
        vendors: vec![vendor(1), vendor(2), vendor(HOME_VENDOR)],
        items: ITEMS.into_iter().map(item).collect(),
        tills: TILLS.into_iter().map(till).collect(),
        devices: DEVICES.into_iter().map(device).collect(),
    }
}

pub(crate) fn festival() -> Festival {
    Festival::new(settings(), lists()).unwrap()
}

/// The tag of band number `band`; bands 100 and more share their numbers with `band - 100`. Bands from
/// 1,000 on live in the next shard.
pub(crate) fn tag(band: u32) -> Tag {
    let shard = 3 + u64::from(band / 1_000);
    let number = TagNumber::new(1 << 40 | (u64::from(band % 100) * 32 + shard)).unwrap();
    Tag { number, check: u64::from(band) << 32 | 7 }
}

pub(crate) fn wallet(band: u32) -> WalletNumber {
    tag(band).number.as_wallet()
}

pub(crate) fn id(device: u32, counter: u64) -> RequestId {
    RequestId::of(DeviceNumber::new(device).unwrap(), counter).unwrap()
}

pub(crate) fn cash(amount: i64) -> Command {
    Command::TopUp { tender: Tender::Cash, amount }
}

/// For the wallet of another band.
pub(crate) fn pay(band: u32, amount: i64) -> Command {
    Command::Transfer { payee: wallet(band), amount }
}

/// Gives the band to the wallet of another one.
pub(crate) fn pair(band: u32, replaces: Option<u32>) -> Command {
    Command::Pair { wallet: wallet(band), replaces: replaces.map(|band| tag(band).number) }
}

/// Hold this much for so many seconds.
pub(crate) fn hold(amount: i64, seconds: u32) -> Command {
    Command::Authorise { amount, seconds }
}

/// A sale of these lines out of what a hold of `device` has.
pub(crate) fn capture(hold: RequestId, lines: &[AskedLine]) -> Command {
    let amount = lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum();
    Command::Capture { hold, lines: lines.iter().copied().collect(), amount }
}

/// An allowance for the wallet of another band.
pub(crate) fn allow(band: u32, target: i64, mark: i64) -> Command {
    Command::SetAllowance { child: wallet(band), target, mark }
}

pub(crate) fn bonus(amount: i64) -> Command {
    Command::TopUp { tender: Tender::Bonus, amount }
}

pub(crate) fn line(item: u32, quantity: u16, unit_price: u32) -> AskedLine {
    AskedLine { item, quantity, unit_price }
}

/// A purchase of `quantity` of an item at its catalogue price.
pub(crate) fn buy(item: u32, quantity: u16) -> Command {
    let price = ITEMS.iter().find(|known| known.0 == item).unwrap().2;
    purchase(&[line(item, quantity, price)])
}

/// A purchase of these lines, amount as they sum up, unconfirmed.
pub(crate) fn purchase(lines: &[AskedLine]) -> Command {
    let amount = lines.iter().map(|line| i64::from(line.quantity) * i64::from(line.unit_price)).sum();
    Command::Purchase { lines: lines.iter().copied().collect(), amount, confirmed: false }
}

/// The till a device is assigned to; till 1 for a stranger.
pub(crate) fn till_of(device: u32) -> Option<TillId> {
    TillId::new(DEVICES.iter().find(|known| known.0 == device).map_or(1, |known| known.1))
}

/// The band, or the festival's office for what is decided there.
fn addressed(command: &Command, band: u32) -> Tag {
    match command {
        Command::StageConfiguration { .. } | Command::AdoptConfiguration { .. } => {
            Tag { number: Office::Festival(FESTIVAL).number().as_tag(), check: 0 }
        }
        _ => tag(band),
    }
}

/// A well-formed request of `device` under its own id, with an operator.
pub(crate) fn request(keys: &Keys, device: u32, counter: u64, band: u32, command: Command) -> Request {
    let mut request = Request {
        id: id(device, counter),
        content: 0,
        device: DeviceNumber::new(device).unwrap(),
        festival: FESTIVAL,
        tag: addressed(&command, band),
        till: till_of(device),
        happened: None,
        operator: OperatorId::new(900),
        zone: None,
        tag_counter: None,
        mode: Mode::default(),
        replaces: None,
        wallet: None,
        command,
    };
    request.content = keys.content(&request);
    request
}

/// A well-formed request for the office of a vendor.
pub(crate) fn to_office(keys: &Keys, device: u32, counter: u64, vendor: u32, command: Command) -> Request {
    let mut request = request(keys, device, counter, 1, command);
    request.tag = actors::office::tag(Office::Vendor(VendorId::new(vendor).unwrap()));
    request.content = keys.content(&request);
    request
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Answer(Answer),
    Statement(Statement),
}

impl Reply {
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Answer(answer) => answer.verdict,
            Self::Statement(statement) => statement.answer.verdict,
        }
    }

    pub(crate) fn answer(&self) -> &Answer {
        match self {
            Self::Answer(answer) => answer,
            Self::Statement(statement) => &statement.answer,
        }
    }
}

/// A shard and everything that ever happened in it.
pub(crate) struct World {
    pub(crate) keys: Keys,
    pub(crate) state: ShardState,
    pub(crate) history: Vec<Record>,
    pub(crate) clock: At,
    pub(crate) late: bool,
}

impl World {
    /// The festival of this module, adopted.
    pub(crate) fn new() -> Self {
        Self::with(&festival())
    }

    /// A shard in which nothing happened yet.
    pub(crate) fn empty() -> Self {
        let clock = At(1_750_000_000_000_000);
        let keys = Keys::derive(&[7; 32]);
        Self { keys, state: ShardState::new(SHARD), history: Vec::new(), clock, late: false }
    }

    pub(crate) fn with(festival: &Festival) -> Self {
        Self::empty().begun(festival)
    }

    /// The festival of this module, adopted in another shard.
    pub(crate) fn in_shard(shard: ShardId) -> Self {
        Self { state: ShardState::new(shard), ..Self::empty() }.begun(&festival())
    }

    fn begun(self, festival: &Festival) -> Self {
        let mut world = self;
        world.fact(Body::LedgerOpened(Genesis {
            ledger: LedgerId([9; 16]),
            shards: 32,
            level: ledger::LEVEL,
            key_id: world.keys.id(),
        }));
        world.adopt(festival);
        world.fact(Body::EpochOpened { epoch: Epoch(1) });
        world
    }

    /// Stages and adopts a configuration.
    pub(crate) fn adopt(&mut self, festival: &Festival) {
        let bytes = festival.encode();
        let version = festival.version;
        let mut parts = 0;
        for part in bytes.chunks(MAX_PART) {
            self.fact(Body::ConfigurationStaged { version, part: parts, bytes: part.to_vec() });
            parts += 1;
        }
        let hash = *blake3::hash(&bytes).as_bytes();
        self.fact(Body::ConfigurationAdopted { version, parts, hash });
    }

    /// Adopts the next version, in which something differs from the festival of this module.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Settings, &mut Lists)) {
        self.adopt(&self.next_version(change));
    }

    /// The next version, in which something differs from the festival of this module.
    pub(crate) fn next_version(&self, change: impl FnOnce(&mut Settings, &mut Lists)) -> Festival {
        let (mut settings, mut lists) = (settings(), lists());
        let version = self.state.adopted().map_or(0, |adopted| adopted.version.get());
        settings.version = Version::new(version + 1).unwrap();
        change(&mut settings, &mut lists);
        Festival::new(settings, lists).unwrap()
    }

    pub(crate) fn fact(&mut self, body: Body) {
        let at = self.state.ledger_time(self.clock);
        self.push(Record::fact(at, Envelope::default(), body));
    }

    /// Quarantines a wallet, or lets it act again.
    pub(crate) fn quarantine(&mut self, band: u32, on: bool) {
        let envelope = Envelope { wallet: Some(wallet(band)), ..Envelope::default() };
        let body = if on { Body::Quarantined } else { Body::Released };
        let at = self.state.ledger_time(self.clock);
        self.push(Record::fact(at, envelope, body));
    }

    pub(crate) fn push(&mut self, record: Record) -> RecordNumber {
        let number = self.state.next_record();
        assert_eq!(number.0, self.history.len() as u64);
        self.state.apply(number, &record);
        self.history.push(record);
        number
    }

    /// Decides, with evidence from the history when it is asked for; applies and answers.
    pub(crate) fn ask(&mut self, request: &Request) -> Reply {
        match self.consider(request) {
            Ok(reply) => reply,
            // As the engine does: once to the wallet, on its tag's word.
            Err(wallet) => {
                let request = Request { wallet: Some(wallet), ..request.clone() };
                self.consider(&request).unwrap_or_else(|_| {
                    Reply::Answer(Answer::refused(&request, self.state.shard(), Refusal::Busy))
                })
            }
        }
    }

    /// The same of one actor; or which other one is to be asked.
    pub(crate) fn consider(&mut self, request: &Request) -> Result<Reply, WalletNumber> {
        let at = self.state.ledger_time(self.clock);
        let mut now = Now { at, late: self.late, evidence: None };
        let mut decision = self.state.decide(&now, request);
        if let Decision::Evidence(position) = decision {
            let record = self.history[usize::try_from(position.0).unwrap()].clone();
            now.evidence = Some(Evidence { position, record: &record });
            decision = self.state.decide(&now, request);
        }
        Ok(match decision {
            Decision::Elsewhere(actor) => return Err(actor),
            Decision::Record(record) => {
                let number = self.push((*record).clone());
                Reply::Answer(self.state.answer_of(request, &record, number))
            }
            Decision::Answer(answer) => Reply::Answer(answer),
            Decision::Statement(statement) => Reply::Statement(*statement),
            Decision::Evidence(position) => panic!("asked twice for the record at {position}"),
        })
    }

    /// Asks for `command` of a device with all that is needed; the reply's verdict.
    pub(crate) fn tap(&mut self, device: u32, counter: u64, band: u32, command: Command) -> Verdict {
        let request = request(&self.keys, device, counter, band, command);
        self.ask(&request).verdict()
    }

    /// Sales of the vendor whose home lies here arrive from another shard.
    pub(crate) fn bring_home(&mut self, amount: i64) {
        let from = ShardId(9);
        let vendor = VendorId::new(HOME_VENDOR).unwrap();
        let message = Message::Swept { vendor, currency: Currency::EUR, amount };
        let number = self.state.channels().taken_from(from) + 1;
        let at = self.state.ledger_time(self.clock);
        let Receipt::Record(record) = self.state.receive(at, from, number, &message) else { panic!() };
        self.push(record);
    }

    /// Decides every timer that is due, as the engine would; how many came to a record.
    pub(crate) fn fire(&mut self) -> usize {
        let at = self.state.ledger_time(self.clock);
        let (mut after, mut fired) = (None, 0);
        while let Some(timer) = self.state.due(at, after) {
            after = Some(timer);
            if let Some(record) = self.state.fire(at, timer) {
                self.push(record);
                fired += 1;
            }
        }
        fired
    }

    /// Moves the clock.
    pub(crate) fn pass_seconds(&mut self, seconds: i64) {
        self.clock = At(self.clock.0 + seconds * 1_000_000);
    }

    /// Paid, bonus and deposit of a wallet.
    pub(crate) fn purses(&self, band: u32) -> Option<[i64; 3]> {
        let balances = self.state.balances(wallet(band))?;
        Some([balances.paid, balances.bonus, balances.deposit])
    }

    /// L6: the history through the block's own bytes into an empty shard. `before` sees each
    /// record with the state it was decided on.
    pub(crate) fn replayed(&self, before: &mut dyn FnMut(&ShardState, &Record)) -> ShardState {
        let shard = self.state.shard();
        let mut replayed = ShardState::new(shard);
        let mut head = Head::default();
        let mut left = self.history.as_slice();
        while !left.is_empty() {
            let mut draft = Draft::new(LedgerId([9; 16]), shard, Epoch(1));
            draft.begin(replayed.prologue(left[0].at));
            draft.place(head);
            let mut count = 0;
            while count < left.len().min(37) && draft.has_room() {
                draft.push(&left[count]);
                count += 1;
            }
            let (run, rest) = left.split_at(count);
            left = rest;
            let header = draft.seal();
            let bytes = [&header.to_bytes()[..], draft.payload()].concat();
            let block = Block::read(&mut ledger::record::leb::Reader::new(&bytes)).unwrap();
            block.check().unwrap();
            block.header.continues(&head).unwrap();
            let mut step = replayed.clone();
            let mut index = 0;
            block
                .each_record(|number, record| {
                    assert_eq!(record, run[index], "a record did not survive its bytes");
                    before(&step, &record);
                    step.apply(number, &record);
                    index += 1;
                })
                .unwrap();
            actors::replay::apply_block(&mut replayed, &block).unwrap();
            head = header.head();
        }
        replayed
    }
}

/// The organiser closes the festival: the shard of its office tells this one.
pub(crate) fn close(world: &mut World) {
    let closed = world.next_version(|settings, _| settings.standing = Standing::Closed);
    let (version, whole) = (closed.version, closed.encode());
    let mut parts = 0;
    for bytes in whole.chunks(Message::MAX_PART) {
        hear(world, &Message::ConfigurationPart { version, part: parts, bytes: bytes.to_vec() });
        parts += 1;
    }
    let hash = *blake3::hash(&whole).as_bytes();
    hear(world, &Message::ConfigurationOrder { version, parts, hash });
}

fn hear(world: &mut World, message: &Message) {
    let office = Office::Festival(FestivalId(1)).number().shard(32);
    let at = world.state.ledger_time(world.clock);
    let number = world.state.channels().taken_from(office) + 1;
    let Receipt::Record(record) = world.state.receive(at, office, number, message) else {
        panic!("message {number} was not taken");
    };
    world.push(record);
}
