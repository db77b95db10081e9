//! A whole server over a real directory: its threads, its HTTP, its orderly end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use gateway::commands::init::{Founding, init};
use gateway::festival_file;
use gateway::limits::Limits;
use gateway::server::{Config, ServeError, Server};
use ledger::ids::At;
use ledger::journal::embedded::MIN_SEGMENT;
use wire::{FrameKind, Hello, Line, Outcome, Request, RequestId, RequestsWriter, Tender, Uid};

const EXAMPLE: &str = include_str!("../../deploy/festival.example.toml");

fn founded() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let at = At(1_780_272_000_000_000);
    let festival = festival_file::parse(EXAMPLE, at).unwrap();
    let founding = Founding { shards: 4, segment_bytes: 2 * MIN_SEGMENT, at };
    init(&parent.path().join("ledger"), &festival, &founding).unwrap();
    parent
}

fn config(parent: &Path, loops: u16) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config { dir: parent.join("ledger"), plain: any, http: any, loops, limits: Limits::default() }
}

fn start(parent: &Path, loops: u16) -> Server {
    Server::start(config(parent, loops), |notice| {
        assert!(!matches!(notice, engine::supervise::Notice::GaveUp(_)), "{notice:?}");
    })
    .unwrap()
}

struct Terminal {
    stream: TcpStream,
    device: u32,
}

impl Terminal {
    fn connect(server: &Server, device: u32) -> Self {
        let mut terminal = Self { stream: TcpStream::connect(server.address()).unwrap(), device };
        let mut out = Vec::new();
        Hello::new(1, device).push(&mut out).unwrap();
        terminal.stream.write_all(&out).unwrap();
        assert_eq!(terminal.frame().0, FrameKind::Welcome);
        terminal
    }

    fn frame(&mut self) -> (FrameKind, u16, Vec<u8>) {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head).unwrap();
        let header = wire::parse_header(&head).unwrap().unwrap();
        let mut body = vec![0; header.length as usize];
        self.stream.read_exact(&mut body).unwrap();
        (header.kind, header.count, body)
    }

    fn tap(&mut self, request: Request<'_>) -> wire::Answer {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        assert!(frame.push(&request));
        frame.finish().unwrap();
        self.stream.write_all(&out).unwrap();
        let (kind, count, body) = self.frame();
        assert_eq!(kind, FrameKind::Answers);
        wire::answers(&body, count).unwrap().next().unwrap().unwrap()
    }

    fn id(&self, counter: u64) -> RequestId {
        RequestId::new(self.device, counter).unwrap()
    }
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: fanfare\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// The example festival's desk and first bar.
const DESK: u32 = 3;
const BAR: u32 = 1;

fn uid(band: u8) -> Uid {
    Uid::new(&[4, band, 3, 4, 5, 6, 7]).unwrap()
}

#[test]
fn what_was_sold_is_there_after_an_orderly_restart() {
    let parent = founded();
    for (start_number, loops) in [(1, 2), (2, 1)] {
        let server = start(parent.path(), loops);
        let mut desk = Terminal::connect(&server, DESK);
        let mut bar = Terminal::connect(&server, BAR);
        let lines = [Line { item: 1, quantity: 1, unit_price: 650 }];
        for band in 1..=20 {
            let counter = u64::from(band) * 2;
            // After the restart all of these are retries, and get their first answers.
            let opened = desk.tap(Request::open_wallet(desk.id(counter), uid(band)));
            assert_eq!(opened.outcome(), Outcome::Applied);
            let topped = desk.tap(Request::top_up(desk.id(counter + 1), uid(band), 2_000, Tender::Cash));
            assert_eq!((topped.outcome(), topped.balance), (Outcome::Applied, 2_000));
            let bought = bar.tap(Request::purchase(bar.id(counter), uid(band), &lines));
            assert_eq!((bought.outcome(), bought.balance), (Outcome::Applied, 1_350));
        }
        assert!(get(server.http(), "/health/live").starts_with("HTTP/1.1 200"));
        assert!(get(server.http(), "/health/ready").ends_with("ready\n"));
        let metrics = get(server.http(), "/metrics");
        let wanted = ["fanfare_law_broken_total{law=\"L3\"} 0", &format!("fanfare_epoch {start_number}")];
        assert!(wanted.iter().all(|line| metrics.contains(line)), "{metrics}");
        assert_eq!(server.status().failures(), 0);
        server.stop().unwrap();
        assert_eq!(bar.frame().0, FrameKind::Notice);
        assert_eq!(bar.frame().0, FrameKind::ServerGoodbye);
    }
}

/// L8: two servers over one directory would each sell what the other had sold.
#[test]
fn one_directory_has_one_server() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let error = Server::start(config(parent.path(), 1), |_| {}).err().unwrap();
    assert!(matches!(error, ServeError::Node(_)), "{error}");
    server.stop().unwrap();
    start(parent.path(), 1).stop().unwrap();
}

#[test]
fn plain_tcp_is_for_this_machine_only() {
    let parent = founded();
    let open = Config { plain: SocketAddr::from(([0, 0, 0, 0], 0)), ..config(parent.path(), 1) };
    let error = Server::start(open, |_| {}).err().unwrap();
    assert!(matches!(error, ServeError::Listen(_)) && error.to_string().contains("127.0.0.1"), "{error}");
}
