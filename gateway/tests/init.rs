//! Founding a ledger: whole or not at all, readable at once, its key kept from others.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use actors::shard_state::ShardState;
use gateway::commands::init::{Founding, InitError, init};
use gateway::directory::{Directory, DirectoryError};
use gateway::festival_file;
use ledger::ids::{At, ShardId};
use ledger::journal::embedded::{Log, MIN_SEGMENT};

const NOW: At = At(1_780_272_000_000_000);
const EXAMPLE: &str = include_str!("../../deploy/festival.example.toml");

fn founding(shards: u16) -> Founding {
    Founding { shards, segment_bytes: 2 * MIN_SEGMENT, at: NOW }
}

fn states(dir: &Path, shards: u16) -> Vec<ShardState> {
    let mut states: Vec<_> = (0..shards).map(|shard| ShardState::new(ShardId(shard))).collect();
    let disk = Directory::open(dir).unwrap().disk().unwrap();
    Log::look(&disk, &mut |block| {
        let state = &mut states[usize::from(block.header.shard.0)];
        actors::replay::apply_block(state, &block).unwrap();
        Ok(())
    })
    .unwrap();
    states
}

#[test]
fn every_shard_begins_with_the_ledger_and_its_configuration() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("season");
    // Enough that the configuration takes several parts.
    let entry = |id: u32| {
        let name = "beer ".repeat(30);
        format!("[[items]]\nid = {id}\nname = {name:?}\nvendor = 1\nprice = \"1\"\nvat = \"20\"\n")
    };
    let text: String = std::iter::once(EXAMPLE.to_owned()).chain((100..1_100).map(entry)).collect();
    let festival = festival_file::parse(&text, NOW).unwrap();
    assert!(festival.encode().len() > actors::festival::MAX_PART);
    let ledger = init(&dir, &festival, &founding(5)).unwrap();
    for state in states(&dir, 5) {
        let genesis = state.genesis().unwrap();
        assert_eq!((genesis.ledger, genesis.shards), (ledger, 5));
        assert_eq!(*state.adopted().unwrap().festival, festival);
        Directory::open(&dir).unwrap().keys(genesis).unwrap();
    }
    assert_eq!(std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(dir.join("KEY")).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = std::fs::read_dir(parent.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the ledger is left: {left:?}");
}

#[test]
fn no_two_ledgers_share_a_name_or_a_key() {
    let parent = tempfile::tempdir().unwrap();
    let festival = festival_file::parse(EXAMPLE, NOW).unwrap();
    let [one, other] = ["one", "other"].map(|name| parent.path().join(name));
    let ledgers = [&one, &other].map(|dir| init(dir, &festival, &founding(1)).unwrap());
    assert_ne!(ledgers[0], ledgers[1]);
    let genesis = *states(&one, 1)[0].genesis().unwrap();
    std::fs::copy(other.join("KEY"), one.join("KEY")).unwrap();
    let error = Directory::open(&one).unwrap().keys(&genesis).unwrap_err();
    assert!(matches!(error, DirectoryError::OtherKey(_)), "{error}");
}

#[test]
fn what_is_there_is_never_touched() {
    let parent = tempfile::tempdir().unwrap();
    let festival = festival_file::parse(EXAMPLE, NOW).unwrap();
    let dir = parent.path().join("ledger");
    let empty = parent.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    init(&empty, &festival, &founding(1)).unwrap();
    init(&dir, &festival, &founding(1)).unwrap();
    let error = init(&dir, &festival, &founding(1)).unwrap_err();
    assert!(error.to_string().contains("not empty: choose another directory"), "{error}");

    let other = parent.path().join("other");
    let unfinished = parent.path().join("other.tmp");
    std::fs::create_dir(&unfinished).unwrap();
    let error = init(&other, &festival, &founding(1)).unwrap_err();
    assert!(matches!(error, InitError::Unfinished(_)) && error.to_string().contains("remove it"), "{error}");
    std::fs::remove_dir(&unfinished).unwrap();

    assert!(matches!(init(&other, &festival, &founding(0)), Err(InitError::Shards(0))));
    assert!(matches!(init(&other, &festival, &founding(1_025)), Err(InitError::Shards(1_025))));
    assert!(matches!(init(Path::new("/"), &festival, &founding(1)), Err(InitError::Taken(_))));
    // An attempt that fails leaves nothing behind.
    let broken = Founding { segment_bytes: 5, ..founding(1) };
    assert!(matches!(init(&other, &festival, &broken), Err(InitError::Log(_))));
    assert!(!other.try_exists().unwrap() && !unfinished.try_exists().unwrap());
    let nowhere = parent.path().join("no/such/place");
    let error = init(&nowhere, &festival, &founding(1)).unwrap_err();
    assert!(error.to_string().contains("no/such/place.tmp"), "{error}");
    assert!(matches!(Directory::open(&nowhere), Err(DirectoryError::NotALedger(_))));
}
