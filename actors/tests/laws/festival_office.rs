//! The festival's office: a configuration changed while the festival runs. It is in force in a shard
//! when that shard adopted it, in no other order than that of its versions, and each shard is told
//! once of all of it.

use actors::answer::Verdict;
use actors::channels::WINDOW;
use actors::codes::{Decline, Outcome};
use actors::command::Command;
use actors::festival::{Festival, MAX_PARTS, Settings};
use actors::mail::Receipt;
use actors::shard_state::ShardState;
use ledger::audit::Rule;
use ledger::ids::{DeviceNumber, Epoch, LedgerId, ShardId, Version};
use ledger::record::{Body, Envelope, Genesis, MAX_RECORD_BYTES, Message, Record};

use crate::world::{self, World};

const APPLIED: Verdict = Verdict::Applied(Outcome::Applied);
const OTHER: ShardId = ShardId(5);

fn version(number: u32) -> Version {
    Version::new(number).unwrap()
}

/// The festival of these tests as version `number`, with so many devices more: each takes some bytes.
fn festival(number: u32, devices: u32) -> Festival {
    let mut lists = world::lists();
    let device = lists.devices[0];
    lists.devices.extend((0..devices).map(|index| actors::festival::Device {
        number: DeviceNumber::new(10_000 + index).unwrap(),
        ..device
    }));
    Festival::new(Settings { version: version(number), ..world::settings() }, lists).unwrap()
}

fn staging(festival: &Festival) -> Vec<Command> {
    let bytes = festival.encode();
    let parts = bytes.chunks(Message::MAX_PART);
    let stage = |(part, bytes): (u16, &[u8])| Command::StageConfiguration {
        version: festival.version,
        part,
        bytes: bytes.into(),
    };
    (0..).zip(parts).map(stage).collect()
}

fn order(festival: &Festival) -> Command {
    let bytes = festival.encode();
    let parts = u16::try_from(bytes.chunks(Message::MAX_PART).count()).unwrap();
    Command::AdoptConfiguration { version: festival.version, parts, hash: *blake3::hash(&bytes).as_bytes() }
}

/// Stages and adopts at the office, under ids from `counter` on.
fn apply(world: &mut World, counter: u64, festival: &Festival) {
    for (counter, command) in (counter..).zip(staging(festival).into_iter().chain([order(festival)])) {
        assert_eq!(world.tap(world::OFFICE, counter, 1, command), APPLIED);
    }
}

fn in_force(state: &ShardState) -> Option<u32> {
    state.adopted().map(|adopted| adopted.version.get())
}

/// Everything the office tells now, applied there.
fn told(world: &mut World) -> Vec<Record> {
    let mut all = Vec::new();
    while let Some(record) = world.state.spread(world.state.ledger_time(world.clock)) {
        world.push(record.clone());
        all.push(record);
    }
    all
}

/// Shard 5 of the same ledger, with version 1 in force.
fn other_shard() -> ShardState {
    let mut state = ShardState::new(OTHER);
    let genesis = Genesis { ledger: LedgerId([9; 16]), shards: 32, level: ledger::LEVEL, key_id: [0; 16] };
    let bytes = world::festival().encode();
    let hash = *blake3::hash(&bytes).as_bytes();
    for body in [
        Body::LedgerOpened(genesis),
        Body::ConfigurationStaged { version: version(1), part: 0, bytes },
        Body::ConfigurationAdopted { version: version(1), parts: 1, hash },
        Body::EpochOpened { epoch: Epoch(1) },
    ] {
        let at = ledger::ids::At(1_750_000_000_000_000);
        state.apply(state.next_record(), &Record::fact(at, Envelope::default(), body));
    }
    state
}

/// What the records tell shard `to`, in order.
fn letters(records: &[Record], to: ShardId) -> Vec<(u64, Message)> {
    let mail = records.iter().filter_map(|record| record.envelope.mail.as_ref());
    let sent = mail.flat_map(|mail| &mail.sent).filter(|sent| sent.to == to);
    sent.map(|sent| (sent.number, sent.message.clone())).collect()
}

fn deliver(state: &mut ShardState, (number, message): &(u64, Message)) {
    let at = ledger::ids::At(1_760_000_000_000_000);
    let Receipt::Record(record) = state.receive(at, world::SHARD, *number, message) else {
        panic!("message {number} was not taken");
    };
    assert!(record.envelope.wallet.is_none() && record.decline.is_none());
    state.apply(state.next_record(), &record);
}

#[test]
fn what_is_staged_and_ordered_is_in_force_and_told_to_every_other_shard_once() {
    // A stop that only some shards know of: half of the bands go on buying.
    let mut world = World::new();
    let second = festival(2, 3_000);
    apply(&mut world, 1, &second);
    assert_eq!(in_force(&world.state), Some(2));
    assert!(world.state.is_spreading());
    let records = told(&mut world);
    assert!(!world.state.is_spreading() && told(&mut world).is_empty());
    let parts = staging(&second).len();
    assert!(parts > 3, "a festival of several parts");
    for shard in 0..32 {
        let expected = if ShardId(shard) == world::SHARD { 0 } else { parts + 1 };
        assert_eq!(letters(&records, ShardId(shard)).len(), expected, "shard {shard}");
    }
    let mut other = other_shard();
    let letters = letters(&records, OTHER);
    for letter in &letters[..parts] {
        deliver(&mut other, letter);
        assert_eq!(in_force(&other), Some(1), "in force before the order came");
    }
    deliver(&mut other, &letters[parts]);
    assert_eq!(other.adopted().map(|adopted| &*adopted.festival), Some(&second));
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
}

#[test]
fn a_request_of_the_office_is_answered_once_like_any_other() {
    // The office's line broke after the order: sent again it must not be a second change.
    let mut world = World::new();
    let second = festival(2, 0);
    apply(&mut world, 1, &second);
    let again = world::request(&world.keys, world::OFFICE, 2, 1, order(&second));
    let records = world.history.len();
    assert_eq!(world.ask(&again).verdict(), APPLIED);
    assert_eq!(world.history.len(), records);
    // Under an id of its own it comes too late.
    let stale = Verdict::Declined(Decline::StaleConfiguration);
    assert_eq!(world.tap(world::OFFICE, 3, 1, order(&second)), stale);
    // What was adopted cannot be taken back, only followed.
    let unsupported = Verdict::Refused(actors::codes::Refusal::Unsupported);
    let mut cancel = again;
    cancel.command = Command::Cancel;
    assert_eq!(world.ask(&cancel).verdict(), unsupported);
    assert_eq!(in_force(&world.state), Some(2));
}

#[test]
fn a_newer_version_overtakes_one_that_is_still_on_its_way() {
    let mut world = World::new();
    apply(&mut world, 1, &festival(2, 3_000));
    let first = world.state.spread(world.clock).unwrap();
    world.push(first.clone());
    let third = festival(3, 3_000);
    apply(&mut world, 100, &third);
    let mut records = vec![first];
    records.extend(told(&mut world));
    // The shard that was told of version 2 first, and one that never heard of it.
    for shard in [ShardId(0), OTHER] {
        let mut other = other_shard();
        for letter in letters(&records, shard) {
            deliver(&mut other, &letter);
        }
        assert_eq!(other.adopted().map(|adopted| &*adopted.festival), Some(&third));
    }
}

#[test]
fn an_older_version_is_taken_and_changes_nothing() {
    let mut world = World::new();
    apply(&mut world, 1, &festival(2, 0));
    let records = told(&mut world);
    let mut other = other_shard();
    let third = festival(3, 0);
    let bytes = third.encode();
    let hash = *blake3::hash(&bytes).as_bytes();
    for body in [
        Body::ConfigurationStaged { version: version(3), part: 0, bytes },
        Body::ConfigurationAdopted { version: version(3), parts: 1, hash },
    ] {
        let at = ledger::ids::At(1_755_000_000_000_000);
        other.apply(other.next_record(), &Record::fact(at, Envelope::default(), body));
    }
    for letter in letters(&records, OTHER) {
        deliver(&mut other, &letter);
    }
    assert_eq!(other.adopted().map(|adopted| &*adopted.festival), Some(&third));
}

/// Shard 5 panics on the first part of what it is told, and takes the rest: what goes back.
fn fails_at(state: &mut ShardState, letters: &[(u64, Message)]) -> Vec<(u64, Message)> {
    let at = ledger::ids::At(1_760_000_000_000_000);
    let mut back = Vec::new();
    for (number, message) in letters {
        let first = matches!(message, Message::ConfigurationPart { part: 0, .. });
        let receipt = if first {
            state.dead_letter(at, world::SHARD, *number, message)
        } else {
            state.receive(at, world::SHARD, *number, message)
        };
        let Receipt::Record(record) = receipt else { panic!("message {number} was not taken") };
        state.apply(state.next_record(), &record);
        let sent = record.envelope.mail.iter().flat_map(|mail| &mail.sent);
        back.extend(sent.map(|sent| (sent.number, sent.message.clone())));
    }
    back
}

#[test]
fn a_shard_that_gave_up_on_a_version_is_told_it_again_after_a_start() {
    // The build was mended and started, and the bands of one shard went on paying at a stopped bar until the
    // organiser thought of changing something else.
    let mut world = World::new();
    let second = festival(2, 0);
    apply(&mut world, 1, &second);
    let mut other = other_shard();
    let mut fail = |world: &mut World, tellings: usize| {
        for telling in 1..=tellings {
            let letters = letters(&told(world), OTHER);
            assert_eq!(letters.len(), staging(&second).len() + 1, "telling {telling}");
            for (number, message) in fails_at(&mut other, &letters) {
                let at = world.state.ledger_time(world.clock);
                let Receipt::Record(record) = world.state.receive(at, OTHER, number, &message) else {
                    panic!("what came back was not taken");
                };
                world.push(record);
            }
        }
        world.state.is_spreading()
    };
    let start = |world: &mut World, epoch| world.fact(Body::EpochOpened { epoch: Epoch(epoch) });
    // While it may still take it, a start changes nothing.
    assert!(fail(&mut world, 3));
    start(&mut world, 2);
    assert!(!fail(&mut world, 1), "told for ever");
    start(&mut world, 3);
    assert!(!fail(&mut world, 4), "told for ever");
    start(&mut world, 4);
    let records = told(&mut world);
    let tos = |record: &Record| record.envelope.mail.as_ref().unwrap().sent[0].to;
    assert!(records.iter().all(|record| tos(record) == OTHER), "who took it is told once more");
    for letter in &letters(&records, OTHER) {
        deliver(&mut other, letter);
    }
    assert_eq!(other.adopted().map(|adopted| &*adopted.festival), Some(&second));
    start(&mut world, 5);
    assert!(!world.state.is_spreading());
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
    // Nobody is told without need; the office of this world is not in its shard.
    let judged = [Rule::Configuration, Rule::Channel, Rule::Return];
    let report = crate::audit::audited(&world);
    let broken: Vec<_> = report.findings.iter().filter(|found| judged.contains(&found.rule)).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn a_large_configuration_leaves_room_for_customers_on_every_channel() {
    // 800 parts, more than half a window: transfers between two bands must still find a place.
    let mut world = World::new();
    let large = festival(2, 500_000);
    let parts = staging(&large).len() as u64;
    assert!(parts > WINDOW / 2 && parts <= u64::from(MAX_PARTS));
    apply(&mut world, 1, &large);
    for record in told(&mut world) {
        let mut bytes = Vec::new();
        let mail = record.envelope.mail.as_ref().unwrap();
        mail.sent.iter().for_each(|sent| sent.message.encode(&mut bytes));
        assert!(bytes.len() + 1_024 < MAX_RECORD_BYTES, "a record of {} bytes", bytes.len());
    }
    assert!(world.state.is_spreading(), "the channels are full");
    let channels = world.state.channels().clone();
    let sent: Vec<u64> = channels.outboxes().map(|(_, outbox)| outbox.sent()).collect();
    assert_eq!(sent, vec![WINDOW / 2; 31]);
    // What is acknowledged makes room for the rest.
    for (to, outbox) in channels.outboxes() {
        world.fact(Body::Acknowledged { to, up_to: outbox.sent() });
    }
    told(&mut world);
    assert!(!world.state.is_spreading());
    assert!(world.state.channels().outboxes().all(|(_, outbox)| outbox.sent() == parts + 1));
}
