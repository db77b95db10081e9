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

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use engine::host::{Host, OsHost};
use engine::job::{Clock, Mono};
use engine::supervise::Notice;
use gateway::commands::verify::verify;
use gateway::commands::{explain, release, serve};
use gateway::limits::Limits;
use gateway::server::{Config, Server};
use ledger::ids::At;
use ledger::journal::embedded::{self, Disk};
use ledger::mutant::{POISON_APPLY, POISON_REPLAY, Point, Strike, arm, is_armed, let_go, mend};
use till::Till;
use wire::{Outcome, Refusal};

/// A strike meets the first thread that passes its point, whichever server it belongs to.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Longest wait for anything that must happen.
const PATIENCE: Duration = Duration::from_mins(1);
/// Answers that must come before the strike, and again after the part has come back.
const LOAD: u64 = 200;

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
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
    assert_eq!(verified.code(), 0, "{:?} {:?}", verified.report.findings, verified.differences);
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

#[test]
fn a_broken_shard_is_busy_over_the_wire_and_its_neighbours_sell_on() {
    // One request that trips a defect, and every bar of the server stood still until its shard was read back.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = festival::founded();
    let (server, _told) = start(&place.path().join("ledger"), 1);
    let address = server.address();
    let mut tills = festival::tills(address);
    let bar = &mut tills[1];
    let shards = shards_of(bar, address);
    let broken = shards[0];
    // Nothing is rebuilt until it is let go.
    arm(Point::Recovery, Strike::Hang);
    wait_for("the recovery thread hangs", || !is_armed());
    let poisoned = bar.try_sale(address, 0, POISON_APPLY);
    assert_eq!(poisoned.outcome(), Outcome::Refused(Refusal::Internal));
    for (band, shard) in shards.iter().enumerate() {
        let expected = if *shard == broken { Outcome::Refused(Refusal::Busy) } else { Outcome::Applied };
        assert_eq!(bar.try_sale(address, band, 0).outcome(), expected, "band {band} of shard {shard}");
    }
    let_go();
    let until = Instant::now() + PATIENCE;
    while bar.try_sale(address, 0, 0).outcome() != Outcome::Applied {
        assert!(Instant::now() < until, "the shard did not come back");
    }
    assert_eq!(server.status().failures(), 0);
    server.stop().unwrap();
}

/// The age of the oldest message on its way, in microseconds, as `/metrics` shows it.
fn oldest(metrics: &str) -> Option<u64> {
    let mut values =
        metrics.lines().filter_map(|line| line.strip_prefix("fanfare_messages_oldest_microseconds "));
    values.next()?.parse().ok()
}

/// Whether `text` of `/metrics` has this line.
fn has_line(text: &str, line: &str) -> bool {
    text.lines().any(|one| one == line)
}

#[test]
fn a_record_that_cannot_be_read_back_stops_one_shard_of_the_server() {
    // A record that a new build trips over: the whole festival was without a server until somebody wrote
    // another build.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    mend(false);
    let place = festival::founded();
    let dir = place.path().join("ledger");
    let (server, _told) = start(&dir, 2);
    let mut tills = festival::tills(server.address());
    let [desk, bar, ..] = tills.as_mut_slice() else { panic!("a desk and three bars") };
    let shards = shards_of(bar, server.address());
    let poisoned = bar.try_sale(server.address(), 0, POISON_REPLAY);
    assert_eq!(poisoned.outcome(), Outcome::Applied);
    let (broken, record) = (shards[0], poisoned.position.number());
    server.stop().unwrap();

    let (server, _told) = start(&dir, 2);
    let stopped = server.status().stopped();
    assert_eq!(stopped.len(), 1);
    let named = (stopped[0].shard.0, stopped[0].record.0);
    assert_eq!(named, (broken, record));
    all_sell_but(broken, &shards, bar, server.address());
    // Ready for the others, and it says who is not served.
    let ready = get(server.http(), "/health/ready");
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    assert!(ready.ends_with(&format!("ready\nstopped: {}\n", stopped[0])), "{ready}");
    let metrics = get(server.http(), "/metrics");
    let wanted = format!("fanfare_stopped_at_record{{shard=\"{broken}\"}} {record}");
    assert!(has_line(&metrics, "fanfare_shards_stopped 1") && has_line(&metrics, &wanted), "{metrics}");
    // What is sent to one of its bands waits, and how long for is shown.
    let friend = shards.iter().position(|shard| *shard != broken).unwrap();
    assert_eq!(desk.pay(server.address(), friend, 0, 100).outcome(), Outcome::Applied);
    wait_for("an age of the message", || oldest(&get(server.http(), "/metrics")) > Some(0));
    assert_eq!(server.status().failures(), 0);
    server.stop().unwrap();
    assert!(told_by_the_binary(&dir).contains(&stopped[0].to_string()));
    // The journal itself is sound, and the tools say which build is not.
    let verified = verify(&dir).unwrap();
    assert!(verified.is_sound() && verified.look.is_some() && verified.code() == 3);
    assert_eq!(verified.states.err(), Some(stopped[0].to_string()));
    let told = Command::new(env!("CARGO_BIN_EXE_fanfare")).arg("verify").arg(&dir).output().unwrap();
    let said = String::from_utf8(told.stdout).unwrap();
    let both =
        format!("\nsound: nothing was found that must not be\nthis build cannot replay it: {}\n", stopped[0]);
    assert!(told.status.code() == Some(3) && said.ends_with(&both), "{said}");
    let args = release::Args { dir: dir.clone(), wallet: "04000304050607".into() };
    let refused = release::release(&args, &mut std::io::sink()).unwrap_err().to_string();
    assert!(refused.contains(&stopped[0].to_string()), "{refused}");

    let place = explain::parse(&format!("{broken}/{record}")).unwrap();
    let error = explain::explain(&dir, place).unwrap_err().to_string();
    assert!(error.starts_with(&stopped[0].to_string()), "{error}");

    mend(true);
    assert_eq!(explain::explain(&dir, place).unwrap().records.len(), 1);
    let (server, _told) = start(&dir, 2);
    assert_eq!(server.status().stopped(), []);
    wait_for("the message", || bar.balance(server.address(), 0) == festival::TOP_UP - 2 + 100);
    wait_for("no age of any message", || oldest(&get(server.http(), "/metrics")) == Some(0));
    server.stop().unwrap();
    let verified = verify(&dir).unwrap();
    assert_eq!(verified.code(), 0, "{:?} {:?}", verified.report.findings, verified.differences);
}

/// The shard of each band, of which there are three or more.
fn shards_of(bar: &mut Till, server: SocketAddr) -> Vec<u16> {
    let shards: Vec<u16> =
        (0..festival::BANDS).map(|band| bar.try_sale(server, band, 0).position.shard()).collect();
    assert!(shards.iter().collect::<std::collections::BTreeSet<_>>().len() >= 3);
    shards
}

/// Sells to every band, and is refused by those of one shard.
fn all_sell_but(broken: u16, shards: &[u16], bar: &mut Till, server: SocketAddr) {
    for (band, shard) in shards.iter().enumerate() {
        let internal = Outcome::Refused(Refusal::Internal);
        let expected = if *shard == broken { internal } else { Outcome::Applied };
        assert_eq!(bar.try_sale(server, band, 0).outcome(), expected, "band {band} of shard {shard}");
    }
}

/// What `fanfare serve` says of its own accord until it is told to stop.
fn told_by_the_binary(dir: &Path) -> String {
    let any = "127.0.0.1:0";
    let mut serve = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    serve.arg("serve").arg(dir).args(["--plain", any, "--http", any]);
    let mut serve = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut announced = String::new();
    BufReader::new(serve.stdout.as_mut().unwrap()).read_line(&mut announced).unwrap();
    assert!(announced.starts_with("listening on"), "{announced}");
    rustix::process::kill_process(rustix::process::Pid::from_child(&serve), rustix::process::Signal::TERM)
        .unwrap();
    String::from_utf8(serve.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn a_shard_that_cannot_be_rebuilt_stops_and_the_server_goes_on() {
    // A rebuild that failed took the loops, the journal and every terminal's connection along, five times
    // in a minute, and then the process.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    mend(false);
    let place = festival::founded();
    let (server, _told) = start(&place.path().join("ledger"), 1);
    let address = server.address();
    let mut tills = festival::tills(address);
    let bar = &mut tills[1];
    let shards = shards_of(bar, address);
    bar.try_sale(address, 0, POISON_REPLAY);
    let breaks = bar.try_sale(address, 0, POISON_APPLY);
    assert_eq!(breaks.outcome(), Outcome::Refused(Refusal::Internal));
    wait_for("the shard stops", || server.status().stopped().len() == 1);
    all_sell_but(shards[0], &shards, bar, address);
    assert_eq!(server.status().failures(), 0);
    assert!(get(server.http(), "/health/ready").starts_with("HTTP/1.1 200"));
    server.stop().unwrap();
}

#[test]
fn a_server_whose_every_shard_stopped_is_not_ready_and_does_not_start_again() {
    // A server that looks healthy and serves nobody: nobody was called.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    mend(false);
    let place = festival::founded_with(2);
    let dir = place.path().join("ledger");
    let (server, _told) = start(&dir, 2);
    let address = server.address();
    let mut tills = festival::tills(address);
    for band in 0..festival::BANDS {
        tills[1].try_sale(address, band, POISON_REPLAY);
        tills[1].try_sale(address, band, POISON_APPLY);
    }
    wait_for("every shard stops", || server.status().stopped().len() == 2);
    assert_eq!(server.status().not_ready(), ["every shard is stopped"]);
    server.stop().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config { dir, plain: any, http: any, loops: 1, limits: Limits::default() };
    let error = Server::start(config, |_| {}).err().unwrap().to_string();
    assert!(error.contains("makes this build panic"), "{error}");
}

/// A machine whose monotonic clock shows what the test says.
struct Stopped {
    machine: OsHost,
    mono: AtomicU64,
}

impl Host for Stopped {
    fn clock(&self) -> Clock {
        let mono = Mono(self.mono.load(Ordering::SeqCst));
        Clock { wall: At(1_780_272_000_000_000 + i64::try_from(mono.0).unwrap()), mono }
    }

    fn stopwatch(&self) -> embedded::Clock {
        self.machine.stopwatch()
    }

    fn disk(&self) -> std::io::Result<Arc<dyn Disk>> {
        self.machine.disk()
    }
}

#[test]
fn a_loop_that_hangs_turns_readiness_red_and_green_again_when_it_goes_on() {
    // A server that takes connections and answers nobody, and looks healthy to whoever could replace it.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let place = festival::founded();
    let dir = place.path().join("ledger");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let limits = Limits::default();
    let config = Config { dir: dir.clone(), plain: any, http: any, loops: 1, limits };
    let start = 1_000_000;
    let host = Arc::new(Stopped { machine: OsHost::new(&dir), mono: AtomicU64::new(start) });
    let server = Server::start_on(Arc::clone(&host) as Arc<dyn Host>, config, |_| {}).unwrap();
    let status = server.status();
    wait_for("the loop turns", || status.longest_silence() == Some(0));
    arm(Point::CoreLoop, Strike::Hang);
    wait_for("the loop hangs", || !is_armed());
    host.mono.store(start + limits.hanging, Ordering::SeqCst);
    assert_eq!(status.not_ready(), [""; 0]);
    assert!(get(server.http(), "/health/ready").ends_with("ready\n"));
    host.mono.store(start + limits.hanging + 1, Ordering::SeqCst);
    assert_eq!(status.not_ready(), ["a core loop has not turned for 5 s"]);
    let red = get(server.http(), "/health/ready");
    assert!(red.starts_with("HTTP/1.1 503") && red.contains("has not turned for 5 s"), "{red}");
    let_go();
    wait_for("the loop turns again", || status.not_ready().is_empty());
    server.stop().unwrap();
}

/// Says to this test binary, started once more, how its server is to hang.
const HANGS: &str = "FANFARE_TEST_HANGS";

#[test]
fn a_process_whose_loop_hangs_ends_and_so_does_one_that_was_told_to_stop() {
    // A hung server outlived its manager's order to stop: nobody could start another on its ledger.
    if let Some(how) = std::env::var_os(HANGS) {
        let ended = hang(how == "told to stop");
        panic!("it went on: {ended:?}");
    }
    for (how, said) in [("alone", "a core loop hangs"), ("told to stop", "told to stop and hangs")] {
        let me = std::env::current_exe().unwrap();
        let name = "a_process_whose_loop_hangs_ends_and_so_does_one_that_was_told_to_stop";
        let ended = Command::new(me).args([name, "--exact", "--nocapture"]).env(HANGS, how).output().unwrap();
        let heard = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.signal(), Some(signal_hook::consts::SIGABRT), "{how}: {heard}");
        assert!(heard.contains(said), "{how}: {heard}");
    }
}

/// Serves with a loop that hangs, as `fanfare serve` does; never comes back.
fn hang(told_to_stop: bool) -> ExitCode {
    let place = festival::founded();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    // Nobody waits for it: what hangs hangs for ever.
    let hanging = if told_to_stop { 1_000_000 } else { 20_000 };
    let limits = Limits { hanging, drain: 20_000, ..Limits::default() };
    let config = Config { dir: place.path().join("ledger"), plain: any, http: any, loops: 1, limits };
    let server = Server::start(config, |_| {}).unwrap();
    arm(Point::CoreLoop, Strike::Hang);
    wait_for("the loop hangs", || !is_armed());
    let (bell, mut ring) = UnixStream::pair().unwrap();
    if told_to_stop {
        ring.write_all(&[0]).unwrap();
    }
    serve::attend(server, bell, serve::Said::default(), &mut std::io::sink()).unwrap()
}
