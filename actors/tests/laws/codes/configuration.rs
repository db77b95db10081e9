//! The cases of a configuration that is changed at the festival's office.

use actors::codes::{Decline, Refusal};
use actors::command::{Command, Request};
use actors::festival::{Festival, Lists, Settings};
use ledger::ids::{FestivalId, TillId, Version};

use super::{Case, at_till, done, req, with};
use crate::world::{self, World};

/// The next version, in which something differs.
fn changed(change: impl FnOnce(&mut Settings, &mut Lists)) -> Festival {
    let (mut settings, mut lists) = (world::settings(), world::lists());
    settings.version = Version::new(2).unwrap();
    change(&mut settings, &mut lists);
    Festival::new(settings, lists).unwrap()
}

fn stage(version: u32, part: u16, bytes: usize) -> Command {
    Command::StageConfiguration {
        version: Version::new(version).unwrap(),
        part,
        bytes: vec![7; bytes].into(),
    }
}

/// The order to adopt as version 2.
fn order(festival: &Festival) -> Command {
    let hash = *blake3::hash(&festival.encode()).as_bytes();
    Command::AdoptConfiguration { version: Version::new(2).unwrap(), parts: 1, hash }
}

/// Stages `festival` as version 2; the order to adopt it.
fn ordered(world: &mut World, festival: &Festival) -> Request {
    let (version, bytes) = (Version::new(2).unwrap(), festival.encode().into());
    let staged = Command::StageConfiguration { version, part: 0, bytes };
    assert_eq!(world.tap(world::OFFICE, 8, 1, staged), done());
    req(world, world::OFFICE, 9, order(festival))
}

pub(super) const DECLINES: &[(Decline, Case)] = &[
    (Decline::StaleConfiguration, |world| req(world, world::OFFICE, 9, stage(1, 0, 40))),
    (Decline::StaleConfiguration, |world| req(world, world::OFFICE, 9, stage(3, 0, 40))),
    (Decline::StaleConfiguration, |world| {
        world.change(|_, _| {});
        req(world, world::OFFICE, 9, order(&changed(|_, _| {})))
    }),
    (Decline::BadConfiguration, |world| req(world, world::OFFICE, 9, stage(2, 0, 0))),
    (Decline::BadConfiguration, |world| req(world, world::OFFICE, 9, stage(2, 0, 4_001))),
    (Decline::BadConfiguration, |world| req(world, world::OFFICE, 9, stage(2, 1_024, 40))),
    (Decline::BadConfiguration, |world| {
        // Nothing was staged.
        req(world, world::OFFICE, 9, order(&changed(|_, _| {})))
    }),
    (Decline::BadConfiguration, |world| {
        // What was staged is no configuration.
        assert_eq!(world.tap(world::OFFICE, 8, 1, stage(2, 0, 40)), done());
        let hash = *blake3::hash(&[7; 40]).as_bytes();
        let version = Version::new(2).unwrap();
        req(world, world::OFFICE, 9, Command::AdoptConfiguration { version, parts: 1, hash })
    }),
    (Decline::BadConfiguration, |world| ordered(world, &changed(|settings, _| settings.id = FestivalId(2)))),
    (Decline::BadConfiguration, |world| {
        ordered(
            world,
            &changed(|settings, _| settings.currency = ledger::money::Currency::from_alpha("CHF").unwrap()),
        )
    }),
    (Decline::BadConfiguration, |world| {
        // The bytes name another version than the order.
        ordered(world, &changed(|settings, _| settings.version = Version::new(3).unwrap()))
    }),
    (Decline::BadConfiguration, |world| ordered(world, &changed(|_, lists| lists.devices.truncate(8)))),
    (Decline::BadConfiguration, |world| {
        ordered(
            world,
            &changed(|_, lists| {
                lists.devices.iter_mut().for_each(|device| device.till = TillId::new(1).unwrap());
                lists.tills.pop();
            }),
        )
    }),
    (Decline::BadConfiguration, |world| {
        ordered(
            world,
            &changed(|_, lists| {
                lists.items.retain(|item| item.vendor.get() == 1);
                lists.tills[1].vendor = None;
                lists.vendors.pop();
            }),
        )
    }),
];

pub(super) const REFUSALS: &[(Refusal, Case)] = &[
    (Refusal::NotYourRole, |world| req(world, world::DESK, 9, stage(2, 0, 40))),
    (Refusal::NotYourRole, |world| req(world, world::DESK, 9, order(&changed(|_, _| {})))),
    (Refusal::NotThisOffice, |world| {
        with(req(world, world::OFFICE, 9, stage(2, 0, 40)), |request| request.tag = world::tag(1))
    }),
    (Refusal::WrongTill, |world| at_till(req(world, world::OFFICE, 9, stage(2, 0, 40)), 3)),
];
