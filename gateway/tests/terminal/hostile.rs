//! What a broken or foreign peer sends: it ends that connection with a word why, and nothing more.

use wire::limits::{HELLO, MAX_FRAME_BODY};
use wire::{FrameKind, FrameWriter, Hello, Outcome, Refusal, Request};

use crate::support::*;

/// A header that claims a body of `length` bytes.
fn header(kind: u8, length: u32, count: u16) -> Vec<u8> {
    let mut out = Vec::new();
    wire::push_empty(&mut out, FrameKind::Ping, 0);
    out[..4].copy_from_slice(&length.to_le_bytes());
    out[4] = kind;
    out[6..8].copy_from_slice(&count.to_le_bytes());
    out
}

fn hello(festival: u16, device: u32, incarnation: u64) -> Vec<u8> {
    let mut out = Vec::new();
    Hello { incarnation, ..Hello::new(festival, device) }.push(&mut out).unwrap();
    out
}

#[test]
fn a_first_frame_that_is_no_welcome_hello_is_faulted() {
    let mut foreign = hello(1, SELLER, 0);
    foreign[16..20].copy_from_slice(b"GET ");
    let mut ancient = hello(1, SELLER, 0);
    ancient[20..22].fill(0);
    let mut early = header(FrameKind::Requests.number(), 72, 1);
    early.resize(16 + 72, 0);
    early[16] = 72;
    let table = [
        (foreign, Refusal::Malformed),
        (ancient, Refusal::Unsupported),
        (hello(2, SELLER, 0), Refusal::WrongFestival),
        (hello(1, 77, 0), Refusal::Unauthenticated),
        (hello(1, 1 << 23, 0), Refusal::Unauthenticated),
        (hello(1, SELLER, 2), Refusal::Unsupported),
        (early, Refusal::Unauthenticated),
        (header(FrameKind::Ping.number(), 0, 0), Refusal::Unauthenticated),
        (header(77, 0, 0), Refusal::Unsupported),
        (
            header(FrameKind::Hello.number(), 8, 0).into_iter().chain(*b"FANF\x01\0\0\0").collect(),
            Refusal::Malformed,
        ),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), Refusal::Unsupported),
    ];
    let mut server = Server::start();
    for (bytes, expected) in table {
        let mut peer = Terminal::connect(&server, SELLER);
        peer.send(&bytes);
        assert_eq!(peer.faulted(&mut server), expected.number(), "{bytes:?}");
    }
    server.pass(250_000);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_frame_that_cannot_be_believed_ends_its_connection_only() {
    let truncated = header(FrameKind::Requests.number(), 0, 1);
    let mut wrong_length = header(FrameKind::Requests.number(), 72, 1);
    wrong_length.extend([71; 72]);
    let table = [
        (header(FrameKind::Requests.number(), MAX_FRAME_BODY + 1, 1), Refusal::Malformed),
        (header(FrameKind::Ping.number(), 1_025, 0), Refusal::Malformed),
        (header(FrameKind::Requests.number(), 0, 4_097), Refusal::Malformed),
        (truncated, Refusal::Malformed),
        (wrong_length, Refusal::Malformed),
        (header(FrameKind::Answers.number(), 0, 0), Refusal::Malformed),
        (hello(1, SELLER, 0), Refusal::Malformed),
        (header(0, 0, 0), Refusal::Unsupported),
    ];
    let mut server = Server::start();
    let mut desk = funded(&mut server, 1);
    for (bytes, expected) in table {
        let mut peer = Terminal::welcomed(&mut server, SELLER);
        peer.send(&bytes);
        assert_eq!(peer.faulted(&mut server), expected.number(), "{bytes:?}");
    }
    assert_eq!(desk.tap(&mut server, Request::lookup(desk.id(1), uid(1))).outcome(), Outcome::Applied);
}

#[test]
fn a_bad_request_is_refused_alone_between_good_neighbours() {
    let mut server = Server::start();
    let _desk = funded(&mut server, 1);
    let mut bar = Terminal::welcomed(&mut server, SELLER);
    let good = Request::purchase(bar.id(1), uid(1), &ONE_BEER);
    let mut out = Vec::new();
    let mut frame = FrameWriter::begin(&mut out, FrameKind::Requests, 0);
    let mut bad = Vec::new();
    assert!(Request { id: bar.id(2), ..good }.append_to(&mut bad));
    bad[2] = 99;
    frame.body().extend_from_slice(&bad);
    assert!(good.append_to(frame.body()));
    frame.finish(2).unwrap();
    bar.send(&out);
    let answers = bar.answers(&mut server, 2);
    let of = |id| answers.iter().find(|answer| answer.id == id).unwrap();
    assert_eq!(
        (of(bar.id(2)).outcome(), of(bar.id(2)).command),
        (Outcome::Refused(Refusal::Unsupported), 99)
    );
    assert_eq!(of(bar.id(1)).outcome(), Outcome::Applied);
}

#[test]
fn random_bytes_never_stop_the_server() {
    let mut server = Server::start();
    let mut desk = funded(&mut server, 1);
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..200 {
        let mut peer = Terminal::connect(&server, SELLER);
        if random.bool() {
            peer.hello(&mut server);
        }
        let mut bytes = vec![0; random.usize(..2_000)];
        random.fill(&mut bytes);
        if random.bool() {
            // Believable at first sight: a frame of requests with nonsense in it.
            let mut claimed = header(FrameKind::Requests.number(), 512, random.u16(..8));
            claimed.append(&mut bytes);
            bytes = claimed;
        }
        peer.send(&bytes);
        server.turn();
        server.turn();
    }
    server.settle();
    assert_eq!(desk.tap(&mut server, Request::lookup(desk.id(1), uid(1))).outcome(), Outcome::Applied);
    server.pass(20_000_000);
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_newer_terminals_longer_bodies_are_understood() {
    let mut server = Server::start();
    let mut terminal = Terminal::connect(&server, SELLER);
    let mut bytes = hello(1, SELLER, 0);
    bytes[..4].copy_from_slice(&u32::try_from(HELLO + 8).unwrap().to_le_bytes());
    bytes.extend([1; 8]);
    terminal.send(&bytes);
    assert_eq!(terminal.frame(&mut server).kind, FrameKind::Welcome);
}
