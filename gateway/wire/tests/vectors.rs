//! Owns: the law that the crate writes the test vectors of SPEC.md byte for byte, and reads them back. The hex in the
//! document was made without the crate.
//! Must never: derive a vector from the document.
//! Laws: L4 (ids on the wire), L12 (the broken frame).

#![allow(clippy::unwrap_used, clippy::panic)]

mod document;

use document::vectors;
use wire::{
    Answer, Class, Command, ConnectionLimits, Decline, Fault, Fetch, Flags, FrameKind, FromServer,
    FromTerminal, Hello, Interval, Line, Movement, Name, Notice, Own, OwnItem, Position, Read, Refusal,
    Request, RequestId, RequestsWriter, Roles, ScheduledPrice, Slice, Tender, Uid, Welcome, What, WireError,
    push_answers, push_empty, push_statement, split_frame,
};

const EVENING: i64 = 1_782_928_800_000_000;

fn id(counter: u64) -> RequestId {
    RequestId::new(4711, counter).unwrap()
}

fn uid() -> Uid {
    Uid::new(&[0x04, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6]).unwrap()
}

/// The first ten bytes of the SHA-256 of `TICKET-0001`.
fn ticket() -> Name {
    Name::ticket([0xb4, 0x3a, 0x95, 0xa2, 0xc1, 0x9a, 0x97, 0xb6, 0x28, 0x98])
}

fn at(number: u64) -> Position {
    Position::new(5, number).unwrap()
}

fn waiting(request: Request<'_>) -> Request<'_> {
    Request { wait_ms: 8000, ..request }
}

fn frame(requests: &[Request<'_>]) -> Vec<u8> {
    let mut out = vec![];
    let mut frame = RequestsWriter::begin(&mut out);
    assert!(requests.iter().all(|request| frame.push(&waiting(*request))));
    frame.finish().unwrap();
    out
}

fn answers(answers: &[Answer]) -> Vec<u8> {
    let mut out = vec![];
    push_answers(&mut out, answers).unwrap();
    out
}

fn empty(kind: FrameKind, cookie: u64) -> Vec<u8> {
    let mut out = vec![];
    push_empty(&mut out, kind, cookie);
    out
}

fn pushed(push: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>) -> Vec<u8> {
    let mut out = vec![];
    push(&mut out).unwrap();
    out
}

fn welcome() -> Vec<u8> {
    let welcome = Welcome {
        version: 1,
        roles: Roles::SELL.and(Roles::TOP_UP),
        configuration: 4,
        server_time: EVENING,
        incarnation: 2,
        highest_counter: 999,
        ledger: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        till: 12,
        limits: ConnectionLimits::default(),
        currency: 978,
        exponent: 2,
    };
    pushed(|out| welcome.push(out))
}

/// The requests of the vectors; `None` when the name is of another kind.
fn of_terminal(name: &str) -> Option<Vec<u8>> {
    let beer = Line { item: 101, quantity: 2, unit_price: 650 };
    let pretzel = Line { item: 205, quantity: 1, unit_price: 400 };
    let one = [Line { quantity: 1, ..beer }];
    let small = Uid::new(&[0xde, 0xad, 0xbe, 0xef]).unwrap();
    let hello = Hello { configuration: 3, incarnation: 2, ..Hello::new(7, 4711) };
    let at_till = |request| Request { till: 12, ..request };
    Some(match name {
        "hello" => pushed(|out| hello.push(out)),
        "open_wallet" => frame(&[Request::open_wallet(id(1000), uid())]),
        "top_up" => {
            let request = at_till(Request::top_up(id(1001), uid(), 5000, Tender::Cash));
            frame(&[Request { happened: EVENING + 250_000, ..request }])
        }
        "purchase" => {
            let lines = [beer, pretzel];
            let request = at_till(Request::purchase(id(1002), uid(), &lines));
            frame(&[Request { flags: Flags::CONFIRM, zone: 3, ..request }])
        }
        "void" => frame(&[at_till(Request::void(id(1003), uid(), id(1002), 31))]),
        "balance" => frame(&[Request::balance(id(1004), uid())]),
        "cancel" => frame(&[Request::cancel(id(1002), uid())]),
        "transfer" => frame(&[at_till(Request::transfer(id(1009), uid(), small, 1500))]),
        "authorise" => frame(&[at_till(Request::authorise(id(1013), uid(), 5000, 7200))]),
        "capture" => frame(&[at_till(Request::capture(id(1014), uid(), id(1013), &[beer, pretzel]))]),
        "release_hold" => frame(&[at_till(Request::release_hold(id(1015), uid(), id(1013)))]),
        "set_allowance" => {
            let request = Request::set_allowance(id(1011), uid(), small, (2000, 500), 31);
            frame(&[at_till(request)])
        }
        "pay_out" => frame(&[at_till(Request::pay_out(id(1010), 21, 250_000, 31))]),
        "stage_configuration" => {
            let part = [0x01, 0x05, 0x03, 0x46, 0x61, 0x6e];
            frame(&[at_till(Request::stage(id(1015), 5, 0, &part))])
        }
        "adopt_configuration" => {
            let hash = std::array::from_fn(|at| 0xa0 + u8::try_from(at).unwrap());
            frame(&[at_till(Request::adopt(id(1016), 5, 2, hash))])
        }
        "fetch" => pushed(|out| Fetch { version: 0, offset: 0, what: What::Own.number() }.push(out)),
        "cancel of a pay_out" => frame(&[Request::of_office(Command::Cancel, id(1010), 21)]),
        "pair" => frame(&[Request::pair(id(1010), small, ticket(), Some(uid().into()), 31)]),
        "pair of a further band" => frame(&[Request::pair(id(1011), small, ticket(), None, 31)]),
        "block_tag" => frame(&[Request::block_tag(id(1012), uid(), 31)]),
        "unblock_tag" => frame(&[Request::unblock_tag(id(1013), uid(), 31)]),
        "open_wallet from a ticket" => frame(&[Request::open_wallet(id(1014), ticket())]),
        "lookup" => frame(&[Request::lookup(id(1002), uid())]),
        "batch" => {
            frame(&[at_till(Request::purchase(id(1005), uid(), &one)), Request::balance(id(1006), small)])
        }
        "malformed batch" => {
            let balance = |counter| Request::balance(id(counter), uid());
            let mut bytes = frame(&[balance(1006), balance(1007), balance(1008)]);
            let (second, third) = (16 + 72, 16 + 2 * 72);
            bytes[second + 16..second + 27].copy_from_slice(&[5, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0]);
            bytes[third + 2] = 99;
            bytes
        }
        "broken frame" => {
            let mut bytes = frame(&[Request::balance(id(1006), uid())]);
            bytes[16] = 71;
            bytes
        }
        "ping" => empty(FrameKind::Ping, 0x1122_3344_5566_7788),
        "goodbye of the terminal" => empty(FrameKind::Goodbye, 0),
        _ => return None,
    })
}

fn own() -> Own {
    const HOUR: i64 = 3_600_000_000;
    let lager = OwnItem {
        id: 101,
        price: 650,
        vat: 2_000,
        stopped: false,
        name: "Lager".into(),
        scheduled: vec![ScheduledPrice { from: EVENING + HOUR, price: 700 }],
    };
    Own {
        version: 5,
        festival: 7,
        currency: 978,
        exponent: 2,
        standing: 0,
        marks: Own::TRANSFERS,
        cut_over_hour: 6,
        roles: Roles::SELL,
        zone: 3,
        till: 12,
        vendor: 21,
        balance_cap: 25_000,
        top_up_min: 100,
        top_up_max: 15_000,
        largest_amount: 50_000,
        looks_repeated_seconds: 20,
        most_hold_seconds: 3_600,
        festival_name: "Lakeside".into(),
        vendor_name: "Bar Nord".into(),
        till_name: "Bar Nord 1".into(),
        hours: vec![Interval { from: EVENING - HOUR, until: EVENING + 7 * HOUR }],
        vendor_hours: vec![],
        offsets: vec![(EVENING - 24 * HOUR, 7_200)],
        items: vec![lager],
    }
}

/// A terminal that read half of its prices would charge the wrong ones: what is cut short is not read.
#[test]
fn what_concerns_a_device_is_read_back_whole_or_not_at_all() {
    let bytes = own().encode();
    assert_eq!(Own::decode(&bytes), Some(own()));
    assert!((0..bytes.len()).all(|cut| Own::decode(&bytes[..cut]).is_none()));
    let newer = [&bytes[..], &[7; 9]].concat();
    assert_eq!(Own::decode(&newer), Some(own()), "a newer server says more");
}

/// Bytes of two versions put together are no configuration at all.
#[test]
fn a_slice_of_another_version_is_empty() {
    let whole = vec![7; 70_000];
    let fetch = |version, offset| Fetch { version, offset, what: What::Whole.number() };
    let lengths = [(0, 0), (5, 32_768), (5, 65_536), (5, 70_000), (5, u32::MAX), (4, 32_768)]
        .map(|(version, offset)| Slice::of(&fetch(version, offset), 5, &whole).bytes.len());
    assert_eq!(lengths, [32_768, 32_768, 4_464, 0, 0, 0]);
}

fn of_server(name: &str) -> Option<Vec<u8>> {
    let (purchase, balance, cancel, lookup) = (3, 5, 6, 7);
    let paid = Answer::applied(id(1002), purchase, at(70_000), 3300);
    let broke = WireError::RequestLength { index: 0, at: 0, length: 71, left: 72, min: 72, max: 4096 };
    let applied = |counter, position, balance| {
        let class = Class::Applied;
        Movement { id: id(counter), class, code: 0, position, balance }
    };
    Some(match name {
        "welcome" => welcome(),
        "answer applied" => answers(&[paid]),
        "answer declined" => {
            let why = Decline::InsufficientFunds;
            answers(&[Answer::declined(id(1002), purchase, why, at(70_000), 1250)])
        }
        "answer refused" => answers(&[Answer::busy(id(1002), purchase, 250)]),
        "answer unknown" => answers(&[Answer::unknown(id(1002), purchase)]),
        "answer read" => answers(&[Answer::read(id(1002), lookup, Read::NeverSeen, Position::NONE, 0)]),
        "answer cancelled" => {
            let code = Decline::Cancelled.number();
            answers(&[Answer { code, ..Answer::applied(id(1002), cancel, at(70_003), 5000) }])
        }
        "answers" => answers(&[
            Answer::refused(id(1006), balance, Refusal::UnknownTag),
            Answer::applied(id(1005), purchase, at(70_000), 2650),
        ]),
        "statement" => {
            let answer = Answer::read(id(1004), balance, Read::Balance, Position::NONE, 3300);
            let movements = [applied(1002, at(70_000), 3300), applied(1001, at(69_990), 5000)];
            pushed(|out| push_statement(out, &answer, &movements))
        }
        "malformed batch answers" => answers(&[
            Answer::refused(id(1007), balance, Refusal::Malformed),
            Answer::refused(id(1008), 99, Refusal::Unsupported),
        ]),
        "configuration" => {
            let whole = own().encode();
            let fetch = Fetch { version: 0, offset: 0, what: What::Own.number() };
            pushed(|out| Slice::of(&fetch, 5, &whole).push(out))
        }
        "configuration refused" => {
            let fetch = Fetch { version: 0, offset: 0, what: What::Whole.number() };
            pushed(|out| Slice::refused(&fetch, Refusal::NotYourRole).push(out))
        }
        "fault" => pushed(|out| Fault::new(broke.refusal(), &broke.to_string()).push(out)),
        "pong" => empty(FrameKind::Pong, 0x1122_3344_5566_7788),
        "notice configuration" => pushed(|out| Notice::Configuration(5).push(out)),
        "notice going away" => pushed(|out| Notice::GoingAway.push(out)),
        "goodbye of the server" => empty(FrameKind::ServerGoodbye, 0),
        _ => return None,
    })
}

#[test]
fn the_crate_writes_the_vectors_of_the_document() {
    let all = vectors();
    assert_eq!(all.len(), 45, "a vector was added or lost");
    for (name, hex) in all {
        let bytes =
            of_terminal(name).or_else(|| of_server(name)).unwrap_or_else(|| panic!("unknown vector {name}"));
        assert_eq!(hex, bytes, "{name}");
    }
}

#[test]
fn the_crate_reads_the_vectors_of_the_document() {
    for (name, hex) in vectors() {
        let frame = split_frame(&hex).unwrap().unwrap();
        assert_eq!(frame.size(), hex.len(), "{name}");
        if of_terminal(name).is_none() {
            assert!(FromServer::parse(&frame).is_ok(), "{name}");
            continue;
        }
        let read = FromTerminal::parse(&frame);
        match (name, read) {
            ("broken frame", read) => assert_eq!(read.unwrap_err().refusal(), Refusal::Malformed),
            ("malformed batch", Ok(FromTerminal::Requests(all))) => {
                let all: Vec<_> =
                    all.map(|item| item.map_err(|bad| (bad.id, bad.command, bad.why.refusal()))).collect();
                assert!(all[0].is_ok());
                assert_eq!(all[1], Err((id(1007), 5, Refusal::Malformed)));
                assert_eq!(all[2], Err((id(1008), 99, Refusal::Unsupported)));
            }
            (_, Ok(FromTerminal::Requests(all))) => assert!(all.flatten().count() > 0, "{name}"),
            (_, read) => assert!(read.is_ok(), "{name}"),
        }
    }
}
