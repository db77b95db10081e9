//! Owns: the specification's state machine held against the client, cell by cell: each event that the table names is
//! made to happen in each state that it names, with every code that the event stands for, and the client must be in the
//! next state that the cell says and have sent what it says.
//! Must never: have a table of its own: states, events, codes and what follows are read from the document.
//! Laws: L4 as the specification promises it to a barman.

use wire::codes::Again;
use wire::{Answer, Command, Decline, Fault, FromTerminal, Notice, Position, Refusal, push_answers};

use super::terminal::{Bench, sale, terminal};
use crate::client::ClientError;
use crate::client::terminal::Terminal;

const SPEC: &str = include_str!("../../../../gateway/wire/SPEC.md");
const MS: u64 = 1_000_000;

/// What a cell says whose next state is a person's, not the client's: the client tells its caller `Undecided` and is
/// free for the next guest.
const A_PERSONS: &str = "a person decides";

/// A code that no version of the specification has given a meaning yet.
const OF_LATER: u16 = 127;

/// Head and rows of the table.
fn table() -> (Vec<&'static str>, Vec<Vec<&'static str>>) {
    let section = SPEC.split("## 13. The terminal's state machine").nth(1).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with('|'));
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let mut rows: Vec<_> = lines.take_while(|line| line.starts_with('|')).map(cells).collect();
    let head = rows.remove(0);
    rows.remove(0);
    (head, rows)
}

/// The refusals that an event names after its first words: "busy, late or internal".
fn named(event: &str, first: &str) -> Vec<u16> {
    let Some(names) = event.strip_prefix(first) else { return vec![] };
    let number = |name: &str| {
        let found = Refusal::ALL.iter().find(|code| code.info().name == name);
        found.unwrap_or_else(|| panic!("the specification names a code {name:?} that there is not")).number()
    };
    names.replace(" or ", ", ").split(", ").map(number).collect()
}

/// Refusals that section 7 puts into this class.
fn of(again: Again) -> Vec<u16> {
    let all = Refusal::ALL.iter().filter(|code| code.info().again == again);
    all.map(|code| code.number()).collect()
}

/// The codes that an event stands for; a single 0 where it has none.
fn codes(event: &str, rows: &[Vec<&str>]) -> Vec<u16> {
    match event {
        "declined" => Decline::ALL.iter().map(|code| code.number()).collect(),
        "refused: useless" => of(Again::Useless),
        "any other fault" => {
            let named: Vec<_> = rows.iter().flat_map(|row| named(row[0], "fault ")).collect();
            let others = Refusal::ALL.iter().map(|code| code.number()).filter(|code| !named.contains(code));
            others.chain([OF_LATER]).collect()
        }
        _ if event.starts_with("refused: ") => named(event, "refused: "),
        _ if event.starts_with("fault ") => named(event, "fault "),
        _ => vec![0],
    }
}

/// What a terminal on a line of its own looks like from outside.
struct Till {
    bench: Bench,
    stopped: bool,
    sent: Vec<String>,
    asked: Vec<u8>,
}

impl Till {
    /// One that is in this state.
    fn in_state(state: &str) -> Self {
        let mut till =
            Self { bench: Bench::new(terminal(1, None)), stopped: false, sent: vec![], asked: vec![] };
        match state {
            "offline" => {}
            "ready" => till.bench.connect(),
            "waiting" => till.wait(),
            "resending" => {
                till.wait();
                till.bench.terminal.disconnected();
            }
            "giving up" => {
                till.wait();
                till.give_up();
                till.listen();
            }
            "stopped" => {
                till.bench.connect();
                till.fault(Refusal::Unauthenticated.number());
            }
            other => panic!("the specification names a state {other:?} that this test does not know"),
        }
        assert_eq!(till.state(), state);
        till.sent.clear();
        till
    }

    fn wait(&mut self) {
        self.bench.connect();
        assert!(self.bench.terminal.ask(self.bench.now, sale).is_some());
        self.asked = self.bench.terminal.unsettled().next().unwrap().2.to_vec();
        self.listen();
    }

    fn give_up(&mut self) {
        let id = self.bench.terminal.unsettled().next().unwrap().0;
        self.bench.terminal.give_up(id);
    }

    fn state(&self) -> &'static str {
        let terminal = &self.bench.terminal;
        match (self.stopped, terminal.undecided(), terminal.is_giving_up()) {
            (true, ..) => "stopped",
            (_, 0, _) if terminal.is_ready() => "ready",
            (_, 0, _) => "offline",
            (.., true) => "giving up",
            _ if terminal.is_ready() || terminal.owed() > 0 => "waiting",
            _ => "resending",
        }
    }

    /// Takes down what the terminal sends now: commands, "the same" for the very bytes asked before, pings.
    fn listen(&mut self) {
        self.bench.out.clear();
        self.bench.terminal.fill(self.bench.now, &mut self.bench.out).unwrap();
        self.tick();
    }

    fn tick(&mut self) -> bool {
        let alive = self.bench.terminal.tick(self.bench.now, &mut self.bench.out);
        let bytes = std::mem::take(&mut self.bench.out);
        let mut rest = bytes.as_slice();
        while let Some(frame) = wire::split_frame(rest).unwrap() {
            rest = &rest[frame.size()..];
            match FromTerminal::parse(&frame).unwrap() {
                FromTerminal::Requests(requests) => {
                    for request in requests {
                        self.sent.push(request.unwrap().command().name().to_owned());
                    }
                    if !self.asked.is_empty() && frame.body == self.asked {
                        self.sent.push("the same request".to_owned());
                    }
                }
                FromTerminal::Ping(_) => self.sent.push("ping".to_owned()),
                FromTerminal::Hello(_) | FromTerminal::Goodbye | FromTerminal::Fetch(_) => {}
            }
        }
        alive
    }

    fn hear(&mut self, bytes: &[u8]) {
        match self.bench.hear(bytes) {
            Ok(_) => {}
            Err(ClientError::Refused { .. }) => self.stopped = true,
            Err(error) => panic!("{error}"),
        }
    }

    /// An answer to what is asked at present.
    fn answer(&mut self, answer: impl FnOnce(wire::RequestId, u8) -> Answer) {
        let id = self.bench.terminal.unsettled().next().unwrap().0;
        let command = if self.bench.terminal.is_giving_up() { Command::Cancel } else { Command::Purchase };
        self.answer_to(answer(id, command.number()));
    }

    fn answer_to(&mut self, answer: Answer) {
        let mut bytes = vec![];
        push_answers(&mut bytes, &[answer]).unwrap();
        self.hear(&bytes);
    }

    /// The request's own answer, while its cancel is out.
    fn own_answer(&mut self, answer: impl FnOnce(wire::RequestId, u8) -> Answer) {
        let id = self.bench.terminal.unsettled().next().unwrap().0;
        self.answer_to(answer(id, Command::Purchase.number()));
    }

    fn fault(&mut self, code: u16) {
        let mut bytes = vec![];
        Fault { code, text: "" }.push(&mut bytes).unwrap();
        self.hear(&bytes);
        // Whoever owns the socket closes it after a fault.
        self.bench.terminal.disconnected();
    }

    fn notice(&mut self, notice: Notice) {
        let mut bytes = vec![];
        notice.push(&mut bytes).unwrap();
        self.hear(&bytes);
    }

    fn welcome(&mut self) {
        let asked = std::mem::take(&mut self.bench.out);
        drop(asked);
        self.bench.terminal.disconnected();
        self.bench.out.clear();
        self.bench.terminal.connected(self.bench.now, &mut self.bench.out).unwrap();
        let mut bytes = vec![];
        self.bench.server.welcome().push(&mut bytes).unwrap();
        self.hear(&bytes);
    }

    /// Off and on again: what the durable store holds is all that is left.
    fn power_cycle(&mut self) {
        let giving_up = self.bench.terminal.is_giving_up();
        let stored: Vec<Vec<u8>> =
            self.bench.terminal.unsettled().map(|(_, _, bytes)| bytes.to_vec()).collect();
        let counter = self.bench.terminal.counter();
        let device = self.bench.terminal.device();
        let mut fresh = Terminal::new(*self.bench.terminal.habits(), device, counter);
        for bytes in stored {
            assert!(fresh.restore(self.bench.now, 77, &bytes).is_some());
        }
        self.bench.terminal = fresh;
        if giving_up {
            self.give_up();
        }
    }

    /// What is asked at present is refused; those that are worth a second try come in time for it.
    fn refuse(&mut self, code: u16) {
        let refusal = Refusal::from_u16(code).unwrap();
        let busy = refusal == Refusal::Busy;
        self.answer(|id, command| match refusal {
            Refusal::Busy => Answer::busy(id, command, 3),
            _ => Answer::refused(id, command, refusal),
        });
        self.bench.now += if busy { 4 * MS } else { 10_000 * MS };
        self.tick();
    }

    /// Lets an event happen, with this code where it has one.
    fn happens(&mut self, event: &str, code: u16) {
        let position = Position::new(1, 9).unwrap();
        match event {
            "welcome" => self.welcome(),
            "sale confirmed, band tapped" => {
                // As the swarm does: a till without a connection is not asked for sales.
                if self.bench.terminal.is_ready() && self.bench.terminal.ask(self.bench.now, sale).is_some() {
                    self.asked = self.bench.terminal.unsettled().next().unwrap().2.to_vec();
                }
            }
            "applied" => self.own_answer(|id, command| Answer::applied(id, command, position, 5)),
            "declined" => {
                let no = Decline::from_u16(code).unwrap();
                self.own_answer(|id, command| Answer::declined(id, command, no, position, 5));
            }
            _ if event.starts_with("refused: ") => self.refuse(code),
            "unknown" => {
                self.answer(Answer::unknown);
                self.bench.now += 10_000 * MS;
                self.tick();
            }
            "cancel answered applied" => self.answer(|id, command| Answer {
                code: Decline::Cancelled.number(),
                ..Answer::applied(id, command, position, 5)
            }),
            "cancel answered declined" => {
                self.answer(|id, command| Answer::declined(id, command, Decline::TopUpSpent, position, 5));
            }
            "barman gives up, or too long" => self.give_up(),
            "connection lost" => self.bench.terminal.disconnected(),
            "notice: new configuration" => self.notice(Notice::Configuration(2)),
            "notice: going away" => self.notice(Notice::GoingAway),
            _ if event.starts_with("fault ") || event == "any other fault" => self.fault(code),
            "power lost and back" => self.power_cycle(),
            "20 s quiet" => {
                self.bench.now += 20_001 * MS;
                self.tick();
            }
            "nothing 10 s after a ping" => {
                self.bench.now += 20_001 * MS;
                self.tick();
                self.bench.now += 10_001 * MS;
                if !self.tick() {
                    self.bench.terminal.disconnected();
                }
            }
            other => panic!("the specification names an event {other:?} that this test does not know"),
        }
        self.listen();
    }
}

/// The state that a cell leads to: after its last arrow, or where another event's row says.
fn next(cell: &str, state: &'static str, rows: &[Vec<&'static str>], column: usize) -> String {
    if let Some((_, to)) = cell.rsplit_once("-> ") {
        return to.trim_end_matches('.').to_owned();
    }
    let same_as = rows.iter().find(|row| cell != "-" && row[0] == cell);
    // "The first copy sent: ... -> ready. An earlier copy unanswered: ..." says the usual way first.
    same_as.map_or_else(|| state.to_owned(), |row| next(row[column], state, rows, column))
}

/// A cell: what is to follow when an event happens in a state.
struct Cell<'a> {
    event: &'static str,
    state: &'static str,
    says: &'static str,
    column: usize,
    rows: &'a [Vec<&'static str>],
}

impl Cell<'_> {
    /// The event happens, and the client does what the cell says.
    fn try_with(&self, code: u16) {
        let Self { event, state, says, column, rows } = *self;
        let mut till = Till::in_state(state);
        till.happens(event, code);
        let usual = says.split(". An earlier copy").next().unwrap();
        let persons = usual.contains(A_PERSONS);
        let expected = if persons { "ready".to_owned() } else { next(usual, state, rows, column) };
        let at = format!("{event:?} with {code} while {state}: {says}; sent {:?}", till.sent);
        assert_eq!(till.state(), expected, "{at}");
        let sends = |words: &str, what: &str| {
            if usual.split('/').next_back().is_some_and(|then| then.contains(words)) {
                assert!(till.sent.iter().any(|sent| sent == what), "{what} was not sent: {at}");
            }
        };
        if state != "resending" && event != "connection lost" && !event.starts_with("power") {
            sends("cancel with the same id", "cancel");
            sends("the same cancel", "cancel");
            sends("then the request", "purchase");
            sends("ping", "ping");
        }
        sends("the same request", "the same request");
        if usual.contains("/ nothing") {
            assert_eq!(till.sent, Vec::<String>::new(), "{at}");
        }
    }
}

/// What a barman is told in writing must be what the machine in his hand does: the table was only checked for holes.
#[test]
fn the_client_does_what_each_cell_of_the_table_says() {
    let (head, rows) = table();
    assert_eq!((head.len(), head[0]), (7, "event"));
    let mut tried = 0;
    for row in &rows {
        for (column, (state, says)) in head.iter().zip(row).enumerate().skip(1) {
            // A stopped terminal waits for a technician; nothing of ours runs there.
            if *says == "-" || *state == "stopped" {
                continue;
            }
            let cell = Cell { event: row[0], state, says, column, rows: &rows };
            let codes = codes(row[0], &rows);
            assert!(!codes.is_empty(), "{} has no code", row[0]);
            for code in codes {
                cell.try_with(code);
            }
            tried += 1;
        }
    }
    assert!(tried >= 40, "only {tried} cells were tried");
}

/// A terminal that was revoked connected again every five seconds for the rest of the festival, as the table told its
/// maker; and one that found no row for a code would have shown the barman nothing.
#[test]
fn every_refusal_has_one_row_as_an_answer_and_one_as_a_fault() {
    let (_, rows) = table();
    for kind in ["refused: ", "fault"] {
        let events = rows.iter().map(|row| row[0]).filter(|event| match kind {
            "fault" => event.starts_with("fault ") || *event == "any other fault",
            _ => event.starts_with(kind),
        });
        let mut found: Vec<u16> = events.flat_map(|event| codes(event, &rows)).collect();
        found.retain(|code| *code != OF_LATER);
        found.sort_unstable();
        assert!(found.into_iter().eq(Refusal::ALL.iter().map(|code| code.number())), "{kind}");
    }
    let mut same_id: Vec<u16> = rows
        .iter()
        .filter(|row| row[0] != "refused: useless")
        .flat_map(|row| named(row[0], "refused: "))
        .collect();
    same_id.sort_unstable();
    assert_eq!(same_id, of(Again::SameId), "section 7 says of others that the same id may be sent again");
}

/// The other half of a refusal that ends it: an earlier copy may have taken effect.
#[test]
fn a_refusal_that_settles_is_looked_up_for_a_second_copy() {
    let (_, rows) = table();
    let settles = |row: &&Vec<&str>| row[3].contains("An earlier copy unanswered: / lookup");
    let mut tried = 0;
    for event in rows.iter().filter(settles).map(|row| row[0]) {
        for code in codes(event, &rows) {
            let mut till = Till::in_state("waiting");
            till.happens("connection lost", 0);
            till.happens("welcome", 0);
            assert_eq!(till.sent.last().map(String::as_str), Some("the same request"));
            till.happens(event, code);
            assert_eq!(till.sent.last().map(String::as_str), Some("lookup"), "{event} with {code}");
            assert_eq!(till.state(), "waiting");
            tried += 1;
        }
    }
    assert_eq!(tried, Refusal::ALL.len() - 3);
}
