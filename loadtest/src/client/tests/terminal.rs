//! Owns: the state machine's tests: scripts for each rule of the specification, and thousands of erratic runs whose
//! end must agree with the server's books.
//! Must never: look into the server's books before the terminal has said what it believes.
//! Laws: L4: nobody pays twice, and "paid" is shown for nothing else.

use std::collections::BTreeMap;

use wire::codes::DONE;
use wire::{Answer, Class, Command, Fault, Line, Position, Refusal, Request, RequestId, Uid, push_answers};

use super::fake::{Fake, Fate, Mood};
use crate::client::terminal::{Habits, Settled, Terminal};
use crate::client::{ClientError, Ending};

const MS: u64 = 1_000_000;
const LINES: [Line; 1] = [Line { item: 1, quantity: 1, unit_price: 650 }];

fn uid() -> Uid {
    Uid::new(&[4, 3, 2, 1]).unwrap()
}

pub(super) fn terminal(in_flight: usize, give_up_ns: Option<u64>) -> Terminal {
    Terminal::new(Habits { festival: 1, in_flight, give_up_ns }, 9, 1)
}

#[expect(clippy::unnecessary_wraps, reason = "what `ask` takes")]
pub(super) fn sale(id: RequestId, till: u32) -> Option<(Request<'static>, u64)> {
    Some((Request { till, ..Request::purchase(id, uid(), &LINES) }, 77))
}

/// How a request ended: ending, class, code.
type End = (Ending, Class, u16);

/// A terminal, a server, and the line between them.
pub(super) struct Bench {
    pub(super) terminal: Terminal,
    pub(super) server: Fake,
    pub(super) now: u64,
    ends: BTreeMap<RequestId, End>,
    /// Answers to requests whose cancels or look-ups were out.
    overheard: Vec<(RequestId, Class)>,
    pub(super) out: Vec<u8>,
}

impl Bench {
    pub(super) fn new(terminal: Terminal) -> Self {
        let (ends, overheard) = (BTreeMap::new(), vec![]);
        Self { terminal, server: Fake::new(), now: 0, ends, overheard, out: vec![] }
    }

    fn online(terminal: Terminal) -> Self {
        let mut bench = Self::new(terminal);
        bench.connect();
        bench
    }

    pub(super) fn connect(&mut self) {
        self.out.clear();
        self.terminal.connected(self.now, &mut self.out).unwrap();
        assert!(self.exchange(|| Mood::Answer));
        assert!(self.terminal.is_ready());
    }

    fn ask(&mut self) -> RequestId {
        self.terminal.ask(self.now, sale).unwrap()
    }

    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        let (ends, overheard) = (&mut self.ends, &mut self.overheard);
        let tell = |settled: &Settled<'_>| {
            if settled.ending == Ending::Overheard {
                return overheard.push((settled.id, settled.answer.class));
            }
            let end = (settled.ending, settled.answer.class, settled.answer.code);
            assert_eq!(ends.insert(settled.id, end), None, "{} settled twice", settled.id);
            assert_eq!(settled.token, 77);
        };
        self.terminal.received(self.now, bytes, tell)
    }

    /// Sends what is due and hears the replies, in one go; false when the connection broke.
    fn exchange(&mut self, mood: impl FnMut() -> Mood) -> bool {
        assert!(self.terminal.tick(self.now, &mut self.out));
        self.terminal.fill(self.now, &mut self.out).unwrap();
        let mut back = vec![];
        let alive = self.server.read(&std::mem::take(&mut self.out), &mut back, mood);
        self.hear(&back).unwrap();
        if !alive {
            self.terminal.disconnected();
        }
        alive
    }

    fn round(&mut self, mood: Mood) -> bool {
        self.exchange(|| mood)
    }

    fn later(&mut self, ms: u64) {
        self.now += ms * MS;
    }
}

#[test]
fn a_sale_is_paid_when_it_is_applied() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    assert!(!bench.terminal.has_room());
    assert_eq!(bench.terminal.ask(0, sale), None);
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id], (Ending::Answered, Class::Applied, DONE));
    assert_eq!((bench.terminal.undecided(), bench.terminal.owed(), bench.terminal.counter()), (0, 0, 2));
}

/// A new id here would be a second charge.
#[test]
fn after_a_lost_answer_the_same_id_is_sent_again_and_gets_its_first_answer() {
    for mood in [Mood::DecideAndBreak, Mood::BreakInAnswer, Mood::BreakFirst] {
        let mut bench = Bench::online(terminal(1, None));
        let id = bench.ask();
        assert!(!bench.round(mood));
        assert!(bench.ends.is_empty());
        bench.connect();
        bench.round(Mood::Answer);
        assert_eq!(bench.ends[&id], (Ending::Answered, Class::Applied, DONE), "{mood:?}");
        assert_eq!(bench.server.applied[&id], 1);
        assert_eq!(bench.server.seen, [(id, Command::Purchase); 2]);
    }
}

#[test]
fn what_was_asked_while_offline_leaves_after_the_welcome_oldest_first() {
    let mut bench = Bench::new(terminal(4, None));
    let ids = [bench.ask(), bench.ask(), bench.ask()];
    bench.connect();
    bench.round(Mood::Answer);
    assert_eq!(bench.server.seen.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids);
}

#[test]
fn busy_is_obeyed_to_the_millisecond() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    bench.round(Mood::Busy);
    bench.later(2);
    bench.round(Mood::Answer);
    assert_eq!(bench.server.seen.len(), 1);
    bench.later(1);
    bench.round(Mood::Answer);
    assert_eq!((bench.server.seen.len(), bench.ends[&id].1), (2, Class::Applied));
}

#[test]
fn pauses_double_and_end_at_the_longest() {
    let mut bench = Bench::online(terminal(1, None));
    bench.ask();
    let mut pauses = vec![];
    for _ in 0..8 {
        bench.round(Mood::UnknownIdle);
        let (seen, before) = (bench.server.seen.len(), bench.now);
        while bench.server.seen.len() == seen {
            bench.later(100);
            bench.round(Mood::UnknownIdle);
        }
        pauses.push((bench.now - before) / MS);
    }
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
}

#[test]
fn a_decline_is_the_end() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    bench.round(Mood::Decline);
    assert_eq!(bench.ends[&id], (Ending::Answered, Class::Declined, 1));
}

#[test]
fn a_useless_refusal_ends_a_request_that_was_sent_once() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    bench.round(Mood::Useless);
    assert_eq!(bench.ends[&id], (Ending::Answered, Class::Refused, Refusal::UnknownTag.number()));
    assert_eq!(bench.server.seen, [(id, Command::Purchase)]);
}

/// The barman would say "not possible" to a guest who has paid.
#[test]
fn a_useless_refusal_after_a_lost_answer_is_looked_up() {
    for (lost, ending) in [
        (Mood::DecideAndBreak, (Ending::Answered, Class::Applied, DONE)),
        (Mood::UnknownDecided, (Ending::Answered, Class::Applied, DONE)),
        // Never seen closes nothing: the id is burned.
        (Mood::UnknownIdle, (Ending::Cancelled, Class::Applied, 5)),
        (Mood::BreakFirst, (Ending::Cancelled, Class::Applied, 5)),
    ] {
        let mut bench = Bench::online(terminal(1, None));
        let id = bench.ask();
        if !bench.round(lost) {
            bench.connect();
        }
        bench.later(100);
        bench.round(Mood::Useless);
        bench.round(Mood::Answer);
        bench.round(Mood::Answer);
        assert_eq!(bench.ends[&id], ending, "{lost:?}");
        assert_eq!(bench.server.seen[2], (id, Command::Lookup), "{lost:?}");
    }
}

#[test]
fn giving_up_cancels_until_the_cancel_is_answered() {
    let mut bench = Bench::online(terminal(1, Some(1000 * MS)));
    let id = bench.ask();
    bench.round(Mood::UnknownDecided);
    bench.later(1000);
    assert!(!bench.round(Mood::BreakFirst));
    bench.connect();
    bench.round(Mood::Busy);
    bench.later(3);
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id], (Ending::Cancelled, Class::Applied, 4));
    let commands: Vec<_> = bench.server.seen.iter().map(|(_, command)| *command).collect();
    assert_eq!(commands, [Command::Purchase, Command::Cancel, Command::Cancel, Command::Cancel]);
}

#[test]
fn a_cancel_that_is_declined_says_that_the_sale_stands() {
    let mut bench = Bench::online(terminal(1, None));
    bench.server.spent = true;
    let id = bench.ask();
    bench.round(Mood::UnknownDecided);
    bench.terminal.give_up(id);
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id], (Ending::Stands, Class::Declined, 10));
}

/// The answer to the request must not be shown as "paid" while its cancel is out.
#[test]
fn the_requests_own_answer_does_not_count_once_its_cancel_is_out() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    bench.terminal.fill(0, &mut bench.out).unwrap();
    bench.terminal.give_up(id);
    bench.terminal.fill(0, &mut bench.out).unwrap();
    assert_eq!(bench.terminal.owed(), 2);
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id].0, Ending::Cancelled);
    assert_eq!((bench.terminal.owed(), bench.terminal.undecided()), (0, 0));
    // But it was said: a server that loses it after that must not pass for one that never had it.
    assert_eq!(bench.overheard, [(id, Class::Applied)]);
}

#[test]
fn a_request_that_fails_five_times_is_cancelled() {
    let mut bench = Bench::online(terminal(1, None));
    let id = bench.ask();
    for _ in 0..5 {
        bench.round(Mood::Internal);
        bench.later(5000);
    }
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id], (Ending::Cancelled, Class::Applied, 5));
}

#[test]
fn a_balance_is_read_and_never_cancelled() {
    let mut bench = Bench::online(terminal(1, Some(MS)));
    let id = bench.terminal.ask(0, |id, _| Some((Request::balance(id, uid()), 77))).unwrap();
    bench.later(10);
    bench.terminal.give_up(id);
    bench.round(Mood::Answer);
    assert_eq!(bench.ends[&id], (Ending::Answered, Class::Read, 128));
    assert_eq!(bench.server.seen, [(id, Command::Balance)]);
}

#[test]
fn counters_start_above_what_the_server_has_seen() {
    let mut bench = Bench::new(terminal(1, None));
    bench.server.highest_counter = 500;
    bench.connect();
    assert_eq!(bench.ask().counter(), 501);
}

#[test]
fn a_stored_request_is_taken_up_after_a_restart() {
    let mut bench = Bench::online(terminal(2, None));
    let id = bench.ask();
    bench.round(Mood::UnknownDecided);
    let stored: Vec<_> =
        bench.terminal.unsettled().map(|(id, token, bytes)| (id, token, bytes.to_vec())).collect();
    assert_eq!((stored.len(), stored[0].0), (1, id));

    let mut fresh = terminal(2, None);
    assert_eq!(fresh.restore(0, stored[0].1, &stored[0].2), Some(stored[0].0));
    assert_eq!(fresh.restore(0, stored[0].1, &stored[0].2), None, "twice");
    assert_eq!(fresh.restore(0, 0, &stored[0].2[..40]), None);
    assert_eq!(fresh.counter(), 2);
    bench.terminal = fresh;
    bench.connect();
    bench.round(Mood::Answer);
    assert_eq!((bench.ends[&id].1, bench.server.applied[&id]), (Class::Applied, 1));
}

#[test]
fn the_limits_of_the_welcome_hold() {
    let mut bench = Bench::new(terminal(8, None));
    bench.server.in_flight = 3;
    bench.server.frame_requests = 2;
    bench.connect();
    for _ in 0..8 {
        bench.ask();
    }
    bench.terminal.fill(0, &mut bench.out).unwrap();
    assert_eq!(bench.terminal.owed(), 3);
    while bench.ends.len() < 8 {
        bench.round(Mood::Answer);
    }
}

#[test]
fn a_quiet_terminal_pings_and_a_silent_server_is_left() {
    let mut bench = Bench::online(terminal(1, None));
    bench.later(20_001);
    assert!(bench.terminal.tick(bench.now, &mut bench.out));
    assert_eq!(bench.out.len(), 16);
    bench.exchange(|| Mood::Answer);
    bench.later(20_001);
    assert!(bench.terminal.tick(bench.now, &mut bench.out));
    bench.out.clear();
    bench.later(10_000);
    assert!(bench.terminal.tick(bench.now, &mut bench.out));
    bench.later(1);
    assert!(!bench.terminal.tick(bench.now, &mut bench.out));
}

#[test]
fn an_answer_that_cannot_be_is_told() {
    let id = RequestId::new(9, 1).unwrap();
    let (sale, cancel) = (Command::Purchase.number(), Command::Cancel.number());
    let place = Position::new(1, 1).unwrap();
    let applied = Answer::applied(id, sale, place, 0);
    let insane = [
        Answer { code: 4, ..applied },
        Answer { come_back_ms: 5, ..applied },
        Answer { class: Class::Read, code: 128, ..applied },
    ];
    let unasked = [
        Answer { id: RequestId::new(9, 2).unwrap(), ..applied },
        Answer { id: RequestId::new(8, 1).unwrap(), ..applied },
        Answer { command: cancel, ..applied },
        Answer { command: 99, ..applied },
    ];
    for (answer, is_insane) in insane.map(|a| (a, true)).into_iter().chain(unasked.map(|a| (a, false))) {
        let mut bench = Bench::online(terminal(1, None));
        bench.ask();
        bench.terminal.fill(0, &mut bench.out).unwrap();
        let mut bytes = vec![];
        push_answers(&mut bytes, &[answer]).unwrap();
        let error = bench.hear(&bytes).unwrap_err();
        assert_eq!(matches!(error, ClientError::Insane { .. }), is_insane, "{error}");
        assert_eq!(matches!(error, ClientError::Unasked { .. }), !is_insane, "{error}");
    }
    // The same answer twice: the second was not owed.
    let mut bench = Bench::online(terminal(1, None));
    bench.ask();
    bench.terminal.fill(0, &mut bench.out).unwrap();
    let mut bytes = vec![];
    push_answers(&mut bytes, &[applied, applied]).unwrap();
    assert!(matches!(bench.hear(&bytes), Err(ClientError::Unasked { .. })));
}

#[test]
fn an_old_server_is_not_spoken_to() {
    let mut bench = Bench::online(terminal(1, None));
    bench.terminal.disconnected();
    bench.terminal.connected(0, &mut bench.out).unwrap();
    let mut bytes = vec![];
    wire::Welcome { incarnation: 0, ..bench.server.welcome() }.push(&mut bytes).unwrap();
    assert_eq!(bench.hear(&bytes), Err(ClientError::OldServer { found: 0, seen: 1 }));
    assert!(!bench.terminal.is_ready());
}

#[test]
fn a_fault_stops_the_terminal_only_when_another_try_does_not_heal_it() {
    for (why, stops) in [(Refusal::Unauthenticated, true), (Refusal::Malformed, true), (Refusal::Busy, false)]
    {
        let mut bench = Bench::online(terminal(1, None));
        let mut bytes = vec![];
        Fault::new(why, "x").push(&mut bytes).unwrap();
        assert_eq!(bench.hear(&bytes).is_err(), stops, "{why:?}");
        assert!(!bench.terminal.is_ready());
    }
}

#[test]
fn nothing_new_leaves_once_the_server_is_going_away() {
    let mut bench = Bench::online(terminal(2, None));
    bench.ask();
    let mut bytes = vec![];
    wire::Notice::GoingAway.push(&mut bytes).unwrap();
    bench.hear(&bytes).unwrap();
    bench.terminal.fill(0, &mut bench.out).unwrap();
    assert!(bench.out.is_empty());
    bench.terminal.disconnected();
    bench.connect();
    bench.round(Mood::Answer);
    assert_eq!(bench.ends.len(), 1);
}

fn any_mood(chance: &mut fastrand::Rng) -> Mood {
    match chance.u8(0..40) {
        0 => Mood::DecideAndBreak,
        1 => Mood::BreakFirst,
        2 => Mood::BreakInAnswer,
        3 => Mood::Busy,
        4 => Mood::Late,
        5 => Mood::Internal,
        6 => Mood::UnknownDecided,
        7 => Mood::UnknownIdle,
        8 => Mood::Useless,
        9..13 => Mood::Decline,
        _ => Mood::Answer,
    }
}

/// A run in which everything may happen; then what the terminal told must be what the server's books say.
fn erratic_run(seed: u64, hits: &mut BTreeMap<(u8, u8), u32>) {
    let mut chance = fastrand::Rng::with_seed(seed);
    let in_flight = chance.usize(1..20);
    let mut bench = Bench::new(terminal(in_flight, chance.bool().then_some(3_000 * MS)));
    bench.server.spent = chance.bool();
    let (mut asked, mut online) = (vec![], false);
    for step in 0..4_000 {
        if asked.len() < 60 {
            asked.extend((0..chance.usize(0..4)).filter_map(|_| bench.terminal.ask(bench.now, sale)));
        } else if bench.terminal.undecided() == 0 {
            break;
        }
        if chance.u8(0..10) == 0 {
            bench.server.decide_stragglers();
        }
        if !online {
            bench.connect();
        }
        if chance.u8(0..5) == 0 {
            // Given up while the request is on its way: its cancel follows it.
            bench.terminal.fill(bench.now, &mut bench.out).unwrap();
            let open: Vec<_> = bench.terminal.unsettled().map(|(id, _, _)| id).collect();
            if let Some(id) = open.get(chance.usize(0..20)) {
                bench.terminal.give_up(*id);
            }
        }
        online = bench.exchange(|| any_mood(&mut chance));
        bench.later(chance.u64(0..300));
        assert!(step < 3_999, "seed {seed}: {} never settled", bench.terminal.undecided());
    }
    bench.server.decide_stragglers();
    assert_eq!(bench.ends.len(), asked.len(), "seed {seed}");
    for (id, (ending, class, code)) in &bench.ends {
        let fate = bench.server.fates.get(id);
        let agrees = match (ending, class, fate) {
            (Ending::Answered, Class::Applied, fate) | (Ending::Stands, _, fate) => {
                fate == Some(&Fate::Applied)
            }
            (Ending::Answered, Class::Declined, Some(Fate::Declined(why))) => why.number() == *code,
            (Ending::Cancelled, class, Some(Fate::Declined(_))) => *class == Class::Applied,
            (Ending::Answered, Class::Refused, fate) => fate.is_none(),
            _ => false,
        };
        *hits.entry((*ending as u8, class.number())).or_default() += 1;
        assert!(agrees, "seed {seed}, {id}: told {ending:?} {class:?} {code}, the books say {fate:?}");
        assert!(
            bench.server.applied.get(id).is_none_or(|times| *times == 1),
            "seed {seed}, {id}: applied twice"
        );
    }
}

#[test]
fn whatever_happens_the_terminal_and_the_books_agree() {
    let mut hits = BTreeMap::new();
    for seed in 0..1_500 {
        erratic_run(seed, &mut hits);
    }
    // Paid, declined, refused; cancelled; stands: a run without one of them shows nothing about it.
    assert!(hits.len() == 5 && hits.values().all(|times| *times >= 100), "{hits:?}");
}
