//! `fanfare festival` against a whole server: what an organiser changes while people stand at the bars.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use gateway::commands::festival::{Applied, Client, apply, describe, difference};
use gateway::commands::verify;
use gateway::festival_file;
use gateway::server::Server;
use ledger::ids::{At, Version};
use support::server::{Terminal, config, desk, file, founded, lager, start, uid};
use support::{BAR, DESK, EXAMPLE, NOW, OFFICE, PIZZA};
use wire::{Decline, FrameKind, Notice, Outcome, Refusal, Request, Tender, What};

/// Brings a file into force; what became of it, and what was shown.
fn applied(
    server: &Server,
    device: u32,
    file: &actors::festival::Festival,
) -> Result<(Applied, String), String> {
    let told = |error: gateway::commands::Failure| error.to_string();
    let mut client = Client::connect(server.address(), 1, device).map_err(told)?;
    let mut out = Vec::new();
    let applied = apply(&mut client, file, NOW, &mut out, |_| Ok(true)).map_err(told)?;
    Ok((applied, String::from_utf8(out).unwrap()))
}

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
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
            desk.fund(u64::from(band) * 2, band, 5_000);
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
            assert_eq!(bar.outcome(old), Outcome::Refused(Refusal::UnknownItemOrPrice));
            let new = Request::purchase(bar.id(u64::from(band) * 2 + 1), uid(band), &new_price);
            assert_eq!(bar.outcome(new), Outcome::Applied);
        }
        server.stop().unwrap();
        let verified = verify::verify(&parent.path().join("ledger")).unwrap();
        assert_eq!(verified.code(), 0, "{:?}", verify::json(&verified));
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
    let _desk = desk(&server);
    let (mut bar, _) = Terminal::welcomed(&server, BAR);
    assert_eq!(bar.outcome(Request::purchase(bar.id(1), uid(1), &lager(650))), Outcome::Applied);
    let revoked = file(&[("number = 1\ntill = 1\n", "number = 1\nrevoked = true\ntill = 1\n")]);
    applied(&server, OFFICE, &revoked).unwrap();
    assert_eq!(bar.noticed(), Notice::Configuration(2));
    let refused = Outcome::Refused(Refusal::DeviceRevoked);
    assert_eq!(bar.outcome(Request::purchase(bar.id(2), uid(1), &lager(650))), refused);
    assert_eq!(bar.outcome(Request::cancel(bar.id(1), uid(1))), refused);
    // What it is told is that it was revoked; not who works at which till, for as long as it stays connected.
    let (code, own) = bar.fetch(What::Own);
    assert_eq!((code, own.unwrap().version), (0, 2));
    assert_eq!(bar.fetch(What::Whole).0, Refusal::DeviceRevoked.number());
    let (_, kind, body) = Terminal::connect(&server, BAR);
    assert_eq!(
        (kind, wire::Fault::parse(&body).unwrap().code),
        (FrameKind::Fault, Refusal::DeviceRevoked.number())
    );
    server.stop().unwrap();
}

/// The careful organiser, who read all that would change before she said yes, could never change anything.
#[test]
fn a_change_may_be_read_for_longer_than_the_server_waits_for_a_word() {
    let parent = founded();
    let mut config = config(parent.path(), 1);
    config.limits.idle = 1_000_000;
    let server = Server::start(config, |_| {}).unwrap();
    let changed = file(&[("price = \"6.50\"", "price = \"7.00\"")]);
    let mut client = Client::connect(server.address(), 1, OFFICE).unwrap();
    let agree = |_: &mut dyn std::io::Write| {
        // As long as it takes the server to let a silent device go.
        let (mut silent, _) = Terminal::welcomed(&server, BAR);
        assert_eq!(silent.frame().0, FrameKind::Fault);
        Ok(true)
    };
    let applied = apply(&mut client, &changed, NOW, &mut Vec::new(), agree).unwrap();
    assert!(matches!(applied, Applied::InForce(now, _) if now == version(2)), "{applied:?}");
    server.stop().unwrap();
}

/// The queue is long and a second terminal is unpacked: it could not sell before the server was started anew.
#[test]
fn a_device_enrolled_while_the_server_runs_is_welcomed_and_sells() {
    const NEW: u32 = 6;
    for loops in [1, 2] {
        let parent = founded();
        let server = start(parent.path(), loops);
        let mut desk = desk(&server);
        let (_, kind, body) = Terminal::connect(&server, NEW);
        let refused = wire::Fault::parse(&body).unwrap().code;
        assert_eq!((kind, refused), (FrameKind::Fault, Refusal::Unauthenticated.number()));
        let bar = "[[devices]]\nnumber = 2\n";
        let enrolled =
            format!("[[devices]]\nnumber = {NEW}\ntill = 1\nroles = [\"sell\"]\n\n[[devices]]\nnumber = 2\n");
        let (outcome, shown) = applied(&server, OFFICE, &file(&[(bar, &enrolled)])).unwrap();
        assert!(matches!(outcome, Applied::InForce(now, _) if now == version(2)), "{outcome:?}");
        assert!(shown.contains("device 6"), "{shown}");
        assert_eq!(desk.noticed(), Notice::Configuration(2));
        let (mut new, welcome) = Terminal::welcomed(&server, NEW);
        assert_eq!(welcome.configuration, 2);
        assert_eq!(new.fetch(What::Own).1.map(|own| (own.till, own.items.len())), Some((1, 2)));
        assert_eq!(new.outcome(Request::purchase(new.id(1), uid(1), &lager(650))), Outcome::Applied);
        // It may do what its role says and nothing else.
        let refused = Outcome::Refused(Refusal::NotYourRole);
        assert_eq!(new.outcome(Request::top_up(new.id(2), uid(1), 500, Tender::Cash)), refused);
        server.stop().unwrap();
    }
}

/// Rain: nothing is sold until it is over, and what was just charged can be given back.
#[test]
fn a_paused_festival_takes_no_money_and_gives_it_back() {
    let parent = founded();
    let server = start(parent.path(), 1);
    let mut desk = desk(&server);
    let (mut bar, _) = Terminal::welcomed(&server, BAR);
    assert_eq!(bar.outcome(Request::purchase(bar.id(1), uid(1), &lager(650))), Outcome::Applied);
    applied(&server, OFFICE, &file(&[("standing = \"open\"", "standing = \"paused\"")])).unwrap();
    assert_eq!((bar.noticed(), desk.noticed()), (Notice::Configuration(2), Notice::Configuration(2)));
    let paused = Outcome::Declined(Decline::FestivalPaused);
    assert_eq!(bar.outcome(Request::purchase(bar.id(2), uid(1), &lager(650))), paused);
    assert_eq!(desk.outcome(Request::top_up(desk.id(3), uid(1), 500, Tender::Cash)), paused);
    assert_eq!(desk.outcome(Request::void(desk.id(4), uid(1), bar.id(1), 7)), Outcome::Applied);
    applied(&server, OFFICE, &file(&[])).unwrap();
    assert_eq!(bar.noticed(), Notice::Configuration(3));
    assert_eq!(bar.outcome(Request::purchase(bar.id(3), uid(1), &lager(650))), Outcome::Applied);
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

/// A device with the role to change everything came into force behind a line that said "device 7".
#[test]
fn of_what_is_new_every_field_is_shown() {
    let text = format!(
        "{EXAMPLE}\n[[items]]\nid = 90\nname = \"Tea\"\nvendor = 1\nprice = \"3.20\"\nvat = \"20\"\n\n[[devices]]\nnumber = 77\ntill = 1\nroles = [\"sell\", \"administer\"]\n"
    );
    let (before, after) = (file(&[]), festival_file::parse(&text, NOW).unwrap());
    let lines = difference(&before, &after);
    assert_eq!(
        lines,
        [
            "+ item 90: name \"Tea\", vendor 1, price 3.20 EUR, vat 20 %, stopped no",
            "+ device 77: till 1, roles sell and administer, revoked no",
        ]
    );
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
    let _desk = desk(&server);
    let (mut pizza, _) = Terminal::welcomed(&server, PIZZA);
    let moved = file(&[("number = 2\ntill = 2\n", "number = 2\ntill = 1\n")]);
    applied(&server, OFFICE, &moved).unwrap();
    assert_eq!(pizza.noticed(), Notice::Configuration(2));
    assert_eq!(pizza.fetch(What::Own).1.map(|own| (own.till, own.items.len())), Some((1, 2)));
    assert_eq!(pizza.outcome(Request::purchase(pizza.id(1), uid(1), &lager(650))), Outcome::Applied);
    server.stop().unwrap();
}
