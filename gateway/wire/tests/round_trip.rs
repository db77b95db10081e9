//! Owns: the law that what one side writes the other reads back, and that received bytes may be cut anywhere.
//! Must never: compare with anything but what was written.
//! Laws: L4 (ids survive the wire), L12.
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Owned, id, request};
use proptest::collection::vec;
use proptest::prelude::*;
use wire::limits::{MAX_DEVICE, MAX_MOVEMENTS, VERSION};
use wire::{
    Answer, Class, ConnectionLimits, Fault, FrameKind, FromServer, FromTerminal, Hello, Movement, NameView,
    Notice, Position, Refusal, Request, RequestView, RequestsWriter, Roles, Tail, Welcome, WireError,
    push_answers, push_empty, push_statement, split_frame,
};

fn same(view: &RequestView<'_>, sent: &Request<'_>) {
    assert_eq!(view.command(), sent.command);
    assert_eq!((view.flags(), view.wait_ms(), view.id()), (sent.flags, sent.wait_ms, sent.id));
    let office = match sent.tail {
        Tail::Stage { version, part, bytes } => {
            assert_eq!(view.staging(), Some((version, part, bytes)));
            Some(0)
        }
        Tail::Adopt { version, parts, hash } => {
            assert_eq!(view.order(), Some((version, parts, hash)));
            Some(0)
        }
        _ => sent.office,
    };
    assert_eq!((view.owned_name(), view.office()), (sent.name, office));
    let uid = sent.name.map(|name| name.uid());
    assert_eq!(view.uid(), uid.as_ref().map_or(&[][..], wire::Uid::as_bytes));
    assert_eq!(view.uid_field(), uid.map_or([0; 10], |uid| uid.padded()));
    let (other, replaces) = match sent.tail {
        Tail::None | Tail::Stage { .. } | Tail::Adopt { .. } => (None, None),
        Tail::Payee(payee) => (Some(payee), None),
        Tail::Pair { wallet, replaces } => (Some(wallet), replaces),
        Tail::Allowance { child, .. } => (Some(child), None),
    };
    assert_eq!(view.other().and_then(NameView::to_owned), other);
    assert_eq!(view.replaces().and_then(NameView::to_owned), replaces);
    let mark = if let Tail::Allowance { mark, .. } = sent.tail { mark } else { 0 };
    assert_eq!(view.mark(), mark);
    assert_eq!((view.till(), view.happened(), view.amount()), (sent.till, sent.happened, sent.amount));
    assert_eq!((view.target(), view.tag_counter()), (sent.target, sent.tag_counter));
    assert_eq!((view.operator(), view.zone(), view.tender()), (sent.operator, sent.zone, sent.tender));
    assert_eq!(view.seconds(), sent.seconds);
    assert_eq!(view.lines().collect::<Vec<_>>(), sent.lines);
    assert_eq!(view.line_count(), sent.lines.len());
    let total: i128 = sent.lines.iter().map(|l| i128::from(l.quantity) * i128::from(l.unit_price)).sum();
    assert_eq!(i128::from(view.lines_total()), total);
}

fn frame_of(requests: &[Owned]) -> Vec<u8> {
    let mut bytes = vec![];
    let mut frame = RequestsWriter::begin(&mut bytes);
    for request in requests {
        assert!(frame.push(&request.borrow()));
    }
    frame.finish().unwrap();
    bytes
}

fn class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

fn answer() -> impl Strategy<Value = Answer> {
    (id(), any::<u8>(), class(), any::<u16>(), any::<u32>(), any::<u64>(), any::<i64>()).prop_map(
        |(id, command, class, code, come_back_ms, position, balance)| Answer {
            id,
            command,
            class,
            code,
            come_back_ms,
            position: Position::from_raw(position),
            balance,
        },
    )
}

fn movement() -> impl Strategy<Value = Movement> {
    answer().prop_map(|a| Movement {
        id: a.id,
        class: a.class,
        code: a.code,
        position: a.position,
        balance: a.balance,
    })
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let small = any::<(u16, u32, u32, u16, u8)>();
    let limits = any::<(u32, u32, u16, u16, u16)>();
    (small, limits, any::<(i64, u64, u64)>(), any::<[u8; 16]>()).prop_map(
        |(
            (roles, configuration, till, currency, exponent),
            limits,
            (server_time, incarnation, counter),
            ledger,
        )| {
            let (body, in_flight, frame_requests, idle_seconds, frame_seconds) = limits;
            Welcome {
                version: VERSION,
                roles: Roles(roles),
                configuration,
                server_time,
                incarnation,
                highest_counter: counter,
                ledger,
                till,
                limits: ConnectionLimits { body, in_flight, frame_requests, idle_seconds, frame_seconds },
                currency,
                exponent,
            }
        },
    )
}

/// Everything both sides can say, as it is read: what a cut or a merge of packets must not change.
fn read_all(bytes: &[u8]) -> Vec<String> {
    let (mut rest, mut said) = (bytes, vec![]);
    while let Some(frame) = split_frame(rest).unwrap() {
        said.push(if frame.header.kind.from_terminal() {
            format!("{:?}", FromTerminal::parse(&frame))
        } else {
            format!("{:?}", FromServer::parse(&frame))
        });
        rest = &rest[frame.size()..];
    }
    assert!(rest.is_empty());
    said
}

proptest! {
    #[test]
    fn requests_come_back_as_they_were_sent(sent in vec(request(), 0..8)) {
        let bytes = frame_of(&sent);
        let frame = split_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!(frame.size(), bytes.len());
        let Ok(FromTerminal::Requests(views)) = FromTerminal::parse(&frame) else { panic!("not requests") };
        prop_assert_eq!(views.len(), sent.len());
        for (view, sent) in views.zip(&sent) {
            same(&view.unwrap(), &sent.borrow());
        }
    }

    #[test]
    fn answers_come_back_as_they_were_sent(sent in vec(answer(), 0..40)) {
        let mut bytes = vec![];
        push_answers(&mut bytes, &sent).unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        let Ok(FromServer::Answers(got)) = FromServer::parse(&frame) else { panic!("not answers") };
        prop_assert_eq!(got.map(Result::unwrap).collect::<Vec<_>>(), sent);
    }

    #[test]
    fn a_statement_comes_back_as_it_was_sent(answer in answer(), movements in vec(movement(), 0..12)) {
        let mut bytes = vec![];
        push_statement(&mut bytes, &answer, &movements).unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        let Ok(FromServer::Statement(got)) = FromServer::parse(&frame) else { panic!("not a statement") };
        prop_assert_eq!(got.answer, answer);
        let kept = &movements[..movements.len().min(usize::from(MAX_MOVEMENTS))];
        prop_assert_eq!(got.movements().collect::<Vec<_>>(), kept);
    }

    #[test]
    fn hello_comes_back_as_it_was_sent(
        version in 1..=u16::MAX, festival: u16, device in 1..=MAX_DEVICE, configuration: u32, incarnation: u64,
    ) {
        let hello = Hello { version, festival, device, configuration, incarnation };
        let mut bytes = vec![];
        hello.push(&mut bytes).unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!(Hello::parse(frame.body), Ok(hello));
    }

    #[test]
    fn welcome_comes_back_as_it_was_sent(welcome in welcome()) {
        let mut bytes = vec![];
        welcome.push(&mut bytes).unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        prop_assert_eq!(Welcome::parse(frame.body), Ok(welcome));
    }

    #[test]
    fn a_fault_says_its_text_in_printable_ascii(text in ".{0,300}") {
        let mut bytes = vec![];
        Fault::new(Refusal::Internal, &text).push(&mut bytes).unwrap();
        let frame = split_frame(&bytes).unwrap().unwrap();
        let fault = Fault::parse(frame.body).unwrap();
        prop_assert_eq!(fault.code, Refusal::Internal.number());
        prop_assert_eq!(fault.text.len(), text.len().min(200));
        prop_assert!(fault.text.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }

    /// A terminal on a bad link would otherwise lose a sale because a packet ended inside a frame.
    #[test]
    fn fed_byte_by_byte_it_says_the_same(
        sent in vec(request(), 0..3), answers in vec(answer(), 0..5), welcome in welcome(), cookie: u64,
    ) {
        let mut bytes = frame_of(&sent);
        Hello::new(1, 2).push(&mut bytes).unwrap();
        welcome.push(&mut bytes).unwrap();
        push_empty(&mut bytes, FrameKind::Ping, cookie);
        push_answers(&mut bytes, &answers).unwrap();
        Notice::GoingAway.push(&mut bytes).unwrap();
        push_empty(&mut bytes, FrameKind::ServerGoodbye, 0);
        let whole = read_all(&bytes);

        let (mut buffer, mut said) = (vec![], vec![]);
        for byte in &bytes {
            buffer.push(*byte);
            if let Some(frame) = split_frame(&buffer).unwrap() {
                prop_assert_eq!(frame.size(), buffer.len());
                said.extend(read_all(&buffer));
                buffer.clear();
            }
        }
        prop_assert_eq!(said, whole);
    }

    /// A newer peer's longer bodies must not cut off older ones.
    #[test]
    fn longer_bodies_of_a_newer_peer_are_read(welcome in welcome(), answer in answer(), more in vec(any::<u8>(), 1..40)) {
        let longer = |bytes: &[u8]| {
            let frame = split_frame(bytes).unwrap().unwrap();
            let mut body = frame.body.to_vec();
            body.extend_from_slice(&more);
            (body, frame.header.count)
        };
        let mut bytes = vec![];
        welcome.push(&mut bytes).unwrap();
        prop_assert_eq!(Welcome::parse(&longer(&bytes).0), Ok(welcome));
        bytes.clear();
        push_answers(&mut bytes, &[answer]).unwrap();
        let (body, count) = longer(&bytes);
        prop_assert_eq!(wire::answers(&body, count).unwrap().collect::<Result<Vec<_>, _>>(), Ok(vec![answer]));
    }

    /// A newer terminal's requests have bytes after their lines.
    #[test]
    fn longer_requests_of_a_newer_terminal_are_read(sent in vec(request(), 1..4), more in 1..100_usize) {
        let mut body = vec![];
        for owned in &sent {
            let start = body.len();
            assert!(owned.borrow().append_to(&mut body));
            body.resize(body.len() + more, 0xAB);
            let length = u16::try_from(body.len() - start).unwrap();
            body[start..start + 2].copy_from_slice(&length.to_le_bytes());
        }
        let views = wire::requests(&body, u16::try_from(sent.len()).unwrap()).unwrap();
        for (view, sent) in views.zip(&sent) {
            same(&view.unwrap(), &sent.borrow());
        }
    }
}

#[test]
fn notices_come_back() {
    for notice in [Notice::Configuration(9), Notice::GoingAway] {
        let mut bytes = vec![];
        notice.push(&mut bytes).unwrap();
        assert_eq!(Notice::parse(split_frame(&bytes).unwrap().unwrap().body), Ok(notice));
    }
    assert_eq!(Notice::parse(&[9; 16]), Err(WireError::UnknownNotice { found: 0x0909 }));
}
