//! The judge can fail: traces that break the order, each in its own way, and those that keep it.

use std::fmt::Write as _;

use wire::{Answer, Position, RequestId};

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

fn block() -> String {
    hex(&[&[1, 2, 3][..], &id().raw().to_le_bytes(), &[9]].concat())
}

fn write() -> String {
    format!("10 pwrite64({LOG}, \"{}\", 12, 4096) = 12", block())
}

fn flush() -> String {
    format!("10 fdatasync({LOG}) = 0")
}

fn send() -> String {
    let bytes = answer();
    format!("11 sendto(9<socket:[77]>, \"{}\", {}, 0, NULL, 0) = {}", hex(&bytes), bytes.len(), bytes.len())
}

fn judged(lines: &[String]) -> Judge {
    let mut judge = Judge::new(10);
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
    assert!(judge.answered.contains(&id()));
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
