//! Every long-lived part of a running server is made to panic, and to end, while terminals send. It must
//! come back by itself, the terminals reconnect and send what is unknown again, and no acknowledged record
//! is lost (L3), none taken twice (L4). Without this a festival would stand still after one bad moment of
//! one thread, or lose what a till already printed.
#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "supervision/festival.rs"]
mod festival;
#[path = "supervision/till.rs"]
mod till;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::supervise::Notice;
use gateway::commands::verify::verify;
use gateway::limits::Limits;
use gateway::server::{Config, Server};
use ledger::mutant::{Point, Strike, arm, is_armed};
use till::Till;

/// A strike meets the first thread that passes its point, whichever server it belongs to.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_mins(1);
/// Answers that must come before the strike, and again after the part has come back.
const LOAD: u64 = 200;

fn wait_for(what: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what} did not happen");
        std::thread::yield_now();
    }
}

fn start(dir: &Path, loops: u16) -> (Server, Receiver<Notice>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { dir: dir.to_owned(), plain: any, http: any, loops, limits: Limits::default() };
    let (tell, told) = channel();
    let server = Server::start(config, move |notice| tell.send(notice.clone()).unwrap_or_default());
    (server.unwrap(), told)
}

/// Waits until a part of `group` has failed and all of the group runs again.
fn failed_and_back(told: &Receiver<Notice>, group: &str) {
    let mut failed = false;
    loop {
        match told.recv_timeout(PATIENCE).expect("nothing was heard of the part") {
            Notice::Failed { group: named, .. } => {
                assert_eq!(named, group);
                failed = true;
            }
            Notice::Started(named) if failed && named == group => return,
            Notice::Started(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Strikes one part of a server under load, and checks everything that was ever answered.
fn strike(point: Point, strike: Strike, group: &str, loops: u16) {
    let place = festival::founded();
    let dir = place.path().join("ledger");
    let (server, told) = start(&dir, loops);
    let address = server.address();
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut tills = festival::tills(address);
    std::thread::scope(|scope| {
        for till in &mut tills {
            let (answered, stop) = (&answered, &stop);
            scope.spawn(move || till.sell(address, answered, stop));
        }
        // If a check fails here, the tills must end all the same.
        let stopping = till::StopAtEnd(&stop);
        let load = |more: u64| {
            let from = answered.load(Ordering::SeqCst);
            wait_for("more answers", || answered.load(Ordering::SeqCst) >= from + more);
        };
        load(LOAD);
        arm(point, strike);
        failed_and_back(&told, group);
        assert!(!is_armed());
        load(LOAD);
        drop(stopping);
    });
    check(&server, &mut tills);
    assert_eq!(server.status().failures(), 1);
    assert!(get(server.http(), "/health/ready").ends_with("ready\n"));
    server.stop().unwrap();
    let verified = verify(&dir).unwrap();
    assert!(verified.is_sound(), "{:?} {:?}", verified.report.findings, verified.differences);
}

/// Every request gets its first answer again, and the balances are what the answers add up to.
fn check(server: &Server, tills: &mut [Till]) {
    let mut balances = [0; festival::BANDS];
    for till in tills.iter_mut() {
        till.send_all_again(server.address());
        for order in &till.orders {
            balances[order.band] += order.effect();
        }
    }
    let orders: usize = tills.iter().map(|till| till.orders.len()).sum();
    assert!(orders as u64 > LOAD);
    let stated: Vec<i64> =
        (0..festival::BANDS).map(|band| tills[0].balance(server.address(), band)).collect();
    assert_eq!(stated, balances);
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: fanfare\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// Panics and ends, with one loop and with two.
fn both(point: Point, group: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    strike(point, Strike::Panic, group, 1);
    strike(point, Strike::End, group, 2);
}

#[test]
fn a_core_loop_comes_back() {
    both(Point::CoreLoop, "ledger");
}

#[test]
fn a_core_loop_that_had_answers_in_hand_comes_back() {
    both(Point::CoreLoopAnswering, "ledger");
}

#[test]
fn the_journal_thread_comes_back() {
    both(Point::Journal, "ledger");
}

#[test]
fn the_look_up_thread_comes_back() {
    both(Point::Lookup, "ledger");
}

#[test]
fn the_recovery_thread_comes_back() {
    both(Point::Recovery, "ledger");
}

#[test]
fn http_comes_back_and_no_terminal_notices() {
    both(Point::Http, "http");
}
