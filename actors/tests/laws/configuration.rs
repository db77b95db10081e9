//! Configurations: their bytes, hostile ones too, and how a shard comes to decide by them.

use actors::festival::{Festival, FestivalError, Limits, Lists, LocalTime, Roles, Settings};
use ledger::ids::{At, ItemId, TillId, VendorId, Version};
use ledger::record::Body;
use proptest::prelude::*;

use crate::world::{self, World};

fn version(number: u32) -> Festival {
    let settings = Settings { version: Version::new(number).unwrap(), ..world::settings() };
    Festival::new(settings, world::lists()).unwrap()
}

#[test]
fn a_configuration_survives_its_bytes() {
    let festival = world::festival();
    let bytes = festival.encode();
    assert_eq!(Festival::decode(&bytes).unwrap(), festival);
    for cut in 0..bytes.len() {
        assert!(Festival::decode(&bytes[..cut]).is_err(), "cut after {cut} bytes");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(Festival::decode(&longer).is_err(), "bytes after the end");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Hostile bytes are refused or are the one encoding of what they say; they never panic.
    #[test]
    fn changed_bytes_are_refused_or_mean_just_that(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = world::festival().encode();
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(festival) = Festival::decode(&bytes) {
            prop_assert_eq!(festival.encode(), bytes);
            let _ = festival.local_time.business_date(At(i64::MIN));
            let _ = festival.local_time.business_date(At(i64::MAX));
        }
    }

    #[test]
    fn any_bytes_at_all_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(festival) = Festival::decode(&bytes) {
            prop_assert_eq!(festival.encode(), bytes);
        }
    }

    #[test]
    fn sizes_of_a_real_festival_survive(items in 0_u32..300, devices in 0_u32..300, roles in any::<u16>()) {
        let mut lists = world::lists();
        let item = lists.items[0].clone();
        let number = |index: u32| ItemId::new(1_000 + index).unwrap();
        lists.items.extend((0..items).map(|index| {
            let name = "n".repeat(index as usize % 201);
            actors::festival::Item { id: number(index), name, ..item.clone() }
        }));
        let device = lists.devices[0];
        lists.devices.extend((0..devices).map(|index| {
            let number = ledger::ids::DeviceNumber::new(1_000 + index * 20_000).unwrap();
            actors::festival::Device { number, roles: Roles(roles), ..device }
        }));
        let festival = Festival::new(world::settings(), lists).unwrap();
        prop_assert_eq!(Festival::decode(&festival.encode()).unwrap(), festival);
    }
}

#[test]
fn what_contradicts_itself_is_not_a_configuration() {
    let refused = |change: &dyn Fn(&mut Settings, &mut Lists)| {
        let (mut settings, mut lists) = (world::settings(), world::lists());
        change(&mut settings, &mut lists);
        Festival::new(settings, lists).unwrap_err()
    };
    let twice = |what, number| FestivalError::Twice { what, number };
    let missing = |what, number| FestivalError::Missing { what, number };
    let again = refused(&|_, lists| lists.items.push(lists.items[0].clone()));
    assert_eq!(again, twice("item", 1));
    let again = refused(&|_, lists| lists.vendors.push(lists.vendors[1].clone()));
    assert_eq!(again, twice("vendor", 2));
    let again = refused(&|_, lists| lists.tills.push(lists.tills[2].clone()));
    assert_eq!(again, twice("till", 3));
    let again = refused(&|_, lists| lists.devices.push(lists.devices[3]));
    assert_eq!(again, twice("device", 4));
    let nobody = refused(&|_, lists| lists.items[0].vendor = VendorId::new(9).unwrap());
    assert_eq!(nobody, missing("vendor", 9));
    let nobody = refused(&|_, lists| lists.tills[0].vendor = VendorId::new(9));
    assert_eq!(nobody, missing("vendor", 9));
    let nowhere = refused(&|_, lists| lists.devices[0].till = TillId::new(9).unwrap());
    assert_eq!(nowhere, missing("till", 9));
    let large = refused(&|_, lists| {
        lists.devices[0].number = ledger::ids::DeviceNumber::new(1 << 23).unwrap();
    });
    assert!(matches!(large, FestivalError::Missing { number: 0x80_0000, .. }));
    for limits in [
        Limits { top_up_min: 0, ..world::settings().limits },
        Limits { top_up_max: 99, ..world::settings().limits },
        Limits { balance_cap: 14_999, ..world::settings().limits },
        Limits { balance_cap: 1 << 39, top_up_max: 1 << 39, ..world::settings().limits },
        Limits { largest_amount: 0, ..world::settings().limits },
        Limits { largest_amount: 1 << 32, ..world::settings().limits },
    ] {
        assert!(matches!(refused(&|settings, _| settings.limits = limits), FestivalError::Limits(_)));
    }
}

#[test]
fn staged_parts_change_nothing_until_the_whole_is_adopted() {
    let mut world = World::new();
    let bytes = version(2).encode();
    let hash = *blake3::hash(&bytes).as_bytes();
    let two = Version::new(2).unwrap();
    let stage = |world: &mut World, part: u16, bytes: &[u8]| {
        world.fact(Body::ConfigurationStaged { version: two, part, bytes: bytes.to_vec() });
    };
    let in_force = |world: &World| world.state.adopted().map(|adopted| adopted.version.get());
    stage(&mut world, 0, &bytes[..100]);
    // Adopted before it is whole: the shard keeps deciding by what it had.
    world.fact(Body::ConfigurationAdopted { version: two, parts: 2, hash });
    assert_eq!(in_force(&world), Some(1));
    stage(&mut world, 0, &bytes[..100]);
    stage(&mut world, 1, &bytes[100..]);
    assert_eq!(in_force(&world), Some(1));
    world.fact(Body::ConfigurationAdopted { version: two, parts: 2, hash });
    assert_eq!(in_force(&world), Some(2));
    // An older one never comes back.
    world.adopt(&version(1));
    assert_eq!(in_force(&world), Some(2));
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
    assert_eq!(world.tap(world::DESK, 1, 1, actors::command::Command::Open), done());
    let configuration = world.history.last().and_then(|record| record.envelope.configuration);
    assert_eq!(configuration, Some(two), "the decision names the version it was made under");
}

fn done() -> actors::answer::Verdict {
    actors::answer::Verdict::Applied(actors::codes::Outcome::Applied)
}

#[test]
fn a_business_date_begins_at_the_cut_over_hour() {
    let hour = 3_600;
    let clock = LocalTime { transitions: vec![(At(0), hour)], cut_over_hour: 6 };
    // UTC second, business date
    for (second, date) in [
        (20_000 * 86_400 + 5 * 3_600 - 1, 19_999),
        (20_000 * 86_400 + 5 * 3_600, 20_000),
        (20_001 * 86_400 + 5 * 3_600 - 1, 20_000),
    ] {
        assert_eq!(clock.business_date(At(second * 1_000_000)), date, "{second}");
    }
}
