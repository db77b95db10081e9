//! A whole server over a real directory: its threads, its HTTP, its orderly end.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use engine::host::{Host, OsHost};
use engine::job::Clock;
use gateway::huge_pages::HugePages;
use gateway::server::{Config, ServeError, Server};
use ledger::journal::embedded::Disk;
use support::server::{Terminal, config, founded, lager, start, uid};
use support::{BAR, DESK, SHARDS};
use wire::{FrameKind, Outcome, Request};

/// As in the binary.
#[global_allocator]
static HEAP: HugePages = HugePages::new();

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: fanfare\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn what_was_sold_is_there_after_an_orderly_restart() {
    let parent = founded();
    for (start_number, loops) in [(1, 2), (2, 1)] {
        let server = start(parent.path(), loops);
        let (mut desk, _) = Terminal::welcomed(&server, DESK);
        let (mut bar, _) = Terminal::welcomed(&server, BAR);
        for band in 1..=20 {
            let counter = u64::from(band) * 2;
            // After the restart all of these are retries, and get their first answers.
            desk.fund(counter, band, 2_000);
            let bought = bar.tap(Request::purchase(bar.id(counter), uid(band), &lager(650)));
            assert_eq!((bought.outcome(), bought.balance), (Outcome::Applied, 1_350));
        }
        assert!(get(server.http(), "/health/live").starts_with("HTTP/1.1 200"));
        assert!(get(server.http(), "/health/ready").ends_with("ready\n"));
        let metrics = get(server.http(), "/metrics");
        let wanted = ["fanfare_law_broken_total{law=\"L3\"} 0", &format!("fanfare_epoch {start_number}")];
        assert!(wanted.iter().all(|line| metrics.contains(line)), "{metrics}");
        // Pages of wallets that the allocator no longer knows by their size: every tap waits for memory again.
        assert!(!metrics.contains("fanfare_wallet_page_bytes 0\n"), "{metrics}");
        assert_eq!(server.status().failures(), 0);
        server.stop().unwrap();
        assert_eq!(bar.frame().0, FrameKind::Notice);
        assert_eq!(bar.frame().0, FrameKind::ServerGoodbye);
    }
}

/// This machine, but for a look at the server's own health when it reads the ledger back.
struct Curious {
    host: OsHost,
    http: SocketAddr,
    heard: Mutex<Vec<String>>,
}

impl Host for Curious {
    fn clock(&self) -> Clock {
        self.host.clock()
    }

    fn stopwatch(&self) -> ledger::journal::embedded::Clock {
        self.host.stopwatch()
    }

    fn disk(&self) -> std::io::Result<Arc<dyn Disk>> {
        let said = ["/health/live", "/health/ready"].map(|path| get(self.http, path));
        self.heard.lock().unwrap().extend(said);
        self.host.disk()
    }
}

/// A ledger that took minutes to read back was ended by its manager each time before it was done.
#[test]
fn health_is_told_while_the_ledger_is_read_back() {
    let parent = founded();
    let mut config = config(parent.path(), 1);
    config.http = std::net::TcpListener::bind(config.http).unwrap().local_addr().unwrap();
    let host = OsHost::new(&config.dir);
    let curious = Arc::new(Curious { host, http: config.http, heard: Mutex::default() });
    let server = Server::start_on(Arc::clone(&curious) as Arc<dyn Host>, config, |_| {}).unwrap();
    let heard = curious.heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 2);
    assert!(heard[0].starts_with("HTTP/1.1 200") && heard[1].starts_with("HTTP/1.1 503"), "{heard:?}");
    assert!(get(server.http(), "/health/ready").starts_with("HTTP/1.1 200"));
    server.stop().unwrap();
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

/// An operator who asked for 64 threads got as many as there were shards, and nobody told him.
#[test]
fn more_loops_than_shards_are_refused_with_the_number_there_are() {
    let parent = founded();
    let error = Server::start(config(parent.path(), SHARDS + 1), |_| {}).err().unwrap();
    assert!(matches!(error, ServeError::Loops { shards: SHARDS, .. }), "{error}");
    assert!(error.to_string().contains(&format!("--loops {SHARDS} or fewer")), "{error}");
    start(parent.path(), SHARDS).stop().unwrap();
}

#[test]
fn plain_tcp_is_for_this_machine_only() {
    let parent = founded();
    let open = Config { plain: SocketAddr::from(([0, 0, 0, 0], 0)), ..config(parent.path(), 1) };
    let error = Server::start(open, |_| {}).err().unwrap();
    assert!(matches!(error, ServeError::Listen(_)) && error.to_string().contains("127.0.0.1"), "{error}");
}
