//! Bands between two shards against a naive model: pair, replace, block, unblock, tap, cancel and retry in
//! any order, with messages that wait and crashes that lose what was not on disk yet (L4, L6, L13).

use std::collections::{BTreeMap, BTreeSet};

use actors::address::Tag;
use actors::answer::{Answer, Verdict};
use actors::channels::Outbox;
use actors::codes::{Decline, Refusal};
use actors::command::{Command, Request};
use actors::mail::Receipt;
use actors::shard_state::ShardState;
use actors::tag::{MAX_TAGS, News, Routes};
use ledger::audit::{Auditor, Rule};
use ledger::ids::{ShardId, TagNumber, WalletNumber};
use ledger::record::{Body, Message, Record};
use proptest::prelude::*;

mod cases;

use crate::model::class_and_code;
use crate::world::{self, Reply, World};

const FIRST: u16 = 3;
/// No office has a number as high.
const BASE: u64 = 1 << 40;
const DESK: u32 = world::ALL_ROLES;

/// Even bands live in shard 3, odd ones in shard 4.
fn tag(band: u8) -> Tag {
    let number = BASE + u64::from(band) * 32 + u64::from(FIRST) + u64::from(band % 2);
    Tag { number: TagNumber::new(number).unwrap(), check: u64::from(band) << 32 | 7 }
}

fn wallet(band: u8) -> WalletNumber {
    tag(band).number.as_wallet()
}

fn side(band: u8) -> usize {
    usize::from(band % 2)
}

fn request(world: &World, counter: u64, band: u8, command: Command) -> Request {
    let mut request = world::request(&world.keys, DESK, counter, 0, command);
    request.tag = tag(band);
    request.content = world.keys.content(&request);
    request
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    Pay,
    Wait,
    Rest,
}

/// What an id came to: its code, and whether a cancel of it is refused for good.
#[derive(Clone, Copy, Debug)]
struct Known {
    code: u8,
    stands: bool,
}

/// A band's own actor, as the wallet it opened or as a tag that was given away.
#[derive(Clone, Debug, Default)]
struct Actor {
    open: bool,
    given: Option<u8>,
    balance: i64,
    ids: BTreeMap<u64, Known>,
    tags: BTreeMap<u8, May>,
}

/// One shard of the model.
type Side = BTreeMap<u8, Actor>;

/// Class and code of an answer.
type Said = (u8, u8);

const DONE: Said = (0, 0);

/// The actors of one side, decided by hand.
fn own(actor: &mut Actor, band: u8, tag_band: u8, asked: &Request) -> Said {
    let id = asked.id.get();
    let may = if band == tag_band {
        actor.tags.get(&band).copied().unwrap_or(May::Pay)
    } else {
        actor.tags[&tag_band]
    };
    match (&asked.command, actor.ids.get(&id)) {
        (Command::Balance, _) => return if actor.open { (4, 128) } else { (2, 68) },
        (Command::Cancel, None) => {
            actor.ids.insert(id, Known { code: 5, stands: false });
            return (0, 5);
        }
        (Command::Cancel, Some(Known { code: 0, stands })) => {
            assert!(stands, "only pairings and blocks are cancelled here");
            return (1, 28);
        }
        (Command::Cancel, Some(known)) => return (0, known.code),
        (_, Some(known)) => return (u8::from(known.code != 0), known.code),
        (_, None) => {}
    }
    let barred = match may {
        May::Pay => 0,
        May::Wait => 6,
        May::Rest => 7,
    };
    let code = match &asked.command {
        Command::Open if actor.open => 8,
        Command::Open => 0,
        Command::Pair { wallet: to, .. } if *to == wallet(tag_band) => {
            return (2, Refusal::SameWallet.number());
        }
        Command::Pair { .. } => 15,
        _ if !actor.open => return (2, 68),
        Command::BlockTag | Command::UnblockTag if may == May::Rest => 7,
        Command::BlockTag | Command::UnblockTag => 0,
        _ if barred != 0 => barred,
        Command::Purchase { amount, .. } if actor.balance < *amount => 1,
        _ => 0,
    };
    if code == 0 {
        match &asked.command {
            Command::Open => actor.open = true,
            Command::BlockTag => drop(actor.tags.insert(tag_band, May::Wait)),
            Command::UnblockTag => drop(actor.tags.insert(tag_band, May::Pay)),
            Command::TopUp { amount, .. } => actor.balance += amount,
            Command::Purchase { amount, .. } => actor.balance -= amount,
            other => panic!("{other:?}"),
        }
    }
    let stands = matches!(asked.command, Command::BlockTag | Command::UnblockTag);
    actor.ids.insert(id, Known { code, stands });
    (u8::from(code != 0), code)
}

/// Why a wallet of the model does not take a band; 0 if it does.
fn taken(side: &mut Side, band: u8, to: u8, replaces: Option<u8>) -> u8 {
    let Some(actor) = side.get_mut(&to).filter(|actor| actor.open) else { return 13 };
    if actor.tags.keys().filter(|tag| **tag != to).count() >= MAX_TAGS {
        return 30;
    }
    if let Some(old) = replaces {
        let may = actor.tags.get(&old).copied().or((old == to).then_some(May::Pay));
        if matches!(may, None | Some(May::Rest)) {
            return 26;
        }
        actor.tags.insert(old, May::Rest);
    }
    actor.tags.insert(band, May::Pay);
    0
}

/// Two shards, what of them is on disk, and the model of both.
struct Run {
    worlds: [World; 2],
    model: [Side; 2],
    disk: [(usize, Side); 2],
    routes: Routes,
    asked: Vec<(u8, Request)>,
    counter: u64,
    seen: BTreeSet<Said>,
    lost: usize,
    /// What was decided of a band's id and command when it was first asked, as long as no crash lost it.
    firsts: BTreeMap<(u8, u64, u8), Answer>,
    /// Later answers that were compared with those: all, and through a band in whose place there is another.
    retried: [usize; 2],
}

impl Run {
    fn new() -> Self {
        let worlds = [FIRST, FIRST + 1].map(|shard| World::in_shard(ShardId(shard)));
        let disk = [0, 1].map(|side: usize| (worlds[side].history.len(), Side::new()));
        Self {
            worlds,
            model: Default::default(),
            disk,
            routes: Routes::default(),
            asked: Vec::new(),
            counter: 0,
            seen: BTreeSet::new(),
            lost: 0,
            firsts: BTreeMap::new(),
            retried: [0; 2],
        }
    }

    /// Everything of a shard is on disk: others may know it.
    fn confirm(&mut self, side: usize) {
        let world = &self.worlds[side];
        let news =
            world.history[self.disk[side].0..].iter().filter_map(|record| world.state.tag_news(record));
        news.for_each(|news| self.routes.learn(news));
        self.disk[side] = (world.history.len(), self.model[side].clone());
    }

    /// What was not on disk is gone.
    fn crash(&mut self, side: usize) {
        let (kept, model) = self.disk[side].clone();
        let world = &mut self.worlds[side];
        self.lost += world.history.len() - kept;
        world.history.truncate(kept);
        world.state = world.replayed(&mut |_, _| {});
        let shard = world.state.shard();
        self.firsts.retain(|_, first| first.shard != shard || first.record.0 < kept as u64);
        self.model[side] = model;
    }

    /// Hands over up to `most` messages of one shard, of those that are on disk.
    fn deliver(&mut self, from: usize, to: usize, most: usize) -> usize {
        let sender = &self.worlds[from];
        let (from_shard, to_shard) = (sender.state.shard(), self.worlds[to].state.shard());
        let taken = self.worlds[to].state.channels().taken_from(from_shard);
        let outbox = sender.state.channels().outbox(to_shard);
        let waiting = outbox.into_iter().flat_map(Outbox::waiting);
        let ready = waiting.filter(|one| one.number > taken && one.record.0 < self.disk[from].0 as u64);
        let ready: Vec<_> = ready.take(most).map(|one| (one.number, one.message.clone())).collect();
        for (number, message) in &ready {
            let at = self.worlds[to].state.ledger_time(self.worlds[to].clock);
            let receipt = self.worlds[to].state.receive(at, from_shard, *number, message);
            let Receipt::Record(record) = receipt else { panic!("{receipt:?}") };
            self.took(to, message, &record);
            self.worlds[to].push(record);
        }
        ready.len()
    }

    fn took(&mut self, to: usize, message: &Message, record: &Record) {
        let band = |tag: TagNumber| u8::try_from((tag.get() - BASE - u64::from(FIRST)) / 32).unwrap();
        match message {
            Message::Paired { tag, wallet, replaces, .. } => {
                let (tag, of) = (band(*tag), band(wallet.as_tag()));
                let expected = taken(&mut self.model[to], tag, of, replaces.map(band));
                let dead = matches!(record.body, Body::DeadLettered { .. });
                let said = record.decline.map_or(if dead { 13 } else { 0 }, |code| code.0.get());
                assert_eq!(said, expected, "{message:?}");
                self.seen.insert((9, said));
            }
            Message::Returned { message, .. } => {
                let Message::Paired { tag, .. } = &**message else { panic!("{message:?}") };
                self.model[to].get_mut(&band(*tag)).unwrap().given = None;
            }
            other => panic!("{other:?}"),
        }
    }

    /// As the engine sends requests: on the word of a confirmed record, at most twice.
    fn answer(&mut self, band: u8, request: &Request) -> Answer {
        let mut request = request.clone();
        let mut ways = 0;
        loop {
            let at = usize::try_from(request.actor().get() % 32).unwrap() - usize::from(FIRST);
            match self.worlds[at].consider(&request) {
                Ok(Reply::Answer(answer)) => return answer,
                Ok(Reply::Statement(statement)) => return statement.answer,
                Err(_) if ways == 2 => return Answer::refused(&request, ShardId(0), Refusal::Busy),
                Err(actor) => {
                    ways += 1;
                    self.confirm(at);
                    request.wallet = Some(actor).filter(|actor| *actor != wallet(band));
                }
            }
        }
    }

    fn expected(&mut self, band: u8, request: &Request) -> Said {
        let id = request.id.get();
        let home = self.model[side(band)].entry(band).or_default();
        if let Command::Pair { wallet: to, .. } = &request.command {
            if let Some(known) = home.ids.get(&id) {
                return (u8::from(known.code != 0), known.code);
            }
            if let Some(of) = home.given {
                return self.given_away(band, of, request);
            }
            if *to == wallet(band) {
                return (2, Refusal::SameWallet.number());
            }
            let code = if home.open { 15 } else { 0 };
            if code == 0 {
                home.given = u8::try_from((to.get() - BASE - u64::from(FIRST)) / 32).ok();
            }
            home.ids.insert(id, Known { code, stands: true });
            return (u8::from(code != 0), code);
        }
        let here = home.ids.contains_key(&id) && request.command != Command::Balance;
        match home.given.filter(|_| !here) {
            None => own(home, band, band, request),
            Some(of) => self.given_away(band, of, request),
        }
    }

    /// The wallet that a band was given to answers for it, once it has taken it.
    fn given_away(&mut self, band: u8, of: u8, request: &Request) -> Said {
        let actor = self.model[side(of)].entry(of).or_default();
        if !actor.tags.contains_key(&band) {
            return (2, Refusal::Busy.number());
        }
        own(actor, of, band, request)
    }

    fn ask(&mut self, band: u8, request: &Request, late: bool) {
        let mut addressed = request.clone();
        if !late {
            self.routes.resolve(&mut addressed);
        }
        let expected = self.expected(band, &addressed);
        let answer = self.answer(band, &addressed);
        assert_eq!(class_and_code(answer.verdict), expected, "band {band}: {request:?}");
        self.seen.insert(expected);
        let again = self.answer(band, &addressed);
        assert_eq!(again, answer, "asked again: {request:?}");
        self.compare_with_first(band, request, answer);
    }

    /// L4: whatever happened meanwhile, a retry gets all of the first answer.
    fn compare_with_first(&mut self, band: u8, request: &Request, answer: Answer) {
        let key = (band, request.id.get(), request.command.number());
        if let Some(first) = self.firsts.get(&key) {
            assert_eq!(answer, *first, "band {band}: {request:?}");
            let holders = self.model.iter().flat_map(Side::values);
            let replaced = holders.into_iter().any(|holder| holder.tags.get(&band) == Some(&May::Rest));
            self.retried[0] += 1;
            self.retried[1] += usize::from(replaced);
        } else if matches!(answer.verdict, Verdict::Applied(_) | Verdict::Declined(_)) {
            self.firsts.insert(key, answer);
        }
    }

    fn fresh(&mut self, band: u8, command: Command, late: bool) {
        self.counter += 1;
        let request = request(&self.worlds[0], self.counter, band, command);
        self.asked.push((band, request.clone()));
        self.ask(band, &request, late);
    }

    /// An old request: once more, or given up if that says something about bands.
    fn again(&mut self, of: usize, cancel: bool, late: bool) {
        let Some(index) = self.asked.len().checked_sub(1 + of % 16) else { return };
        let (band, mut request) = self.asked[index].clone();
        let about_bands =
            matches!(request.command, Command::Pair { .. } | Command::BlockTag | Command::UnblockTag);
        if cancel && about_bands {
            request.command = Command::Cancel;
            request.content = self.worlds[0].keys.content(&request);
        }
        self.ask(band, &request, late);
    }

    /// A request that its device gave up before it came.
    fn straggler(&mut self, band: u8, command: Command, late: bool) {
        self.counter += 1;
        let later = request(&self.worlds[0], self.counter, band, command);
        let early = request(&self.worlds[0], self.counter, band, Command::Cancel);
        self.ask(band, &early, late);
        self.asked.push((band, later));
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { band, what, late } => {
                let command = what.command();
                self.fresh(*band, command, *late);
            }
            Step::Again { of, cancel, late } => self.again(*of, *cancel, *late),
            Step::Straggler { band, what, late } => self.straggler(*band, what.command(), *late),
            Step::Confirm(side) => self.confirm(*side),
            Step::Crash(side) => self.crash(*side),
            Step::Deliver(from, to, most) => drop(self.deliver(*from, *to, *most)),
        }
    }

    /// Until nothing is on its way; then every band is of at most one wallet, and the model's.
    fn settle(&mut self) {
        for _ in 0..10 {
            (0..2).for_each(|side| self.confirm(side));
            for (from, to) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                self.deliver(from, to, usize::MAX);
            }
        }
        for band in 0..BANDS {
            let actor = self.model[side(band)].get(&band).cloned().unwrap_or_default();
            let given =
                self.worlds[side(band)].state.given_tag(tag(band).number).map(|pairing| pairing.wallet);
            assert_eq!(given, actor.given.map(wallet), "band {band}");
            let balances = self.worlds[side(band)].state.balances(wallet(band));
            assert_eq!(balances.map_or(0, |balances| balances.total()), actor.balance, "band {band}");
            let owners = (0..BANDS).filter(|of| {
                let holder = self.model[side(*of)].get(of);
                *of != band && holder.is_some_and(|holder| holder.tags.contains_key(&band))
            });
            let owners: Vec<_> = owners.collect();
            assert_eq!(owners, actor.given.into_iter().collect::<Vec<_>>(), "band {band}");
        }
    }

    fn check_histories(&self) {
        let mut auditor = Auditor::new(&[]);
        for world in &self.worlds {
            crate::audit::audit(&mut auditor, world);
            let again = &mut |state: &ShardState, record: &Record| {
                crate::programs::check_decided_again(state, record, &world.history);
            };
            assert_eq!(world.replayed(again).digest(), world.state.digest(), "L6");
        }
        let findings = auditor.finish().findings;
        let broken: Vec<_> = findings.iter().filter(|found| found.rule != Rule::Missing).collect();
        assert!(broken.is_empty(), "{broken:#?}");
    }
}

const BANDS: u8 = 8;

#[derive(Clone, Debug)]
enum What {
    Open,
    Cash,
    Buy,
    Block,
    Unblock,
    Balance,
    Pair(u8, Option<u8>),
}

impl What {
    fn command(&self) -> Command {
        match self {
            Self::Open => Command::Open,
            Self::Cash => world::cash(700),
            Self::Buy => match world::buy(1, 1) {
                Command::Purchase { lines, amount, .. } => {
                    Command::Purchase { lines, amount, confirmed: true }
                }
                other => other,
            },
            Self::Block => Command::BlockTag,
            Self::Unblock => Command::UnblockTag,
            Self::Balance => Command::Balance,
            Self::Pair(of, replaces) => {
                Command::Pair { wallet: wallet(*of), replaces: replaces.map(|band| tag(band).number) }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Ask { band: u8, what: What, late: bool },
    Again { of: usize, cancel: bool, late: bool },
    Straggler { band: u8, what: What, late: bool },
    Confirm(usize),
    Crash(usize),
    Deliver(usize, usize, usize),
}

fn whats() -> impl Strategy<Value = What> {
    prop_oneof![
        2 => Just(What::Open),
        2 => Just(What::Cash),
        3 => Just(What::Buy),
        1 => Just(What::Block),
        1 => Just(What::Unblock),
        2 => Just(What::Balance),
        6 => (0..BANDS, proptest::option::weighted(0.4, 0..BANDS)).prop_map(|(of, old)| What::Pair(of, old)),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..BANDS, whats(), any::<bool>()).prop_map(|(band, what, late)| Step::Ask { band, what, late }),
        8 => (any::<usize>(), any::<bool>(), any::<bool>())
            .prop_map(|(of, cancel, late)| Step::Again { of, cancel, late }),
        1 => (0..BANDS, whats(), any::<bool>())
            .prop_map(|(band, what, late)| Step::Straggler { band, what, late }),
        3 => (0_usize..2).prop_map(Step::Confirm),
        1 => (0_usize..2).prop_map(Step::Crash),
        5 => (0_usize..2, 0_usize..2, 1_usize..4).prop_map(|(from, to, most)| Step::Deliver(from, to, most)),
    ]
}

/// Bands 0 and 1 open with some money; the others come as they may.
fn begun() -> Run {
    let mut run = Run::new();
    for band in [0, 1] {
        run.fresh(band, Command::Open, false);
        run.fresh(band, world::cash(5_000), false);
    }
    run
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    /// Of all orders, crashes and missing entries none gives a band to two wallets, charges a wallet for a band
    /// that is not its own, or answers an id in two ways.
    #[test]
    fn bands_do_what_the_naive_model_says(steps in proptest::collection::vec(steps(), 0..120)) {
        let mut run = begun();
        for step in &steps {
            run.step(step);
        }
        run.settle();
        run.check_histories();
    }
}

/// A model test that never meets a race proves nothing.
#[test]
fn programs_of_bands_reach_every_end() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let programs = proptest::collection::vec(proptest::collection::vec(steps(), 120), 60);
    let (mut all, mut lost, mut retried) = (BTreeSet::new(), 0, [0; 2]);
    for program in programs.new_tree(&mut runner).unwrap().current() {
        let mut run = begun();
        for step in &program {
            run.step(step);
        }
        run.settle();
        all.append(&mut run.seen);
        lost += run.lost;
        (0..2).for_each(|of| retried[of] += run.retried[of]);
    }
    let declines = [1, 5, 6, 7, 8, 15, 28].map(|code| (1, code));
    let others = [DONE, (0, 5), (2, 68), (2, 74), (4, 128), (9, 0), (9, 13), (9, 26)];
    let missing: Vec<_> = declines.iter().chain(&others).filter(|said| !all.contains(said)).collect();
    assert!(missing.is_empty(), "never seen (class, code; class 9 is a message): {missing:?}");
    assert!(lost > 100, "{lost} records lost by crashes");
    assert!(retried[0] > 500 && retried[1] > 0, "{retried:?} retries, those through a replaced band");
}
