//! A whole server over a real directory, and a terminal at the other end of a socket.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use actors::festival::Festival;
use gateway::commands::init::{Founding, init};
use gateway::festival_file;
use gateway::limits::Limits;
use gateway::server::{Config, Server};
use ledger::journal::embedded::MIN_SEGMENT;
use wire::{
    Fetch, FrameKind, Hello, Line, Notice, Outcome, Own, Request, RequestId, RequestsWriter, Slice, Tender,
    Uid, Welcome, What,
};

use super::{DESK, EXAMPLE, NOW, SHARDS};

/// A folder with a ledger of the example festival in it.
pub(crate) fn founded() -> tempfile::TempDir {
    let parent = tempfile::tempdir().unwrap();
    let founding = Founding { shards: SHARDS, segment_bytes: 2 * MIN_SEGMENT, at: NOW };
    init(&parent.path().join("ledger"), &file(&[]), &founding).unwrap();
    parent
}

/// The example with replacements.
pub(crate) fn file(changes: &[(&str, &str)]) -> Festival {
    let mut text = EXAMPLE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "the example has no {from:?}");
        text = text.replacen(from, to, 1);
    }
    festival_file::parse(&text, NOW).unwrap()
}

pub(crate) fn config(parent: &Path, loops: u16) -> Config {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    Config { dir: parent.join("ledger"), plain: any, http: any, loops, limits: Limits::default() }
}

pub(crate) fn start(parent: &Path, loops: u16) -> Server {
    Server::start(config(parent, loops), |notice| {
        assert!(!matches!(notice, engine::supervise::Notice::GaveUp(_)), "{notice:?}");
    })
    .unwrap()
}

pub(crate) struct Terminal {
    stream: TcpStream,
    device: u32,
}

impl Terminal {
    /// Connects; what the server said to that.
    pub(crate) fn connect(server: &Server, device: u32) -> (Self, FrameKind, Vec<u8>) {
        let mut terminal = Self { stream: TcpStream::connect(server.address()).unwrap(), device };
        let mut out = Vec::new();
        Hello::new(1, device).push(&mut out).unwrap();
        terminal.stream.write_all(&out).unwrap();
        let (kind, _, body) = terminal.frame();
        (terminal, kind, body)
    }

    pub(crate) fn welcomed(server: &Server, device: u32) -> (Self, Welcome) {
        let (terminal, kind, body) = Self::connect(server, device);
        assert_eq!(kind, FrameKind::Welcome);
        (terminal, Welcome::parse(&body).unwrap())
    }

    pub(crate) fn frame(&mut self) -> (FrameKind, u16, Vec<u8>) {
        let mut head = [0; 16];
        self.stream.read_exact(&mut head).unwrap();
        let header = wire::parse_header(&head).unwrap().unwrap();
        let mut body = vec![0; header.length as usize];
        self.stream.read_exact(&mut body).unwrap();
        (header.kind, header.count, body)
    }

    pub(crate) fn tap(&mut self, request: Request<'_>) -> wire::Answer {
        let mut out = Vec::new();
        let mut frame = RequestsWriter::begin(&mut out);
        assert!(frame.push(&request));
        frame.finish().unwrap();
        self.stream.write_all(&out).unwrap();
        let (kind, count, body) = self.frame();
        assert_eq!(kind, FrameKind::Answers);
        wire::answers(&body, count).unwrap().next().unwrap().unwrap()
    }

    /// What came of a request.
    pub(crate) fn outcome(&mut self, request: Request<'_>) -> Outcome {
        self.tap(request).outcome()
    }

    pub(crate) fn noticed(&mut self) -> Notice {
        let (kind, _, body) = self.frame();
        assert_eq!(kind, FrameKind::Notice);
        Notice::parse(&body).unwrap()
    }

    pub(crate) fn fetch(&mut self, what: What) -> (u16, Option<Own>) {
        let mut out = Vec::new();
        Fetch { version: 0, offset: 0, what: what.number() }.push(&mut out).unwrap();
        self.stream.write_all(&out).unwrap();
        let (kind, _, body) = self.frame();
        assert_eq!(kind, FrameKind::Configuration);
        let slice = Slice::parse(&body).unwrap();
        (slice.code, Own::decode(slice.bytes))
    }

    pub(crate) fn id(&self, counter: u64) -> RequestId {
        RequestId::new(self.device, counter).unwrap()
    }

    /// Opens the wallet of a band and pays so much in, under ids from `counter` on.
    pub(crate) fn fund(&mut self, counter: u64, band: u8, amount: i64) {
        let opened = self.tap(Request::open_wallet(self.id(counter), uid(band)));
        assert_eq!(opened.outcome(), Outcome::Applied);
        let topped = self.tap(Request::top_up(self.id(counter + 1), uid(band), amount, Tender::Cash));
        assert_eq!((topped.outcome(), topped.balance), (Outcome::Applied, amount));
    }
}

/// The desk of the example, with 50 euros paid in for band 1 under ids 1 and 2.
pub(crate) fn desk(server: &Server) -> Terminal {
    let (mut desk, _) = Terminal::welcomed(server, DESK);
    desk.fund(1, 1, 5_000);
    desk
}

pub(crate) fn uid(band: u8) -> Uid {
    Uid::new(&[4, band, 3, 4, 5, 6, 7]).unwrap()
}

/// A beer of the example.
pub(crate) fn lager(price: u32) -> [Line; 1] {
    [Line { item: 1, quantity: 1, unit_price: price }]
}
