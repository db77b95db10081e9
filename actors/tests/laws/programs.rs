//! Random histories: every answer, balance and record as the naive model says; at the end the
//! same state from the bytes of the records (L6), the laws on the postings (L1, L2, L4), and every
//! record decided once more, from itself alone.

use std::collections::{BTreeMap, BTreeSet};

use actors::answer::Statement;
use actors::command::{Command, Request};
use actors::replay;
use actors::shard_state::Decision;
use ledger::ids::{At, DeviceNumber, FestivalId, RequestId, TillId};
use ledger::record::{Body, Mode, Record};
use proptest::prelude::*;

use crate::model::{Expected, Model, class_and_code};
use crate::world::{self, Reply, World};

/// One step, as numbers that are read modulo what there is: so any numbers are a program.
#[derive(Clone, Debug)]
enum Step {
    Ask {
        device: u32,
        band: u32,
        old_id: Option<u64>,
        what: What,
        twist: Twist,
    },
    Retry {
        of: usize,
        twist: Twist,
    },
    Cancel {
        of: usize,
        twist: Twist,
    },
    Lookup {
        of: usize,
        twist: Twist,
    },
    Straggler {
        device: u32,
        band: u32,
    },
    SameUnderNewId {
        of: usize,
    },
    Wait {
        seconds: i64,
    },
    Quarantine {
        band: u32,
        on: bool,
    },
    /// The engine looks at the timers.
    Alarm,
}

#[derive(Clone, Debug)]
enum What {
    Open,
    Cash(i64),
    Bonus(i64),
    Buy { item: u32, quantity: u16, more: u16, confirmed: bool },
    WrongLine { item: u32, price: u32, quantity: u16 },
    WrongSum(i64),
    ManyLines(usize),
    Void { of: usize },
    Hold { amount: i64, seconds: u32 },
    Capture { of: usize, item: u32, quantity: u16 },
    Release { of: usize },
    Balance,
}

/// What is unusual about a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Twist {
    Plain,
    OtherContent,
    OtherDevice,
    OtherBand(u32),
    OtherTill(u32),
    NoTill,
    OtherFestival,
    NoOperator,
    Late,
    Offline,
    Training,
    Replaces,
    AnotherTime,
}

fn twists() -> impl Strategy<Value = Twist> {
    prop_oneof![
        20 => Just(Twist::Plain),
        1 => Just(Twist::OtherContent),
        1 => Just(Twist::OtherDevice),
        1 => (0_u32..6).prop_map(Twist::OtherBand),
        1 => (1_u32..6).prop_map(Twist::OtherTill),
        1 => Just(Twist::NoTill),
        1 => Just(Twist::OtherFestival),
        1 => Just(Twist::NoOperator),
        1 => Just(Twist::Late),
        1 => Just(Twist::Offline),
        1 => Just(Twist::Training),
        1 => Just(Twist::Replaces),
        1 => Just(Twist::AnotherTime),
    ]
}

fn amounts() -> impl Strategy<Value = i64> {
    prop_oneof![
        1 => -5_i64..=0,
        1 => Just(world::TOP_UP_MIN - 1),
        1 => Just(world::TOP_UP_MAX + 1),
        1 => prop_oneof![Just(i64::MAX), Just(i64::MIN)],
        8 => world::TOP_UP_MIN..3_000,
        2 => Just(world::TOP_UP_MAX),
    ]
}

fn whats() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => Just(What::Open),
        5 => amounts().prop_map(What::Cash),
        2 => amounts().prop_map(What::Bonus),
        10 => (1_u32..6, 1_u16..4, 0_u16..3, any::<bool>())
            .prop_map(|(item, quantity, more, confirmed)| What::Buy { item, quantity, more, confirmed }),
        1 => (0_u32..8, prop_oneof![Just(650_u32), Just(0), any::<u32>()], any::<u16>())
            .prop_map(|(item, price, quantity)| What::WrongLine { item, price, quantity }),
        1 => (-2_000_i64..2_000).prop_map(What::WrongSum),
        1 => prop_oneof![Just(0_usize), Just(30), Just(64), Just(65)].prop_map(What::ManyLines),
        6 => any::<usize>().prop_map(|of| What::Void { of }),
        6 => (prop_oneof![1 => amounts(), 12 => 300_i64..3_000], lengths())
            .prop_map(|(amount, seconds)| What::Hold { amount, seconds }),
        6 => (any::<usize>(), 1_u32..6, 1_u16..3)
            .prop_map(|(of, item, quantity)| What::Capture { of, item, quantity }),
        2 => any::<usize>().prop_map(|of| What::Release { of }),
        2 => Just(What::Balance),
    ]
}

/// Seconds of a hold.
fn lengths() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 1 => Just(world::MOST_HOLD_SECONDS + 1), 8 => 1_u32..60, 6 => Just(3_600)]
}

fn devices() -> impl Strategy<Value = u32> {
    prop_oneof![9 => 1_u32..9, 9 => Just(world::ALL_ROLES), 1 => Just(world::STRANGER)]
}

/// Bands 0 to 4; 101 has the number of band 1.
fn bands() -> impl Strategy<Value = u32> {
    prop_oneof![30 => 0_u32..4, 2 => Just(4_u32), 1 => Just(101_u32)]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        14 => (devices(), bands(), proptest::option::weighted(0.1, 1_u64..40), whats(), twists())
            .prop_map(|(device, band, old_id, what, twist)| Step::Ask { device, band, old_id, what, twist }),
        3 => (any::<usize>(), twists()).prop_map(|(of, twist)| Step::Retry { of, twist }),
        5 => (any::<usize>(), twists()).prop_map(|(of, twist)| Step::Cancel { of, twist }),
        2 => (any::<usize>(), twists()).prop_map(|(of, twist)| Step::Lookup { of, twist }),
        3 => any::<usize>().prop_map(|of| Step::SameUnderNewId { of }),
        1 => (devices(), bands()).prop_map(|(device, band)| Step::Straggler { device, band }),
        2 => (-30_i64..30).prop_map(|seconds| Step::Wait { seconds }),
        1 => (bands(), any::<bool>()).prop_map(|(band, on)| Step::Quarantine { band, on }),
        2 => Just(Step::Alarm),
    ]
}

/// The shard, the model, and every request made so far.
struct Run {
    world: World,
    model: Model,
    asked: Vec<Request>,
    counter: u64,
    /// Classes and codes that came back, to prove that the programs reach something.
    seen: BTreeSet<(u8, u8)>,
}

impl Run {
    fn new() -> Self {
        let world = World::new();
        let model = Model::after(world.history.len() as u64);
        Self { world, model, asked: Vec::new(), counter: 0, seen: BTreeSet::new() }
    }

    /// Some wallets are there from the start, so that programs get somewhere.
    fn begun() -> Self {
        let mut run = Self::new();
        for (band, amount) in [(0, 15_000), (1, 5_000), (2, 700)] {
            for command in [Command::Open, world::cash(amount)] {
                run.counter += 2;
                let keys = &run.world.keys;
                let request = world::request(keys, world::ALL_ROLES, run.counter, band, command);
                run.asked.push(request.clone());
                run.ask(&request);
            }
        }
        run
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Wait { seconds } => self.world.pass_seconds(*seconds),
            Step::Alarm => {
                let at = self.world.state.ledger_time(self.world.clock);
                assert_eq!(self.world.fire(), self.model.expire(at), "holds expired");
            }
            Step::Quarantine { band, on } => {
                self.world.quarantine(*band, *on);
                self.model.quarantine(*band, *on);
            }
            Step::Ask { device, band, old_id, what, twist } => {
                let command = self.command(what);
                self.counter += 2;
                let counter = old_id.unwrap_or(self.counter);
                let mut request = world::request(&self.world.keys, *device, counter, *band, command);
                self.at_its_target(&mut request);
                self.asked.push(request.clone());
                self.send(request, *twist);
            }
            // A cancel overtakes its request, which then arrives.
            Step::Straggler { device, band } => {
                self.counter += 2;
                let request = world::request(&self.world.keys, *device, self.counter, *band, Command::Open);
                self.send_again(&request, Some(Command::Cancel), Twist::Plain);
                self.send(request.clone(), Twist::Plain);
                self.asked.push(request);
            }
            Step::SameUnderNewId { of } => {
                let Some(index) = self.asked.len().checked_sub(1 + of % 12) else { return };
                self.counter += 2;
                let mut request = self.asked[index].clone();
                request.id = RequestId::of(request.id.device().unwrap(), self.counter).unwrap();
                self.asked.push(request.clone());
                self.send(request, Twist::Plain);
            }
            Step::Retry { of, twist } => self.again(*of, None, *twist),
            Step::Cancel { of, twist } => self.again(*of, Some(Command::Cancel), *twist),
            Step::Lookup { of, twist } => self.again(*of, Some(Command::Lookup), *twist),
        }
        for band in 0..5 {
            assert_eq!(self.world.purses(band), self.model.purses(band), "purses of band {band}");
            let held = self.world.state.held(world::wallet(band));
            assert_eq!(held, self.model.held(band), "held of band {band}");
        }
    }

    fn again(&mut self, of: usize, command: Option<Command>, twist: Twist) {
        // Mostly the youngest requests: there the interesting things happen.
        let Some(index) = self.asked.len().checked_sub(1 + of % 12) else { return };
        let request = self.asked[index].clone();
        self.send_again(&request, command, twist);
    }

    fn send_again(&mut self, request: &Request, command: Option<Command>, twist: Twist) {
        let command = command.unwrap_or_else(|| request.command.clone());
        let mut again = Request { command, ..request.clone() };
        again.content = self.world.keys.content(&again);
        self.send(again, twist);
    }

    fn command(&self, what: &What) -> Command {
        match what {
            What::Open => Command::Open,
            What::Cash(amount) => world::cash(*amount),
            What::Bonus(amount) => world::bonus(*amount),
            What::Buy { item, quantity, more, confirmed } => {
                let price = |item: u32| world::ITEMS[item as usize - 1].2;
                let mut lines = vec![world::line(*item, *quantity, price(*item))];
                lines.extend((0..*more).map(|_| world::line(2, 1, price(2))));
                confirm(world::purchase(&lines), *confirmed)
            }
            What::WrongLine { item, price, quantity } => {
                world::purchase(&[world::line(*item, *quantity, *price)])
            }
            What::WrongSum(wrong) => match world::buy(1, 1) {
                Command::Purchase { lines, confirmed, .. } => {
                    Command::Purchase { lines, confirmed, amount: *wrong }
                }
                other => other,
            },
            What::ManyLines(count) => world::purchase(&vec![world::line(2, 1, 400); *count]),
            What::Void { of } => {
                let youngest = self.asked.iter().rev().take(10).collect::<Vec<_>>();
                let sales =
                    youngest.iter().filter(|request| matches!(request.command, Command::Purchase { .. }));
                let sale = sales.clone().nth(of % sales.count().max(1)).map(|request| request.id);
                let any = self.asked.get(of % self.asked.len().max(1)).map(|request| request.id);
                let id = if of % 7 == 0 { any } else { sale.or(any) };
                Command::Void { sale: id.unwrap_or(world::id(9, 9)) }
            }
            What::Hold { amount, seconds } => world::hold(*amount, *seconds),
            What::Capture { of, item, quantity } => {
                let price = world::ITEMS[*item as usize - 1].2;
                world::capture(self.young_hold(*of), &[world::line(*item, *quantity, price)])
            }
            What::Release { of } => Command::ReleaseHold { hold: self.young_hold(*of) },
            What::Balance => Command::Balance,
        }
    }

    /// What is about another request is mostly about that one's band.
    fn at_its_target(&self, request: &mut Request) {
        let (Command::Void { sale: target }
        | Command::Capture { hold: target, .. }
        | Command::ReleaseHold { hold: target }) = request.command
        else {
            return;
        };
        let target = self.asked.iter().rev().find(|known| known.id == target);
        if let Some(target) = target.filter(|_| !request.id.counter().is_multiple_of(5)) {
            request.tag = target.tag;
        }
    }

    /// Mostly one of the youngest holds, sometimes any request.
    fn young_hold(&self, of: usize) -> RequestId {
        let youngest = self.asked.iter().rev().take(12).collect::<Vec<_>>();
        let holds = youngest.iter().filter(|request| matches!(request.command, Command::Authorise { .. }));
        let hold = holds.clone().nth(of % holds.count().max(1)).map(|request| request.id);
        let any = self.asked.get(of % self.asked.len().max(1)).map(|request| request.id);
        let id = if of.is_multiple_of(7) { any } else { hold.or(any) };
        id.unwrap_or(world::id(9, 9))
    }

    fn send(&mut self, mut request: Request, twist: Twist) {
        apply_twist(&mut request, twist);
        request.content = self.world.keys.content(&request);
        self.world.late = twist == Twist::Late;
        self.ask(&request);
        self.world.late = false;
    }

    fn ask(&mut self, request: &Request) {
        let at = self.world.state.ledger_time(self.world.clock);
        let expected = self.model.ask(request, at, self.world.late);
        let before = self.world.history.len();
        let reply = self.world.ask(request);
        let recorded = self.world.history.len() > before;
        assert_eq!(seen(&reply, recorded), expected, "{request:?}");
        self.seen.insert((expected.class, expected.code));
        let answer = reply.answer();
        assert_eq!((answer.id, answer.command), (request.id, request.command.number()));
        if recorded {
            // L4: sent again at once, the same answer and nothing else.
            let length = self.world.history.len();
            assert_eq!(self.world.ask(request), reply, "asked again: {request:?}");
            assert_eq!(self.world.history.len(), length);
        }
    }

    fn check_history(&self) {
        check_laws(&self.world);
        crate::audit::check_audit(&self.world);
        let mut last = At(i64::MIN);
        let history = &self.world.history;
        let replayed = self.world.replayed(&mut |state, record| {
            assert!(record.at >= last, "ledger time fell");
            last = record.at;
            check_decided_again(state, record, history);
        });
        assert_eq!(replayed.digest(), self.world.state.digest(), "L6: replay came to another state");
    }
}

fn confirm(command: Command, confirmed: bool) -> Command {
    match command {
        Command::Purchase { lines, amount, .. } => Command::Purchase { lines, amount, confirmed },
        other => other,
    }
}

fn apply_twist(request: &mut Request, twist: Twist) {
    match twist {
        Twist::Plain | Twist::Late => {}
        Twist::OtherContent => {
            if let Command::TopUp { amount, .. } = &mut request.command {
                *amount = amount.wrapping_add(1);
            } else if let Command::Purchase { lines, .. } = &mut request.command {
                lines.reverse();
                lines.push(world::line(4, 1, 0));
            } else if let Command::Void { sale } = &mut request.command {
                *sale = RequestId::new(sale.get() ^ 2).unwrap_or(*sale);
            } else if let Command::Authorise { seconds, .. } = &mut request.command {
                *seconds += 1;
            } else if let Command::Capture { hold, .. } | Command::ReleaseHold { hold } = &mut request.command
            {
                *hold = RequestId::new(hold.get() ^ 2).unwrap_or(*hold);
            }
        }
        Twist::OtherDevice => request.device = DeviceNumber::new(request.device.get() + 1).unwrap(),
        Twist::OtherBand(band) => request.tag = world::tag(band),
        Twist::OtherTill(till) => request.till = TillId::new(till),
        Twist::NoTill => request.till = None,
        Twist::OtherFestival => request.festival = FestivalId(2),
        Twist::NoOperator => request.operator = None,
        Twist::Offline => request.mode = Mode { offline: true, training: false },
        Twist::Training => request.mode = Mode { offline: false, training: true },
        Twist::Replaces => request.replaces = RequestId::new(1 << 40 | 1),
        Twist::AnotherTime => {
            request.happened = Some(At(1));
            request.zone = ledger::ids::ZoneId::new(4);
            request.tag_counter = std::num::NonZeroU32::new(77);
        }
    }
}

fn seen(reply: &Reply, records: bool) -> Expected {
    let (class, code) = class_and_code(reply.verdict());
    let movements = match reply {
        Reply::Answer(_) => Vec::new(),
        Reply::Statement(Statement { movements, .. }) => movements
            .iter()
            .map(|known| (known.id.get(), known.outcome.number(), known.record.0, known.balance))
            .collect(),
    };
    let answer = reply.answer();
    Expected { class, code, records, record: answer.record.0, balance: answer.balance, movements }
}

/// L1, L2 and L4 from the postings and ids alone.
fn check_laws(world: &World) {
    let mut accounts = BTreeMap::<_, i128>::new();
    let mut in_force = BTreeMap::<_, i32>::new();
    for record in &world.history {
        for posting in record.entry.postings() {
            *accounts.entry(posting.account).or_default() += i128::from(posting.minor);
        }
        let purses = accounts.iter().filter(|(account, _)| account.kind.is_purse());
        assert!(purses.clone().all(|(_, balance)| *balance <= 0), "L2: a purse is overdrawn: {record:?}");
        assert_eq!(accounts.values().sum::<i128>(), 0, "L1");
        if record.decline.is_some() {
            assert!(record.entry.is_empty(), "a decline moved money");
            continue;
        }
        let key = (record.envelope.wallet, record.envelope.request);
        let times = in_force.entry(key).or_default();
        match record.body {
            Body::Cancelled { .. } => *times -= 1,
            _ if key.1.is_some() => *times += 1,
            _ => {}
        }
        assert!((0..=1).contains(times), "L4: {key:?} took effect {times} times");
    }
    for band in 0..5 {
        let Some(purses) = world.purses(band) else { continue };
        let own = |kind: u8| {
            accounts
                .iter()
                .filter(|(account, _)| {
                    account.kind as u8 == kind && account.owner == world::wallet(band).get()
                })
                .map(|(_, balance)| -*balance)
                .sum::<i128>()
        };
        assert_eq!([own(1), own(2), own(3)], purses.map(i128::from), "postings of band {band}");
        let held = world.state.held(world::wallet(band));
        assert_eq!(own(4), i128::from(held), "held postings of band {band}");
    }
}

/// What `explain` relies on: each record, decided once more from itself, is the same record.
pub(crate) fn check_decided_again(
    state: &actors::shard_state::ShardState,
    record: &Record,
    history: &[Record],
) {
    if matches!(record.body, Body::HoldExpired { .. }) {
        let timers =
            std::iter::successors(state.due(record.at, None), |last| state.due(record.at, Some(*last)));
        let again = timers.filter_map(|timer| state.fire(record.at, timer)).any(|again| again == *record);
        assert!(again, "{record:?} did not come from a timer that was due");
        return;
    }
    let mut decision = replay::decide_again(state, record, None);
    if let Some(Decision::Evidence(position)) = decision {
        let evidence = &history[usize::try_from(position.0).unwrap()];
        decision = replay::decide_again(state, record, Some((position, evidence)));
    }
    match decision {
        Some(Decision::Record(again)) => assert_eq!(*again, *record),
        Some(other) => panic!("decided again {record:?} came to {other:?}"),
        None => assert!(record.envelope.request.is_none(), "{record:?} could not be decided again"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_does_what_the_naive_model_says(steps in proptest::collection::vec(steps(), 0..140)) {
        let mut run = Run::begun();
        for step in &steps {
            run.step(step);
        }
        run.check_history();
    }
}

/// A model test that only ever meets refusals proves nothing: the programs above must reach every
/// answer that a wallet can give.
#[test]
fn programs_reach_every_kind_of_answer() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let programs = proptest::collection::vec(proptest::collection::vec(steps(), 100), 60);
    let mut all = BTreeSet::new();
    for program in programs.new_tree(&mut runner).unwrap().current() {
        let mut run = Run::begun();
        for step in &program {
            run.step(step);
        }
        run.check_history();
        all.append(&mut run.seen);
    }
    let declines = [1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 21, 22, 23].map(|code| (1, code));
    let refusals =
        [65, 66, 67, 68, 69, 70, 71, 72, 73, 75, 77, 78, 79, 80, 81, 82, 83, 84].map(|code| (2, code));
    let others = [(0, 0), (0, 4), (0, 5), (4, 128), (4, 129)];
    let missing: Vec<_> =
        declines.iter().chain(&refusals).chain(&others).filter(|code| !all.contains(code)).collect();
    assert!(missing.is_empty(), "never seen (class, code): {missing:?}");
}
