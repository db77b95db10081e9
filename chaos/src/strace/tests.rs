//! The judge can fail: traces that break the order, each in its own way, and those that keep it.

use std::fmt::Write as _;

use ledger::block::{Draft, Head};
use ledger::ids::{At, Epoch, RecordNumber, ShardId};
use ledger::money::Currency;
use ledger::record::{Body, Envelope, Prologue, Record, Tender};
use wire::{Answer, Class, Command, Decline, Position, RequestId};

use super::judge::Judge;
use super::trace::{self, Call, End, Line};

fn id() -> RequestId {
    RequestId::new(3, 7).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "\\x{byte:02x}").unwrap();
    }
    text
}

const LOG: &str = "5</a/log/000001.seg>";

/// The bytes of a frame with the answer to [`id`].
fn answer() -> Vec<u8> {
    let mut out = Vec::new();
    let answer = Answer::applied(id(), 3, Position::new(1, 2).unwrap(), 100);
    wire::push_answers(&mut out, &[answer]).unwrap();
    out
}

/// A frame as the log writes one: a block with one record.
fn frame(body: Body, request: RequestId) -> Vec<u8> {
    let envelope = Envelope { request: ledger::ids::RequestId::new(request.raw()), ..Envelope::default() };
    let mut draft = Draft::new(crate::world::fixture::LEDGER, ShardId(0), Epoch(1));
    let (base, currency) = (At(0), Currency::EUR);
    draft.begin(Prologue { base, configuration: None, catalogue: None, policy: None, currency });
    draft.push(&Record::fact(At(1), envelope, body));
    draft.place(Head::default());
    let block = [draft.seal().to_bytes().as_slice(), draft.payload()].concat();
    let mut checked = Vec::new();
    checked.extend(1_u32.to_le_bytes());
    checked.extend(u32::try_from(block.len()).unwrap().to_le_bytes());
    checked.extend(0_u32.to_le_bytes());
    for place in [1_u64, 1, 4_096, 1] {
        checked.extend(place.to_le_bytes());
    }
    checked.resize(64 - 12, 0);
    checked.extend(block);
    checked.resize((checked.len() + 12).next_multiple_of(4_096) - 12, 0);
    [b"FANFRAME".as_slice(), &crc32fast::hash(&checked).to_le_bytes(), &checked].concat()
}

/// The record of [`id`] itself.
fn block() -> String {
    hex(&frame(Body::ToppedUp { tender: Tender::Cash, amount: 100 }, id()))
}

fn written(frame: &str) -> String {
    let length = frame.len() / 4;
    format!("10 pwrite64({LOG}, \"{frame}\", {length}, 4096) = {length}")
}

fn write() -> String {
    written(&block())
}

fn flush() -> String {
    format!("10 fdatasync({LOG}) = 0")
}

fn send() -> String {
    let bytes = answer();
    format!("11 sendto(9<socket:[77]>, \"{}\", {}, 0, NULL, 0) = {}", hex(&bytes), bytes.len(), bytes.len())
}

fn judged(lines: &[String]) -> Judge {
    let mut judge = Judge::default();
    for line in lines {
        judge.take(trace::read(line));
    }
    judge
}

#[test]
fn a_written_flushed_and_sent_answer_is_right() {
    let judge = judged(&[write(), flush(), send()]);
    assert_eq!(judge.wrong, Vec::<String>::new());
    assert_eq!((judge.counts.writes, judge.counts.flushes, judge.counts.answers), (1, 1, 1));
    assert!(judge.answered.contains(&(id(), false)));
}

#[test]
fn every_wrong_order_is_named() {
    let failed = |error| format!("10 fdatasync({LOG}) = -1 {error} (Input/output error) (INJECTED)");
    let other = "10 fdatasync(5</a/log/MARK>) = 0".to_owned();
    let began = format!("10 fdatasync({LOG} <unfinished ...>");
    let ended = "10 <... fdatasync resumed>) = 0".to_owned();
    let lost = format!("10 pwrite64({LOG}, \"{}\", 12, 4096) = -1 ENOSPC (No space) (INJECTED)", block());
    let short = format!("10 pwrite64({LOG}, \"{}\", 12, 4096) = 5", block());
    let cases = [
        ("answered first", vec![send(), write(), flush()]),
        ("never flushed", vec![write(), send()]),
        ("flushed before written", vec![flush(), write(), send()]),
        ("another file flushed", vec![write(), other, send()]),
        ("flush still running", vec![write(), began.clone(), send(), ended.clone()]),
        ("flush began before the write", vec![began, write(), ended, send()]),
        ("flush failed", vec![write(), failed("EIO"), send()]),
        ("flushed again after a failure", vec![write(), failed("EIO"), flush(), send()]),
        ("write failed", vec![lost, flush(), send()]),
        ("write cut short", vec![short, flush(), send()]),
    ];
    for (case, lines) in cases {
        assert_eq!(judged(&lines).wrong.len(), 1, "{case}");
    }
    let again = judged(&[write(), failed("EIO"), write(), flush(), send()]);
    assert_eq!((again.wrong.len(), again.counts.injected, again.counts.struck), (0, 1, 1));
}

/// A sale's answer was taken for durable as soon as its void was: the void's record names the sale, and a guest whose
/// sale was lost would have been given its money.
#[test]
fn a_record_that_names_another_request_proves_nothing_of_it() {
    let other = RequestId::new(3, 8).unwrap();
    let sale = ledger::ids::RequestId::new(id().raw()).unwrap();
    let void = frame(Body::Voided { sale, position: Some(RecordNumber(7)) }, other);
    assert_eq!(judged(&[written(&hex(&void)), flush(), send()]).wrong.len(), 1);
    let both = judged(&[written(&hex(&void)), write(), flush(), send()]);
    assert_eq!((both.wrong.len(), both.counts.writes, both.counts.answers), (0, 2, 1));
    // Bytes that hold the id and are no frame, and a frame of which a part was written.
    assert_eq!(judged(&[written(&hex(&id().raw().to_le_bytes())), flush(), send()]).wrong.len(), 1);
    let mut damaged = frame(Body::ToppedUp { tender: Tender::Cash, amount: 100 }, id());
    damaged[200] ^= 1;
    assert_eq!(judged(&[written(&hex(&damaged)), flush(), send()]).wrong.len(), 1);
}

/// A cancel carries the id that it gives up: the request's own record is not what its answer stands on.
#[test]
fn a_cancel_is_answered_from_its_own_record() {
    let told = |code: Decline, class, command: Command| {
        let position = Position::new(1, 2).unwrap();
        let answer =
            Answer { class, code: code.number(), ..Answer::applied(id(), command.number(), position, 0) };
        let mut bytes = Vec::new();
        wire::push_answers(&mut bytes, &[answer]).unwrap();
        format!(
            "11 sendto(9<socket:[77]>, \"{}\", {}, 0, NULL, 0) = {}",
            hex(&bytes),
            bytes.len(),
            bytes.len()
        )
    };
    let cancel = written(&hex(&frame(Body::Cancelled { position: RecordNumber(0) }, id())));
    for (code, class, command) in [
        (Decline::Cancelled, Class::Applied, Command::Cancel),
        (Decline::TopUpSpent, Class::Declined, Command::Cancel),
        (Decline::Cancelled, Class::Declined, Command::TopUp),
    ] {
        let answered = told(code, class, command);
        assert_eq!(judged(&[write(), flush(), answered.clone()]).wrong.len(), 1, "{code:?} {command:?}");
        let right = judged(&[write(), cancel.clone(), flush(), answered]);
        assert_eq!(right.wrong.len(), 0, "{code:?} {command:?}");
    }
    // Of a no there is nothing to take back: the answer is the request's own.
    let was_no = told(Decline::InsufficientFunds, Class::Applied, Command::Cancel);
    assert_eq!(judged(&[write(), flush(), was_no.clone()]).wrong.len(), 0);
    assert_eq!(judged(&[cancel, flush(), was_no]).wrong.len(), 1);
}

#[test]
fn an_answer_in_two_sends_counts_from_its_first_byte() {
    let bytes = answer();
    let (head, tail) = bytes.split_at(20);
    let part = |bytes: &[u8]| {
        format!("11 sendto(9<socket:[77]>, \"{}\", 9, 0, NULL, 0) = {}", hex(bytes), bytes.len())
    };
    assert_eq!(judged(&[write(), part(head), flush(), part(tail)]).wrong.len(), 1);
    assert_eq!(judged(&[write(), flush(), part(head), part(tail)]).wrong.len(), 0);
    // Offered whole, taken in part, and the rest again.
    let taken = format!("11 sendto(9<socket:[77]>, \"{}\", 9, 0, NULL, 0) = 20", hex(&bytes));
    let judge = judged(&[write(), flush(), taken, part(tail)]);
    assert_eq!((judge.wrong.len(), judge.counts.answers), (0, 1));
}

#[test]
fn lines_of_strace_are_read() {
    let call = |name: &str, on: &str, bytes: &[u8], cut| Call {
        name: name.to_owned(),
        on: on.to_owned(),
        bytes: bytes.to_owned(),
        cut,
    };
    let done = |value| End { value, injected: false };
    let cases = [
        (
            r#"7 write(3<\x2f\x61>, "\x41\x42"..., 9) = 9"#,
            Line::Whole(7, call("write", "/a", b"AB", true), done(Some(9))),
        ),
        (
            r#"7 writev(3<socket:[5]>, [{iov_base="\x41", iov_len=1}, {iov_base="\x42", iov_len=1}], 2) = 2"#,
            Line::Whole(7, call("writev", "socket:[5]", b"AB", false), done(Some(2))),
        ),
        ("7 fsync(3</a> <unfinished ...>", Line::Began(7, call("fsync", "/a", b"", false))),
        ("7 <... fsync resumed>)            = ?", Line::Ended(7, done(None))),
        (
            "7 <... fsync resumed>) = -1 EIO (Input/output error) (INJECTED)",
            Line::Ended(7, End { value: None, injected: true }),
        ),
        ("7 +++ exited with 0 +++", Line::Other),
        ("7 --- SIGTERM {si_signo=SIGTERM} ---", Line::Other),
        ("", Line::Other),
    ];
    for (line, expected) in cases {
        assert_eq!(trace::read(line), expected, "{line}");
    }
}
