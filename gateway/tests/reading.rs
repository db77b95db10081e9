//! verify, inspect and explain on a ledger with a history, on a forged one and on damaged files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use actors::command::Command;
use gateway::commands::explain::{self, Again, Subject, explain};
use gateway::commands::{inspect, verify};
use ledger::ids::{RecordNumber, RequestId, ShardId};
use ledger::record::{Body, Kind, Record};
use support::{BAR, DESK, SHARDS, Site, buy, cash, evening, long_evening};

fn verified(site: &Site) -> (verify::Verified, String) {
    let verified = verify::verify(site.dir()).unwrap();
    let mut out = Vec::new();
    verify::print(&verified, &mut out).unwrap();
    (verified, String::from_utf8(out).unwrap())
}

fn explained(site: &Site, subject: impl Into<Subject>) -> (bool, String) {
    let (subject, mut out) = (subject.into(), Vec::new());
    let same = explain::print(subject, &explain(site.dir(), subject).unwrap(), &mut out).unwrap();
    (same, String::from_utf8(out).unwrap())
}

#[test]
fn a_sound_ledger_is_found_sound_and_its_state_is_the_live_one() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let (verified, text) = verified(&site);
    assert_eq!(verified.code(), 0, "{text}");
    let states: Vec<_> = verified.states.as_ref().unwrap().iter().map(|state| state.digest).collect();
    assert_eq!(states, site.digests(), "L6");
    for said in [
        "of \"Example Festival\": 4 shards, format level 4",
        "insufficient_funds 1",
        "cash drawer 200.00 EUR 0.00 EUR 200.00 EUR",
        "bonus funder 30.00 EUR 0.00 EUR 30.00 EUR",
        "10 wallets, 10 of them open",
        "sound: nothing was found that must not be this build replays it to the same wallets",
    ] {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(said), "{said:?} is not in\n{text}");
    }
    let json = verify::json(&verified);
    assert_eq!((&json["sound"], &json["replayed"]), (&true.into(), &true.into()));
    assert_eq!(json["kinds"]["voided"], 1);
    assert_eq!(json["findings_total"], 0);
    assert_eq!(json["states"].as_array().unwrap().len(), usize::from(SHARDS));
    let sum: i64 =
        json["totals"].as_array().unwrap().iter().map(|total| total["balance"].as_i64().unwrap()).sum();
    assert_eq!(sum, 0, "L1");
}

#[test]
fn a_running_server_can_be_verified_too() {
    let mut site = Site::new();
    evening(&mut site);
    site.write();
    let (found, text) = verified(&site);
    assert!(found.code() == 0 && text.contains("a server has this ledger open"), "{text}");
    site.close();
    assert!(!verified(&site).1.contains("a server has"));
}

/// A forger who can write the whole log, hashes included, gives a band money from nowhere.
#[test]
fn a_forged_record_is_named() {
    let mut site = Site::new();
    let (id, _) = site.tap(DESK, 1, Command::Open);
    site.tap(DESK, 1, cash(2_000));
    let shard = site.shard_of(1);
    let forged = RequestId::of(id.device().unwrap(), 1_000);
    site.forge(shard, |record| {
        record.envelope.request = forged;
        record.entry = ledger::entry::Entry::none();
        if let Body::ToppedUp { amount, .. } = &mut record.body {
            *amount = 9_999;
        }
    });
    site.close();
    let (verified, text) = verified(&site);
    assert_eq!((verified.is_sound(), verified.code()), (false, 1));
    assert!(text.contains(&format!("found: L1 sums: shard {shard} block ")), "{text}");
    assert!(text.contains("NOT SOUND: 1 findings"), "{text}");
    let (same, text) = explained(&site, forged.unwrap());
    assert!(!same && text.contains("decided again: another record: topped up applied"), "{text}");
}

/// A sound ledger was called NOT SOUND because the build that looked at it had a defect: an organiser would
/// have thrown away a right journal, or hidden a broken build behind the word of the files.
#[test]
fn a_build_that_disagrees_says_nothing_against_the_files() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let (sound, _) = verified(&site);
    let told = |verified: &verify::Verified| {
        let mut out = Vec::new();
        verify::print(verified, &mut out).unwrap();
        (verified.code(), String::from_utf8(out).unwrap(), verify::json(verified))
    };
    let differs = verify::Verified { differences: vec!["wallet 7".into()], ..sound.clone() };
    let stopped = verify::Verified { states: Err("shard 3 stopped".into()), ..sound.clone() };
    for (verified, line) in [
        (
            &differs,
            "\nsound: nothing was found that must not be\nthis build replays it to something else: wallet 7\n",
        ),
        (
            &stopped,
            "\nsound: nothing was found that must not be\nthis build cannot replay it: shard 3 stopped\n",
        ),
    ] {
        let (code, text, json) = told(verified);
        assert!(code == 3 && text.ends_with(line), "{code}: {text}");
        assert_eq!((&json["sound"], &json["replayed"]), (&true.into(), &false.into()));
    }
    let mut both = stopped;
    both.report.findings_total = 1;
    let (code, text, _) = told(&both);
    assert!(code == 1 && text.contains("\nNOT SOUND: 1 findings") && !text.contains("\nsound"), "{text}");
}

#[test]
fn damaged_files_are_told_with_their_place() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let segment = site.dir().join("log/segment-0000000001");
    let mut bytes = std::fs::read(&segment).unwrap();
    // In the payload of the first frame.
    bytes[4_096 + 500] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let (verified, text) = verified(&site);
    assert_eq!((verified.is_sound(), verified.code()), (false, 1));
    assert!(text.contains("the files could not be read to the end"), "{text}");
    assert!(text.contains("found: L7 chain: the ledger: damaged at segment 1, offset 4096"), "{text}");
    assert!(explain(site.dir(), RequestId::new(1).unwrap()).is_err());
}

#[test]
fn explain_tells_a_requests_whole_story() {
    let mut site = Site::new();
    let sale = evening(&mut site);
    site.close();
    let found = explain(site.dir(), sale).unwrap().records;
    assert_eq!(found.len(), 2, "the sale and its void");
    assert!(found.iter().all(|one| one.again == Again::Same));
    let (again, text) = explained(&site, sale);
    assert!(again);
    for said in [
        "purchased  applied",
        "1 x item 1 at 6.50 EUR, VAT 20 %",
        "VAT 20 %: base 5.42 EUR, tax 1.08 EUR",
        "decided under configuration 1 of \"Example Festival\"",
        "before: paid 20.00 EUR, bonus 3.00 EUR",
        "after:  paid 16.50 EUR, bonus 0.00 EUR",
        "credit       6.50 EUR  vendor sales 1 EUR",
        "voided  applied",
        &format!("takes back sale {sale} (device 1,"),
        "decided again: the same record",
    ] {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    assert!(!text.contains("decided again: a"), "{text}");
}

#[test]
fn what_a_running_server_has_not_marked_yet_is_not_called_never_seen() {
    // The guest at the service desk was told that her payment of a moment ago did not exist.
    let mut site = Site::new();
    let sale = evening(&mut site);
    let nothing = |site: &Site| explained(site, RequestId::new(1 << 40 | 0xffff).unwrap()).1;
    site.close();
    assert!(nothing(&site).contains("it was never seen, or refused"));
    site.open();
    let text = nothing(&site);
    assert!(
        text.contains("no record of it so far") && text.contains("its last second was not read"),
        "{text}"
    );
    let (_, text) = explained(&site, sale);
    assert!(text.contains("voided") && text.contains("its last second was not read"), "{text}");
    let channels = inspect::text(site.dir(), |args| args.channels = true).unwrap();
    assert!(channels.contains("its last second is not shown"), "{channels}");
}

/// What `explain` promises holds for every request there is, not for the ones a test thought of.
#[test]
fn every_request_of_an_evening_is_decided_again_to_the_same_record() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let mut explained = 0;
    for counter in 1..=40 {
        for device in 1..=4_u64 {
            let found = explain(site.dir(), RequestId::new(device << 40 | counter).unwrap()).unwrap().records;
            for one in &found {
                assert_eq!(one.again, Again::Same, "{one:?}");
            }
            explained += found.len();
        }
    }
    // 3 for each of ten bands; sale, pizza, sale, pizza; the void, twice, with its sale; a sale and
    // its cancel; a burned id.
    assert_eq!(explained, 30 + 4 + 2 + 2 + 1);
    let (_, text) = self::explained(&site, RequestId::new(9 << 40 | 9).unwrap());
    assert!(text.contains("no record of it: it was never seen, or refused"), "{text}");
}

/// All records, each with its place.
fn records(site: &Site) -> Vec<(ShardId, RecordNumber, Record)> {
    let of = |shard: u16| {
        let place =
            move |(number, record): (u64, &Record)| (ShardId(shard), RecordNumber(number), record.clone());
        (0..).zip(site.history(shard)).map(place)
    };
    (0..SHARDS).flat_map(of).collect()
}

/// An organiser who is asked "where did my ten euros go?" must get an answer about a second band, a hold or a
/// transfer too, and it must be the one that the till got.
#[test]
fn what_goes_on_between_wallets_and_over_time_is_verified_and_decided_again() {
    let mut site = Site::with_everything();
    long_evening(&mut site);
    site.close();
    let (verified, text) = verified(&site);
    assert_eq!(verified.code(), 0, "{text}");
    let states: Vec<_> = verified.states.as_ref().unwrap().iter().map(|state| state.digest).collect();
    assert_eq!(states, site.digests(), "L6");
    let records = records(&site);
    let count = |kind| records.iter().filter(|(_, _, record)| record.body.kind() == kind).count();
    for kind in [
        Kind::TagPaired,
        Kind::TagSet,
        Kind::Held,
        Kind::Captured,
        Kind::HoldReleased,
        Kind::HoldExpired,
        Kind::TransferSent,
        Kind::AllowanceSet,
        Kind::AllowanceReturned,
        Kind::Swept,
        Kind::Delivered,
        Kind::DeadLettered,
    ] {
        assert!(count(kind) > 0, "no {} in the scene", kind.name());
    }
    for (shard, number, record) in &records {
        let subject = Subject::Record(*shard, *number);
        let [one] = &explain(site.dir(), subject).unwrap().records[..] else { panic!("{subject:?}") };
        assert_eq!((&one.record, one.shard, one.number), (record, *shard, *number));
        let nobody = record.envelope.request.is_none() && matches!(record.body.kind() as u8, 1..=4);
        let expected = if nobody { Again::Undecided } else { Again::Same };
        assert_eq!(one.again, expected, "{one:?}");
        if let Some(id) = record.envelope.request {
            let found = explain(site.dir(), id).unwrap().records;
            assert!(found.iter().any(|one| one.number == *number && one.shard == *shard), "{id}");
            assert!(found.iter().all(|one| one.again == Again::Same), "{found:?}");
        }
    }
}

/// A vendor was paid for a beer that was given back, and the sales of the other shards hid it in every sum.
#[test]
fn a_vendor_in_debt_on_a_shard_is_told() {
    let mut site = Site::new();
    let other = (2..10).find(|band| site.shard_of(*band) != site.shard_of(1)).unwrap();
    for band in [1, other] {
        site.tap(DESK, band, Command::Open);
        site.tap(DESK, band, cash(2_000));
    }
    let (sale, _) = site.tap(BAR, 1, buy(1));
    site.sweep();
    site.deliver();
    site.write();
    assert!(!verified(&site).1.contains("in debt"));
    site.tap(BAR, other, buy(1));
    site.tap(DESK, 1, Command::Void { sale });
    site.close();
    let (found, text) = verified(&site);
    assert!(found.is_sound(), "{text}");
    let shard = site.shard_of(1);
    assert!(text.contains(&format!("\nvendor 1: shard {shard} in debt 6.50 EUR\n")), "{text}");
    let json = verify::json(&found);
    let told = serde_json::json!([{ "vendor": 1, "shard": shard, "currency": "EUR", "debt": 650 }]);
    assert_eq!(json["vendors_in_debt"], told);
    let sums = json["accounts"].as_array().unwrap().iter();
    let sum = sums.filter(|account| account["kind"] == "vendor sales" && account["owner"] == 1);
    assert_eq!(sum.map(|account| account["balance"].as_i64().unwrap()).sum::<i64>(), 0, "the sum hides it");
}

/// Money came back to a wallet and no till asked for it: the guest's question has no request to ask about.
#[test]
fn the_expiry_of_a_hold_is_explained_by_the_hold_and_by_its_place() {
    let mut site = Site::with_everything();
    let hold = long_evening(&mut site);
    site.close();
    let (same, text) = explained(&site, hold);
    assert!(same, "{text}");
    for said in ["held  applied", "after:  paid 20.00 EUR, bonus 3.00 EUR", "held 10.00 EUR", "hold expired"]
    {
        assert!(text.contains(said), "{said:?} is not in\n{text}");
    }
    let expiry = records(&site).into_iter().find(|(.., record)| record.body.kind() == Kind::HoldExpired);
    let (shard, number, _) = expiry.unwrap();
    let (same, text) = explained(&site, explain::parse(&format!("{shard}/{number}")).unwrap());
    assert!(same && text.contains("decided again: the same record"), "{text}");
    let (same, text) = explained(&site, explain::parse("0/0").unwrap());
    assert!(same && text.contains("no actor decides such a record"), "{text}");
    let (same, text) = explained(&site, explain::parse("0/99999").unwrap());
    assert!(same && text.contains("there is none"), "{text}");
}

/// A forger gives back a hold that nobody had, as if its time had been up.
#[test]
fn a_forged_expiry_is_not_decided_again() {
    let mut site = Site::with_everything();
    let hold = long_evening(&mut site);
    let shard = site.shard_of(7);
    site.forge(shard, |record| {
        record.envelope.request = None;
        record.envelope.mail = None;
        (record.decline, record.entry) = (None, ledger::entry::Entry::none());
        record.body = Body::HoldExpired { hold };
    });
    site.close();
    let place = Subject::Record(ShardId(shard), RecordNumber(site.history(shard).len() as u64 - 1));
    let (same, text) = explained(&site, place);
    assert!(!same && text.contains("decided again: nothing: "), "{text}");
}

/// Money between two shards stood still, and the command to find it showed nothing, or the wrong one.
#[test]
fn the_channels_are_shown_with_what_is_on_its_way_and_since_when() {
    let mut site = Site::with_everything();
    let far = (2..10).find(|band| site.shard_of(*band) != site.shard_of(1)).unwrap();
    for band in [1, far] {
        site.tap(DESK, band, Command::Open);
    }
    site.tap(DESK, 1, cash(2_000));
    let rows = |site: &Site| -> Vec<Vec<String>> {
        let text = inspect::text(site.dir(), |args| args.channels = true).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        text.lines().map(words).collect()
    };
    let heads = "from to sent acknowledged taken on the way oldest on its way";
    let pay = Command::Transfer { payee: site.wallet(far), amount: 100 };
    site.write();
    let in_use = "... a server has this ledger open: its last second is not shown";
    assert_eq!(rows(&site).iter().map(|row| row.join(" ")).collect::<Vec<_>>(), [heads, in_use]);
    site.tap(DESK, 1, pay.clone());
    site.deliver();
    site.tap(DESK, 1, pay);
    site.close();
    let (from, to) = (site.shard_of(1), site.shard_of(far));
    let second = site.history(from).last().unwrap().at;
    // Two sent, none acknowledged, one taken, one on its way since the second one.
    let (seconds, micros) = (second.0 / 1_000_000, second.0 % 1_000_000);
    let [minutes, seconds] = [seconds / 60 % 60, seconds % 60];
    let shown = rows(&site);
    assert_eq!(shown.len(), 2, "{shown:?}");
    assert_eq!(shown[1][..6], [from, to, 2, 0, 1, 1].map(|number| number.to_string()));
    assert!(shown[1][6].ends_with(&format!(":{minutes:02}:{seconds:02}.{micros:06}Z")), "{shown:?}");
}

#[test]
fn inspect_shows_what_is_asked_for_and_no_more() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let all = inspect::text(site.dir(), |args| args.limit = 1_000).unwrap();
    let count = |text: &str, what: &str| text.lines().filter(|line| line.contains(what)).count();
    assert_eq!(count(&all, "  wallet opened"), 10);
    assert_eq!(count(&all, "ledger opened"), usize::from(SHARDS));
    assert!(!all.contains("... more"), "{all}");
    let records = count(&all, "  record ");
    let some = inspect::text(site.dir(), |args| args.limit = 7).unwrap();
    assert_eq!(count(&some, "  record "), 7);
    assert!(some.contains("... more"));
    let exact = inspect::text(site.dir(), |args| args.limit = records as u64).unwrap();
    assert!(!exact.contains("... more"));
    let one = inspect::text(site.dir(), |args| {
        args.shard = Some(2);
        args.from = 3;
    })
    .unwrap();
    assert!(one.lines().filter(|line| line.starts_with("shard")).all(|line| line.starts_with("shard 2 ")));
    assert_eq!((count(&one, "record 2 "), count(&one, "record 3 ")), (0, 1));
    // By wristband: her whole evening, and nobody else's.
    let band = inspect::text(site.dir(), |args| args.wallet = Some(Site::uid(3))).unwrap();
    assert_eq!(count(&band, "  record "), 3 + 4 + 1);
    assert_eq!(count(&band, "declined insufficient_funds"), 1, "{band}");
    assert!(!band.contains("04000000000003"), "a UID in clear");
    let error = inspect::text(site.dir(), |args| args.wallet = Some("0x1234".into())).unwrap_err();
    assert!(error.to_string().contains("a UID has 8, 14 or 20 hexadecimal digits"), "{error}");
    let error = inspect::text(std::path::Path::new("/no/such"), |_| {}).unwrap_err();
    assert!(error.to_string().contains("/no/such is not a ledger's directory"), "{error}");
}

#[test]
fn the_binary_says_by_its_exit_code_what_it_found() {
    let mut site = Site::new();
    evening(&mut site);
    site.close();
    let run = |args: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_fanfare")).args(args).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, out, _) = run(&["--version"]);
    let version = concat!("fanfare ", env!("CARGO_PKG_VERSION"), " (commit ");
    assert!(code == Some(0) && out.starts_with(version), "{out}");
    let dir = site.dir().to_str().unwrap();
    let (code, out, err) = run(&["verify", dir, "--json"]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["sound"], true);
    let (code, out, _) = run(&["explain", dir, "1:31"]);
    assert_eq!((code, out.contains("purchased  applied")), (Some(0), true), "{out}");
    assert_eq!(run(&["explain", dir, "1:999"]).0, Some(1));
    let (code, out, _) = run(&["explain", dir, "2/3"]);
    assert_eq!((code, out.contains("record 3 of shard 2")), (Some(0), true), "{out}");
    assert_eq!(run(&["explain", dir, "2/999"]).0, Some(1));
    assert_eq!(run(&["inspect", dir, "--limit", "3"]).0, Some(0));
    let (code, _, err) = run(&["verify", "/no/such/ledger"]);
    assert_eq!(code, Some(2));
    assert!(err.starts_with("fanfare: /no/such/ledger is not a ledger's directory"), "{err}");
    let (code, _, err) = run(&["init", "--festival", "/no/such/file", &format!("{dir}-2")]);
    assert_eq!(code, Some(2));
    assert!(err.contains("cannot read /no/such/file"), "{err}");
    std::fs::write(site.dir().join("log/MARK"), [7; 8_192]).unwrap();
    assert_eq!(run(&["verify", dir]).0, Some(1));
}
