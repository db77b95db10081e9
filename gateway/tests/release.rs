//! A quarantine is lifted by an operator, by a record. Without it a guest whose wallet once met a defect
//! had lost the money in it for the rest of the season.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use actors::command::Command;
use gateway::commands::release::{Args, release};
use gateway::commands::{inspect, verify};
use ledger::record::{Body, Envelope, Record};
use support::{DESK, NOW, Site, cash};

fn said(site: &Site, wallet: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let args = Args { dir: site.dir().to_owned(), wallet: wallet.to_owned() };
    release(&args, &mut out).map(|()| String::from_utf8(out).unwrap()).map_err(|error| error.to_string())
}

/// Two bands with money; the first is quarantined. Closed.
fn quarantined() -> Site {
    let mut site = Site::new();
    for band in [1, 2] {
        site.tap(DESK, band, Command::Open);
        site.tap(DESK, band, cash(2_000));
    }
    let wallet = site.wallet(1);
    site.forge(site.shard_of(1), |record| {
        let envelope = Envelope { wallet: Some(wallet), ..Envelope::default() };
        *record = Record::fact(record.at.max(NOW), envelope, Body::Quarantined);
    });
    site.close();
    site
}

#[test]
fn a_released_wallet_acts_again_and_the_ledger_stays_sound() {
    let site = quarantined();
    let state = |site: &Site| engine_state(site, 1);
    assert_eq!(state(&site), Some(true));
    let text = said(&site, &Site::uid(1)).unwrap();
    assert!(text.starts_with(&format!("wallet {} acts again: shard", site.wallet(1))), "{text}");
    assert_eq!(state(&site), Some(false));
    let verified = verify::verify(site.dir()).unwrap();
    assert_eq!(verified.code(), 0, "{:?} {:?}", verified.report.findings, verified.differences);
    let shown = inspect::text(site.dir(), |args| args.wallet = Some(Site::uid(1))).unwrap();
    assert!(shown.contains("released"), "{shown}");
    // Once is enough.
    let again = said(&site, &site.wallet(1).to_string()).unwrap_err();
    assert!(again.contains("is not quarantined"), "{again}");
}

#[test]
fn whom_nobody_quarantined_and_whom_nobody_knows_are_not_released() {
    let site = quarantined();
    for (wallet, why) in [
        (Site::uid(2), "is not quarantined"),
        (Site::uid(77), "ever came into being"),
        ("00000000000000zz".to_owned(), "16 hexadecimal digits"),
        ("12".to_owned(), "8, 14 or 20 hexadecimal digits"),
    ] {
        let error = said(&site, &wallet).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(engine_state(&site, 1), Some(true));
}

#[test]
fn a_server_that_has_the_ledger_keeps_the_operator_out() {
    // Two writers on one ledger: the chain of a shard in two versions.
    let mut site = quarantined();
    site.open();
    let error = said(&site, &Site::uid(1)).unwrap_err();
    assert!(error.contains("stop the server that has it"), "{error}");
    site.close();
    assert_eq!(engine_state(&site, 1), Some(true));
}

/// Whether a band's wallet is quarantined, by what is on disk.
fn engine_state(site: &Site, band: u32) -> Option<bool> {
    let host = engine::host::OsHost::new(site.dir());
    let node = engine::node::open(&host, 1).unwrap();
    let quarantined = node.is_quarantined(site.wallet(band)).unwrap();
    node.log.close().unwrap();
    quarantined
}
