//! The suite every store passes, whatever it is made of: order, confirmed before readable, chain,
//! withdrawal, death, look-ups, several doors, reopening. Public, so that stores and wrappers of
//! other crates run the same laws. It panics nowhere; it says which law broke, and how.

use super::{Event, FetchError, Journal, Lookup, ReplayError, SubmitError};
use crate::block::{Draft, HEADER_BYTES, Head};
use crate::ids::{At, Epoch, LedgerId, RecordNumber, ShardId};
use crate::money::Currency;
use crate::record::{Body, Envelope, Prologue, Record};

/// A store under test.
pub trait Subject {
    /// Another door.
    fn port(&mut self) -> Box<dyn Journal>;
    /// Lets the store do all it has to do: writes, look-ups.
    fn run(&mut self);
    /// Ends the store's life by a failure.
    fn end(&mut self);
    /// Opens it anew, after its end or in the middle of its life.
    fn reopen(&mut self) -> Result<(), String>;
    /// Reads it back: the heads, and the sealed bytes of each block visited.
    fn replay(&self, only: Option<ShardId>) -> Result<(Vec<Head>, Vec<Vec<u8>>), ReplayError>;
}

/// The ledger all test blocks belong to.
pub const LEDGER: LedgerId = LedgerId([0xfa; 16]);

type Verdict = Result<(), String>;
type Law = (&'static str, fn(&mut dyn Subject) -> Verdict);

const LAWS: &[Law] = &[
    ("blocks of a shard are confirmed in order and read back byte for byte", order),
    ("nothing is read before it is confirmed", confirmed_before_readable),
    ("a block that does not continue its shard is refused alone", chain),
    ("of two blocks on one head one is stored", two_on_one_head),
    ("a withdrawn block is never stored", withdraw),
    ("a dropped door takes its blocks along", dropped_door),
    ("each door hears of its own blocks", doors),
    ("every confirmed record is found by its position", lookups),
    ("a dead store says so once and nothing afterwards", death),
    ("a reopened store goes on where it ended", reopening),
];

/// Runs every law on a fresh store of its own.
pub fn check(make: &mut dyn FnMut() -> Box<dyn Subject>) -> Result<(), String> {
    for (law, holds) in LAWS {
        holds(&mut *make()).map_err(|how| format!("{law}: {how}"))?;
    }
    Ok(())
}

macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}

/// A block of `records` records on `head`; `fill` bytes of ballast in each tell blocks apart.
pub fn draft(shard: u16, head: Head, records: u32, fill: u16) -> Box<Draft> {
    let mut draft = Box::new(Draft::new(LEDGER, ShardId(shard), Epoch(1)));
    refill(&mut draft, head, records, fill);
    draft
}

/// The same, into a draft that came back.
pub fn refill(draft: &mut Draft, head: Head, records: u32, fill: u16) {
    let base = At(1_000);
    draft.begin(Prologue {
        base,
        configuration: None,
        catalogue: None,
        policy: None,
        currency: Currency::EUR,
    });
    draft.place(head);
    let shared = crate::ids::Version::new(1);
    for number in (head.next_record.0..).take(records as usize) {
        let body = match shared {
            Some(version) if fill > 0 => Body::ConfigurationStaged {
                version,
                part: fill,
                bytes: vec![number.to_le_bytes()[0]; fill.into()],
            },
            _ => Body::EpochOpened { epoch: Epoch(1) },
        };
        let at = At(base.0 + i64::try_from(number).unwrap_or(i64::MAX - 1_000));
        draft.push(&Record::fact(at, Envelope::default(), body));
    }
}

/// The bytes a store keeps of a draft.
pub fn sealed(draft: &Draft) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + draft.payload().len());
    bytes.extend_from_slice(&draft.seal().to_bytes());
    bytes.extend_from_slice(draft.payload());
    bytes
}

fn submit(port: &mut dyn Journal, draft: Box<Draft>) -> Verdict {
    port.submit(draft).map_err(|error| format!("submit: {error}"))
}

fn events(port: &mut dyn Journal) -> Vec<Event> {
    let mut events = Vec::new();
    port.events(&mut events);
    events
}

/// Commits, lets the store work, and gives what happened.
fn settle(subject: &mut dyn Subject, port: &mut dyn Journal, eager: bool) -> Vec<Event> {
    port.commit(eager);
    subject.run();
    events(port)
}

fn replayed(subject: &dyn Subject) -> Result<(Vec<Head>, Vec<Vec<u8>>), String> {
    subject.replay(None).map_err(|error| error.to_string())
}

fn only_confirmed(events: &[Event]) -> Result<(Head, ShardId), String> {
    match events {
        [Event::Confirmed { head, draft }] => Ok((*head, draft.shard())),
        other => Err(format!("expected one confirmed block, got {other:?}")),
    }
}

fn order(subject: &mut dyn Subject) -> Verdict {
    const SHARDS: u16 = 5;
    let mut port = subject.port();
    let mut heads = [Head::default(); SHARDS as usize];
    let mut expected: Vec<Vec<Vec<u8>>> = vec![Vec::new(); SHARDS.into()];
    for round in 0..30_u16 {
        for shard in 0..SHARDS {
            let draft = draft(shard, heads[usize::from(shard)], 1 + u32::from(round % 4), round * 90 * shard);
            expected[usize::from(shard)].push(sealed(&draft));
            submit(&mut *port, draft)?;
        }
        let events = settle(subject, &mut *port, round % 2 == 0);
        ensure!(
            events.len() == usize::from(SHARDS),
            "round {round}: {} events for {SHARDS} blocks",
            events.len()
        );
        for event in events {
            let Event::Confirmed { head, draft } = event else {
                return Err(format!("round {round}: {event:?}"));
            };
            let shard = usize::from(draft.shard().0);
            ensure!(head == draft.seal().head(), "the head is not that of the block that came back");
            ensure!(head.next_seq == heads[shard].next_seq + 1, "shard {shard} jumped to {}", head.next_seq);
            heads[shard] = head;
        }
    }
    let (read, blocks) = replayed(subject)?;
    ensure!(read == heads, "heads read back differ");
    for shard in 0..SHARDS {
        let of = |bytes: &&Vec<u8>| bytes[18..20] == shard.to_le_bytes();
        let mine: Vec<_> = blocks.iter().filter(of).cloned().collect();
        ensure!(mine == expected[usize::from(shard)], "shard {shard} was read back differently");
        let (alone, only) = subject.replay(Some(ShardId(shard))).map_err(|error| error.to_string())?;
        ensure!(only == mine, "shard {shard} alone was read back differently");
        ensure!(alone.get(usize::from(shard)) == read.get(usize::from(shard)), "head of shard {shard} alone");
    }
    Ok(())
}

fn confirmed_before_readable(subject: &mut dyn Subject) -> Verdict {
    let mut port = subject.port();
    submit(&mut *port, draft(0, Head::default(), 2, 0))?;
    ensure!(events(&mut *port).is_empty(), "an event although nothing was committed");
    ensure!(replayed(subject)?.1.is_empty(), "a submitted block can be read");
    let (head, _) = only_confirmed(&settle(subject, &mut *port, true))?;
    let (heads, blocks) = replayed(subject)?;
    ensure!(heads == [head] && blocks.len() == 1, "a confirmed block cannot be read");
    Ok(())
}

fn chain(subject: &mut dyn Subject) -> Verdict {
    let mut port = subject.port();
    submit(&mut *port, draft(1, Head::default(), 3, 0))?;
    let (head, _) = only_confirmed(&settle(subject, &mut *port, true))?;
    let wrong = [
        Head { next_seq: head.next_seq + 1, ..head },
        Head { next_seq: 0, ..head },
        Head { hash: [1; 32], ..head },
        Head { next_record: head.next_record.next(), ..head },
    ];
    for (case, wrong) in wrong.into_iter().enumerate() {
        submit(&mut *port, draft(1, wrong, 1, 0))?;
        let events = settle(subject, &mut *port, true);
        let fenced = matches!(events[..], [Event::Fenced { shard: ShardId(1) }]);
        ensure!(fenced, "case {case}: expected fenced, got {events:?}");
    }
    submit(&mut *port, draft(1, wrong[2], 1, 0))?;
    submit(&mut *port, draft(2, Head::default(), 1, 0))?;
    let events = settle(subject, &mut *port, true);
    let neighbour =
        events.iter().any(|event| matches!(event, Event::Confirmed { draft, .. } if draft.shard().0 == 2));
    ensure!(neighbour && events.len() == 2, "a refused block took its neighbour along: {events:?}");
    submit(&mut *port, draft(1, head, 1, 0))?;
    only_confirmed(&settle(subject, &mut *port, true))?;
    ensure!(replayed(subject)?.1.len() == 3, "refused blocks were stored");
    Ok(())
}

fn two_on_one_head(subject: &mut dyn Subject) -> Verdict {
    let (mut one, mut other) = (subject.port(), subject.port());
    submit(&mut *one, draft(4, Head::default(), 1, 10))?;
    submit(&mut *other, draft(4, Head::default(), 1, 20))?;
    one.commit(true);
    other.commit(true);
    subject.run();
    only_confirmed(&events(&mut *one))?;
    let events = events(&mut *other);
    ensure!(matches!(events[..], [Event::Fenced { .. }]), "the second of two got {events:?}");
    ensure!(replayed(subject)?.1.len() == 1, "both were stored");
    Ok(())
}

fn withdraw(subject: &mut dyn Subject) -> Verdict {
    let mut port = subject.port();
    submit(&mut *port, draft(0, Head::default(), 1, 1))?;
    submit(&mut *port, draft(1, Head::default(), 1, 1))?;
    ensure!(!port.withdraw(ShardId(0)), "a block nobody began to write was half-way");
    ensure!(!port.withdraw(ShardId(7)), "a shard without a block had one half-way");
    let (_, shard) = only_confirmed(&settle(subject, &mut *port, true))?;
    ensure!(shard == ShardId(1), "the wrong shard was withdrawn");
    submit(&mut *port, draft(0, Head::default(), 1, 2))?;
    only_confirmed(&settle(subject, &mut *port, false))?;
    ensure!(replayed(subject)?.1.len() == 2, "a withdrawn block was stored");
    Ok(())
}

fn dropped_door(subject: &mut dyn Subject) -> Verdict {
    let (mut first, mut second) = (subject.port(), subject.port());
    submit(&mut *first, draft(0, Head::default(), 1, 1))?;
    drop(first);
    submit(&mut *second, draft(0, Head::default(), 1, 2))?;
    only_confirmed(&settle(subject, &mut *second, true))?;
    ensure!(replayed(subject)?.1.len() == 1, "the block of a dropped door was stored");
    Ok(())
}

fn doors(subject: &mut dyn Subject) -> Verdict {
    let mut ports: Vec<_> = (0..4).map(|_| subject.port()).collect();
    for (shard, port) in (0..).zip(&mut ports) {
        submit(&mut **port, draft(shard, Head::default(), 1, shard))?;
    }
    ports[2].commit(true);
    subject.run();
    for (shard, port) in (0..).zip(&mut ports) {
        let (_, confirmed) = only_confirmed(&settle(subject, &mut **port, false))?;
        ensure!(confirmed == ShardId(shard), "door {shard} heard of shard {confirmed}");
        ensure!(port.room() > 0, "no room in a store with room");
    }
    Ok(())
}

fn lookups(subject: &mut dyn Subject) -> Verdict {
    let mut port = subject.port();
    let mut heads = [Head::default(); 2];
    for round in 0..40_u16 {
        for shard in 0..2_u16 {
            let head = heads[usize::from(shard)];
            submit(&mut *port, draft(shard, head, 3, if round % 8 == 0 { 9_000 } else { 300 }))?;
            heads[usize::from(shard)] = only_confirmed(&settle(subject, &mut *port, true))?.0;
        }
    }
    for number in (0..120).map(RecordNumber) {
        for shard in [ShardId(0), ShardId(1)] {
            port.fetch(Lookup { shard, number, token: number.0 });
            subject.run();
            let events = events(&mut *port);
            let [Event::Fetched { lookup, record: Ok(record) }] = &events[..] else {
                return Err(format!("record {number} of shard {shard}: {events:?}"));
            };
            let right = lookup.token == number.0 && record.at.0 == 1_000 + number.0.cast_signed();
            ensure!(right, "asked for record {number} of shard {shard}, got {record:?}");
        }
    }
    for (shard, number) in [(0, 120), (1, u64::MAX), (9, 0)] {
        port.fetch(Lookup { shard: ShardId(shard), number: RecordNumber(number), token: 1 });
        subject.run();
        let events = events(&mut *port);
        let none = matches!(&events[..], [Event::Fetched { record: Err(FetchError::NoSuchRecord), .. }]);
        ensure!(none, "record {number} of shard {shard} does not exist: {events:?}");
    }
    Ok(())
}

fn death(subject: &mut dyn Subject) -> Verdict {
    let (mut port, mut idle) = (subject.port(), subject.port());
    submit(&mut *port, draft(0, Head::default(), 1, 1))?;
    subject.end();
    for port in [&mut port, &mut idle] {
        let events = events(&mut **port);
        ensure!(matches!(events[..], [Event::Dead { .. }]), "expected one end, got {events:?}");
    }
    let refused = port.submit(draft(0, Head::default(), 1, 1));
    ensure!(matches!(refused, Err(SubmitError::Dead(_))), "a dead store took a block");
    port.fetch(Lookup { shard: ShardId(0), number: RecordNumber(0), token: 1 });
    let events = settle(subject, &mut *port, true);
    ensure!(events.is_empty(), "a dead store reported {events:?}");
    subject.reopen()?;
    ensure!(replayed(subject)?.1.is_empty(), "a block nobody committed was stored");
    Ok(())
}

fn reopening(subject: &mut dyn Subject) -> Verdict {
    let mut head = Head::default();
    for life in 0..4_u16 {
        let mut port = subject.port();
        for round in 0..20 {
            submit(&mut *port, draft(3, head, 2, life * 1_000 + round))?;
            head = only_confirmed(&settle(subject, &mut *port, round % 3 != 0))?.0;
        }
        let before = replayed(subject)?;
        if life % 2 == 0 {
            subject.end();
        }
        drop(port);
        subject.reopen()?;
        ensure!(replayed(subject)? == before, "life {life}: it was read back differently");
        ensure!(before.0.get(3) == Some(&head), "life {life}: the head is not the last one confirmed");
    }
    Ok(())
}
