//! Owns: the law that no bytes of a peer make a reader panic, and that one bad request harms only itself.
//! Must never: feed only what a generator of valid values makes.
//! Laws: L12; L4 (a refused request is answered under its id).
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::request;
use proptest::collection::vec;
use proptest::prelude::*;
use wire::limits::{MAX_REQUEST, MAX_REQUESTS_IN_FRAME, REQUEST_HEAD};
use wire::{
    BadRequest, Command, FrameKind, FromServer, FromTerminal, Hello, Line, Name, Refusal, Request, RequestId,
    RequestsWriter, Tender, Uid, WireError, requests, split_frame,
};

fn id(counter: u64) -> RequestId {
    RequestId::new(3, counter).unwrap()
}

fn uid() -> Uid {
    Uid::new(&[1, 2, 3, 4, 5, 6, 7]).unwrap()
}

const LINE: Line = Line { item: 9, quantity: 2, unit_price: 550 };

fn encoded(request: &Request<'_>) -> Vec<u8> {
    let mut bytes = vec![];
    assert!(request.append_to(&mut bytes));
    bytes
}

/// Reads whatever can be read, on both sides.
fn read_everything(bytes: &[u8]) -> usize {
    let (mut rest, mut read) = (bytes, 0);
    while let Ok(Some(frame)) = split_frame(rest) {
        match FromTerminal::parse(&frame) {
            Ok(FromTerminal::Requests(all)) => {
                for view in all.flatten() {
                    read += view.uid().len() + view.lines().count() + format!("{view:?}").len();
                    read += usize::from(view.lines_total() > 0 && view.owned_name().is_some());
                }
            }
            other => read += format!("{other:?}").len(),
        }
        match FromServer::parse(&frame) {
            Ok(FromServer::Answers(all)) => read += all.flatten().filter(|a| a.come_back_ms > 0).count(),
            Ok(FromServer::Statement(all)) => read += all.movements().count(),
            other => read += format!("{other:?}").len(),
        }
        rest = &rest[frame.size()..];
    }
    read
}

fn kind() -> impl Strategy<Value = u8> {
    prop::sample::select(FrameKind::ALL.map(FrameKind::number).to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..400)) {
        read_everything(&bytes);
        let _ = requests(&bytes, 3);
        let _ = wire::RequestView::parse(&bytes);
    }

    /// With a believable header arbitrary bodies get past the first door.
    #[test]
    fn arbitrary_bodies_never_panic(kind in kind(), count in 0..20_u16, body in vec(any::<u8>(), 0..600)) {
        let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(&[kind, 0]);
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&body);
        read_everything(&bytes);
    }

    /// One flipped byte in a frame of good requests: no panic, and its neighbours come out as they were.
    #[test]
    fn a_flipped_byte_harms_its_own_request_only(sent in vec(request(), 3..6), at: prop::sample::Index, to: u8) {
        let parts: Vec<_> = sent.iter().map(|owned| encoded(&owned.borrow())).collect();
        let mut body = parts.concat();
        let at = at.index(body.len());
        let mut start = 0;
        let hit = parts.iter().position(|part| { start += part.len(); at < start }).unwrap();
        let offset = at - (start - parts[hit].len());
        body[at] = to;
        let count = u16::try_from(sent.len()).unwrap();
        match requests(&body, count) {
            // Only a length can break the frame.
            Err(_) => prop_assert!(offset < 2),
            Ok(_) if offset < 2 => {}
            Ok(all) => for (index, (item, part)) in all.zip(&parts).enumerate() {
                if index != hit {
                    prop_assert_eq!(item.ok(), wire::RequestView::parse(part).unwrap().ok());
                }
            }
        }
    }
}

/// What is wrong with one request, byte by byte: (what, place, byte, why, code).
#[test]
fn a_bad_request_is_refused_alone_under_its_id() {
    let purchase = encoded(&Request::purchase(id(2), uid(), &[LINE]));
    let top_up = encoded(&Request::top_up(id(2), uid(), 500, Tender::Cash));
    let void = encoded(&Request::void(id(2), uid(), RequestId::from_raw(1), 4));
    let cancel = encoded(&Request::cancel(id(2), uid()));
    let transfer = encoded(&Request::transfer(id(2), uid(), uid(), 500));
    let authorise = encoded(&Request::authorise(id(2), uid(), 500, 60));
    let capture = encoded(&Request::capture(id(2), uid(), RequestId::from_raw(1), &[LINE]));
    let release = encoded(&Request::release_hold(id(2), uid(), RequestId::from_raw(1)));
    let allowance = encoded(&Request::set_allowance(id(2), uid(), uid(), (500, 100), 1));
    let pay_out = encoded(&Request::pay_out(id(2), 4, 500, 1));
    let pair = encoded(&Request::pair(id(2), uid(), uid(), Some(uid().into()), 4));
    let table: &[(&[u8], usize, u8, BadRequest, Refusal)] = &[
        (&purchase, 2, 0, BadRequest::Command(0), Refusal::Unsupported),
        (&purchase, 2, 99, BadRequest::Command(99), Refusal::Unsupported),
        (&purchase, 2, Command::TopUp.number(), BadRequest::StrayLines, Refusal::Malformed),
        (&purchase, 16, 5, BadRequest::UidLength(5), Refusal::Malformed),
        (&purchase, 16, 0, BadRequest::UidLength(0), Refusal::Malformed),
        (&transfer, 16, 0, BadRequest::UidLength(0), Refusal::Malformed),
        (&allowance, 72, 5, BadRequest::UidLength(5), Refusal::Malformed),
        (&transfer, 2, Command::SetAllowance.number(), BadRequest::NoMark, Refusal::Malformed),
        (&pay_out, 16, 7, BadRequest::UidLength(7), Refusal::Malformed),
        (&cancel, 16, 0, BadRequest::NoOffice, Refusal::Malformed),
        (&purchase, 16, 255, BadRequest::UidLength(255), Refusal::Malformed),
        (&purchase, 27, 0, BadRequest::NoLines, Refusal::Malformed),
        (&purchase, 27, 2, BadRequest::LinesMissing { lines: 2, length: 84 }, Refusal::Malformed),
        (&purchase, 27, 65, BadRequest::TooManyLines(65), Refusal::TooManyLines),
        (&purchase, 66, 3, BadRequest::Tender(3), Refusal::Unsupported),
        (&top_up, 66, 0, BadRequest::NoTender, Refusal::Malformed),
        (&void, 48, 0, BadRequest::NoTarget, Refusal::Malformed),
        (&cancel, 48, 9, BadRequest::TargetDiffers, Refusal::Malformed),
        (&cancel, 2, Command::Transfer.number(), BadRequest::NoPayee, Refusal::Malformed),
        (&transfer, 72, 11, BadRequest::UidLength(11), Refusal::Malformed),
        (&authorise, 68, 0, BadRequest::NoSeconds, Refusal::Malformed),
        (&capture, 27, 0, BadRequest::NoLines, Refusal::Malformed),
        (&capture, 48, 0, BadRequest::NoTarget, Refusal::Malformed),
        (&release, 48, 0, BadRequest::NoTarget, Refusal::Malformed),
        (&release, 27, 1, BadRequest::LinesMissing { lines: 1, length: 72 }, Refusal::Malformed),
        (&transfer, 27, 1, BadRequest::StrayLines, Refusal::Malformed),
        (&transfer, 2, Command::Pair.number(), BadRequest::NoWallet, Refusal::Malformed),
        (&cancel, 2, Command::Pair.number(), BadRequest::NoWallet, Refusal::Malformed),
        (&cancel, 67, Name::TICKET, BadRequest::UidLength(7), Refusal::Malformed),
        (&cancel, 67, 2, BadRequest::Name(2), Refusal::Unsupported),
        (&transfer, 83, 2, BadRequest::Name(2), Refusal::Unsupported),
        (&pair, 72, 0, BadRequest::UidLength(0), Refusal::Malformed),
        (&pair, 84, 3, BadRequest::UidLength(3), Refusal::Malformed),
        (&pair, 95, 9, BadRequest::Name(9), Refusal::Unsupported),
    ];
    let good = encoded(&Request::balance(id(1), uid()));
    for (bytes, at, to, why, code) in table {
        let mut bad = bytes.to_vec();
        bad[*at] = *to;
        let body = [good.clone(), bad.clone(), good.clone()].concat();
        let all: Vec<_> = requests(&body, 3).unwrap().collect();
        assert!(all[0].is_ok() && all[2].is_ok());
        let refused = all[1].unwrap_err();
        assert_eq!((refused.id, refused.command, refused.why), (id(2), bad[2], *why), "byte {at}");
        assert_eq!(refused.why.refusal(), *code, "{why}");
    }
}

#[test]
fn an_id_with_counter_zero_is_refused() {
    let mut bytes = encoded(&Request::balance(id(2), uid()));
    bytes[8..13].fill(0);
    let refused = wire::RequestView::parse(&bytes).unwrap().unwrap_err();
    assert_eq!(refused.why, BadRequest::Counter);
}

#[test]
fn a_length_that_cannot_be_breaks_the_frame_before_any_request_is_handed_out() {
    let good = encoded(&Request::balance(id(1), uid()));
    let size = u16::try_from(good.len()).unwrap();
    for length in [0, 1, 71, size + 1, 4097, u16::MAX] {
        let mut body = [good.clone(), good.clone()].concat();
        body[good.len()..good.len() + 2].copy_from_slice(&length.to_le_bytes());
        let error = requests(&body, 2).unwrap_err();
        let expected = WireError::RequestLength {
            index: 1,
            at: good.len(),
            length,
            left: good.len(),
            min: REQUEST_HEAD,
            max: MAX_REQUEST,
        };
        assert_eq!(error, expected);
        assert_eq!(error.refusal(), Refusal::Malformed);
    }
    assert_eq!(requests(&good, 2).unwrap_err(), WireError::RequestsMissing { index: 1, count: 2 });
    assert!(matches!(requests(&good, MAX_REQUESTS_IN_FRAME + 1), Err(WireError::TooMany { .. })));
}

#[test]
fn a_frame_of_the_other_side_is_told() {
    let mut bytes = vec![];
    wire::push_empty(&mut bytes, FrameKind::Pong, 0);
    let frame = split_frame(&bytes).unwrap().unwrap();
    assert_eq!(FromTerminal::parse(&frame).unwrap_err(), WireError::Unexpected { kind: FrameKind::Pong });
}

#[test]
fn a_foreign_first_frame_is_told_apart() {
    let mut bytes = vec![];
    Hello::new(1, 2).push(&mut bytes).unwrap();
    let body = bytes.split_off(16);
    let change = |at: usize, to: &[u8]| {
        let mut body = body.clone();
        body[at..at + to.len()].copy_from_slice(to);
        Hello::parse(&body).unwrap_err()
    };
    assert_eq!(change(0, b"GET "), WireError::Magic { found: u32::from_le_bytes(*b"GET ") });
    assert_eq!(change(4, &[0, 0]), WireError::Version { found: 0, spoken: 1 });
    assert_eq!(change(8, &[0; 4]), WireError::Device { found: 0 });
    assert_eq!(change(8, &[0, 0, 0x80, 0]), WireError::Device { found: 0x80_0000 });
    assert!(matches!(Hello::parse(&body[..39]), Err(WireError::BodyTooShort { need: 40, length: 39, .. })));
    // `GET / HTTP/1.1`: the type byte is a slash.
    assert_eq!(split_frame(b"GET / HTTP/1.1\r\nHost").unwrap_err(), WireError::UnknownFrame { found: b'/' });
}

#[test]
fn a_sender_is_held_to_the_limits_too() {
    let lines = [LINE; 65];
    let mut bytes = vec![];
    assert!(!Request::purchase(id(1), uid(), &lines).append_to(&mut bytes));
    assert!(bytes.is_empty());
    let full = encoded(&Request::purchase(id(1), uid(), &lines[..64]));
    let mut frame = RequestsWriter::begin(&mut bytes);
    while frame.push_encoded(&full) {}
    assert_eq!((frame.count(), frame.body_len()), (1248, 1248 * 840));
    frame.finish().unwrap();
    let size = bytes.len();
    RequestsWriter::begin(&mut bytes).abandon();
    assert_eq!(bytes.len(), size);
    assert_eq!(requests(&bytes[16..], 1248).unwrap().flatten().count(), 1248);
    let mut frame = RequestsWriter::begin(&mut bytes);
    while frame.push(&Request::balance(id(1), uid())) {}
    assert_eq!(frame.count(), MAX_REQUESTS_IN_FRAME);
    frame.finish().unwrap();
}

#[test]
fn only_the_wait_changes_from_try_to_try() {
    let mut bytes = encoded(&Request::purchase(id(1), uid(), &[LINE]));
    let before = bytes.clone();
    wire::set_wait(&mut bytes, 1500);
    assert_eq!(wire::RequestView::parse(&bytes).unwrap().unwrap().wait_ms(), 1500);
    wire::set_wait(&mut bytes, 0);
    assert_eq!(bytes, before);
}
