//! `fanfare festival` against a whole server: what an organiser changes while people stand at the bars.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use actors::festival::Festival;
use gateway::commands::festival::{Applied, Client, apply, describe};
use gateway::commands::init::{Founding, init};
use gateway::commands::verify;
use gateway::festival_file;
use gateway::limits::Limits;
use gateway::server::{Config, Server};
use ledger::ids::{At, Version};
use ledger::journal::embedded::MIN_SEGMENT;
use wire::{
    Decline, Fetch, FrameKind, Hello, Line, Notice, Outcome, Own, Refusal, Request, RequestId,
    RequestsWriter, Slice, Tender, Uid, Welcome, What,
};

const EXAMPLE: &str = include_str!("../../deploy/festival.example.toml");
const NOW: At = At(1_780_272_000_000_000);
const BAR: u32 = 1;
const PIZZA: u32 = 2;
const DESK: u32 = 3;
const OFFICE: u32 = 5;

fn founded() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let founding = Founding { shards: 4, segment_bytes: 2 * MIN_SEGMENT, at: NOW };
    init(&parent.path().join("ledger"), &file(&[]), &founding).unwrap();
    parent
}

fn start(parent: &Path, loops: u16) -> Server {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let dir = parent.join("ledger");
    let config = Config { dir, plain: any, http: any, loops, limits: Limits::default() };
    Server::start(config, |_| {}).unwrap()
}

/// The example with replacements.
fn file(changes: &[(&str, &str)]) -> Festival {
    let mut text = EXAMPLE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    festival_file::parse(&text, NOW).unwrap()
}

/// Brings a file into force; what became of it, and what was shown.
fn applied(server: &Server, device: u32, file: &Festival) -> Result<(Applied, String), String> {
    let told = |error: gateway::commands::Failure| error.to_string();
    let mut client = Client::connect(server.address(), 1, device).map_err(told)?;
    let mut out = Vec::new();
    let applied = apply(&mut client, file, NOW, &mut out, |_| Ok(true)).map_err(told)?;
    Ok((applied, String::from_utf8(out).unwrap()))
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

struct Terminal {
    stream: TcpStream,
    device: u32,
}

impl Terminal {
    fn connect(server: &Server, device: u32) -> (Self, FrameKind, Vec<u8>) {
        let mut terminal = Self { stream: TcpStream::connect(server.address()).unwrap(), device };
        let mut out = Vec::new();
        Hello::new(1, device).push(&mut out).unwrap();
        terminal.stream.write_all(&out).unwrap();
        let (kind, _, body) = terminal.frame();
        (terminal, kind, body)
    }

    fn welcomed(server: &Server, device: u32) -> (Self, Welcome) {
        let (terminal, kind, body) = Self::connect(server, device);
        assert_eq!(kind, FrameKind::Welcome);
        (terminal, Welcome::parse(&body).unwrap())
    }

    fn frame(&mut self) -> (FrameKind, u16, Vec<u8>) {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head).unwrap();
        let header = wire::parse_header(&head).unwrap().unwrap();
        let mut body = vec![0; header.length as usize];
        self.stream.read_exact(&mut body).unwrap();
        (header.kind, header.count, body)
    }

    fn tap(&mut self, request: Request<'_>) -> Outcome {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        assert!(frame.push(&request));
        frame.finish().unwrap();
        self.stream.write_all(&out).unwrap();
        let (kind, count, body) = self.frame();
        assert_eq!(kind, FrameKind::Answers);
        wire::answers(&body, count).unwrap().next().unwrap().unwrap().outcome()
    }

    fn noticed(&mut self) -> Notice {
        let (kind, _, body) = self.frame();
        assert_eq!(kind, FrameKind::Notice);
        Notice::parse(&body).unwrap()
    }

    fn fetch(&mut self, what: What) -> (u16, Option<Own>) {
        let mut out = Vec::new();
        Fetch { version: 0, offset: 0, what: what.number() }.push(&mut out).unwrap();
        self.stream.write_all(&out).unwrap();
        let (kind, _, body) = self.frame();
        assert_eq!(kind, FrameKind::Configuration);
        let slice = Slice::parse(&body).unwrap();
        (slice.code, Own::decode(slice.bytes))
    }

    fn id(&self, counter: u64) -> RequestId {
        RequestId::new(self.device, counter).unwrap()
    }
}

fn uid(band: u8) -> Uid {
    Uid::new(&[4, band, 3, 4, 5, 6, 7]).unwrap()
}

fn lager(price: u32) -> [Line; 1] {
    [Line { item: 1, quantity: 1, unit_price: price }]
}

/// A bar that sells at yesterday's prices all evening, or stands still until someone walks over.
#[test]
fn a_change_is_in_force_everywhere_and_every_terminal_is_told() {
    for loops in [1, 2] {
        let parent = founded();
        let server = start(parent.path(), loops);
        let (mut bar, welcome) = Terminal::welcomed(&server, BAR);
        assert_eq!(welcome.configuration, 1);
        let (mut desk, _) = Terminal::welcomed(&server, DESK);
        for band in 1..=8 {
            let counter = u64::from(band) * 2;
            assert_eq!(desk.tap(Request::open_wallet(desk.id(counter), uid(band))), Outcome::Applied);
            let top_up = Request::top_up(desk.id(counter + 1), uid(band), 5_000, Tender::Cash);
            assert_eq!(desk.tap(top_up), Outcome::Applied);
        }
        let changed =
            file(&[("price = \"6.50\"", "price = \"7.00\""), ("name = \"Pizza 1\"", "name = \"Pizza\"")]);
        let (outcome, shown) = applied(&server, OFFICE, &changed).unwrap();
        assert!(matches!(outcome, Applied::InForce(now, _) if now == version(2)), "{outcome:?}");
        assert_eq!(
            shown,
            "from version 1 to 2:\n  item 1: price 6.50 EUR -> 7.00 EUR\n  till 2: name \"Pizza 1\" -> \"Pizza\"\n"
        );
        assert_eq!(bar.noticed(), Notice::Configuration(2));
        let (code, own) = bar.fetch(What::Own);
        let own = own.unwrap();
        assert_eq!((code, own.version, own.till, own.vendor), (0, 2, 1, 1));
        let items: Vec<_> = own.items.iter().map(|item| (item.id, item.price, item.name.as_str())).collect();
        assert_eq!(items, [(1, 700, "Lager 50 cl"), (2, 250, "Water 50 cl")]);
        assert_eq!(bar.fetch(What::Whole), (Refusal::NotYourRole.number(), None));
        let (old_price, new_price) = (lager(650), lager(700));
        for band in 1..=8 {
            let old = Request::purchase(bar.id(u64::from(band) * 2), uid(band), &old_price);
            assert_eq!(bar.tap(old), Outcome::Refused(Refusal::UnknownItemOrPrice));
            let new = Request::purchase(bar.id(u64::from(band) * 2 + 1), uid(band), &new_price);
            assert_eq!(bar.tap(new), Outcome::Applied);
        }
        server.stop().unwrap();
        let verified = verify::verify(&parent.path().join("ledger")).unwrap();
        assert!(verified.is_sound(), "{:?}", verify::json(&verified));
    }
}

/// The office's line broke, and nobody knew whether the bar was stopped: so the command is run again.
#[test]
fn repeated_it_changes_nothing_and_a_restart_does_not_fall_back() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let stopped = file(&[("stopped = false", "stopped = true")]);
    assert!(matches!(applied(&server, OFFICE, &stopped).unwrap().0, Applied::InForce(..)));
    assert_eq!(applied(&server, OFFICE, &stopped).unwrap(), (Applied::Nothing(version(2)), String::new()));
    server.stop().unwrap();
    let server = start(parent.path(), 2);
    let (_, welcome) = Terminal::welcomed(&server, BAR);
    assert_eq!(welcome.configuration, 2);
    assert_eq!(applied(&server, OFFICE, &stopped).unwrap().0, Applied::Nothing(version(2)));
    let whole = Client::connect(server.address(), 1, OFFICE).unwrap().configuration().unwrap();
    assert!(describe(&whole).contains(&"vendor 1: name \"Bar Nord\", stopped yes".to_owned()));
    server.stop().unwrap();
}

/// Someone walks off with a terminal: it must not sell, read or undo anything any more.
#[test]
fn a_revoked_device_is_refused_on_its_open_connection_and_not_welcomed_again() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let (mut desk, _) = Terminal::welcomed(&server, DESK);
    let (mut bar, _) = Terminal::welcomed(&server, BAR);
    assert_eq!(desk.tap(Request::open_wallet(desk.id(1), uid(1))), Outcome::Applied);
    assert_eq!(desk.tap(Request::top_up(desk.id(2), uid(1), 5_000, Tender::Cash)), Outcome::Applied);
    assert_eq!(bar.tap(Request::purchase(bar.id(1), uid(1), &lager(650))), Outcome::Applied);
    let revoked = file(&[("number = 1\ntill = 1\n", "number = 1\nrevoked = true\ntill = 1\n")]);
    applied(&server, OFFICE, &revoked).unwrap();
    assert_eq!(bar.noticed(), Notice::Configuration(2));
    let refused = Outcome::Refused(Refusal::DeviceRevoked);
    assert_eq!(bar.tap(Request::purchase(bar.id(2), uid(1), &lager(650))), refused);
    assert_eq!(bar.tap(Request::cancel(bar.id(1), uid(1))), refused);
    let (_, kind, body) = Terminal::connect(&server, BAR);
    assert_eq!(
        (kind, wire::Fault::parse(&body).unwrap().code),
        (FrameKind::Fault, Refusal::DeviceRevoked.number())
    );
    server.stop().unwrap();
}

/// Rain: nothing is sold until it is over, and what was just charged can be given back.
#[test]
fn a_paused_festival_takes_no_money_and_gives_it_back() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let (mut desk, _) = Terminal::welcomed(&server, DESK);
    let (mut bar, _) = Terminal::welcomed(&server, BAR);
    assert_eq!(desk.tap(Request::open_wallet(desk.id(1), uid(1))), Outcome::Applied);
    assert_eq!(desk.tap(Request::top_up(desk.id(2), uid(1), 5_000, Tender::Cash)), Outcome::Applied);
    assert_eq!(bar.tap(Request::purchase(bar.id(1), uid(1), &lager(650))), Outcome::Applied);
    applied(&server, OFFICE, &file(&[("standing = \"open\"", "standing = \"paused\"")])).unwrap();
    assert_eq!((bar.noticed(), desk.noticed()), (Notice::Configuration(2), Notice::Configuration(2)));
    let paused = Outcome::Declined(Decline::FestivalPaused);
    assert_eq!(bar.tap(Request::purchase(bar.id(2), uid(1), &lager(650))), paused);
    assert_eq!(desk.tap(Request::top_up(desk.id(3), uid(1), 500, Tender::Cash)), paused);
    assert_eq!(desk.tap(Request::void(desk.id(4), uid(1), bar.id(1), 7)), Outcome::Applied);
    applied(&server, OFFICE, &file(&[])).unwrap();
    assert_eq!(bar.noticed(), Notice::Configuration(3));
    assert_eq!(bar.tap(Request::purchase(bar.id(3), uid(1), &lager(650))), Outcome::Applied);
    server.stop().unwrap();
}

#[test]
fn what_may_not_be_changed_is_said_before_anything_is() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let gone = file(&[("[[devices]]\nnumber = 2\ntill = 2\nroles = [\"sell\"]\n", "")]);
    let error = applied(&server, OFFICE, &gone).unwrap_err();
    assert!(error.contains("device 2 is gone: the journal names it"), "{error}");
    let error = applied(&server, DESK, &file(&[])).unwrap_err();
    assert!(error.contains("device 3 may not change the configuration"), "{error}");
    let mut client = Client::connect(server.address(), 1, OFFICE).unwrap();
    let paused = file(&[("standing = \"open\"", "standing = \"paused\"")]);
    let left = apply(&mut client, &paused, NOW, &mut Vec::new(), |_| Ok(false)).unwrap();
    assert_eq!(left, Applied::Left);
    assert_eq!(client.configuration().unwrap().version, version(1));
    server.stop().unwrap();
}

/// The file is the same, the day is another: counted from it, the time zone's offsets begin elsewhere.
#[test]
fn another_day_is_no_change() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let later = At(NOW.0 + 40 * 86_400 * 1_000_000);
    let same = festival_file::parse(EXAMPLE, later).unwrap();
    assert_ne!(same.local_time, file(&[]).local_time);
    let mut client = Client::connect(server.address(), 1, OFFICE).unwrap();
    let applied = apply(&mut client, &same, later, &mut Vec::new(), |_| Ok(true)).unwrap();
    assert_eq!(applied, Applied::Nothing(version(1)));
    let utc = EXAMPLE.replace("Europe/Paris", "UTC");
    let moved = festival_file::parse(&utc, later).unwrap();
    let applied = apply(&mut client, &moved, later, &mut Vec::new(), |_| Ok(true)).unwrap();
    assert!(matches!(applied, Applied::InForce(..)), "{applied:?}");
    server.stop().unwrap();
}

/// A device that changes places: at its new till it must sell what that one has.
#[test]
fn a_device_given_another_till_sells_there_on_its_open_connection() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let (mut desk, _) = Terminal::welcomed(&server, DESK);
    let (mut pizza, _) = Terminal::welcomed(&server, PIZZA);
    assert_eq!(desk.tap(Request::open_wallet(desk.id(1), uid(1))), Outcome::Applied);
    assert_eq!(desk.tap(Request::top_up(desk.id(2), uid(1), 5_000, Tender::Cash)), Outcome::Applied);
    let moved = file(&[("number = 2\ntill = 2\n", "number = 2\ntill = 1\n")]);
    applied(&server, OFFICE, &moved).unwrap();
    assert_eq!(pizza.noticed(), Notice::Configuration(2));
    assert_eq!(pizza.fetch(What::Own).1.map(|own| (own.till, own.items.len())), Some((1, 2)));
    assert_eq!(pizza.tap(Request::purchase(pizza.id(1), uid(1), &lager(650))), Outcome::Applied);
    server.stop().unwrap();
}
