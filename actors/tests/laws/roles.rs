//! L13: a device acts only in its roles. Every command against every set of roles.

use actors::answer::Verdict;
use actors::codes::Refusal;
use actors::command::Command;
use actors::festival::{Festival, Role, Roles};

use ledger::ids::Version;
use ledger::record::Tender;

use crate::world::{self, World};

/// Makes the table: each shape of a command with an example of it and the roles that allow it. A command without a
/// line does not compile, and a line is not complete without an example: none can be left untested.
macro_rules! commands {
    ($($shape:pat => $example:expr, $roles:expr;)*) => {
        /// Each command, and the roles that allow it; none where any enrolled device may ask.
        fn commands() -> Vec<(Command, &'static [Role])> {
            let roles = |command: &Command| -> &'static [Role] {
                // Without a wildcard, and it must stay so.
                match command {
                    $($shape => $roles,)*
                }
            };
            let examples = [$({
                let example: Command = $example;
                assert!(matches!(&example, $shape), "{example:?} is no {}", stringify!($shape));
                example
            },)*];
            examples.into_iter().map(|command| (command.clone(), roles(&command))).collect()
        }
    };
}

commands! {
    Command::Open => Command::Open, &[Role::Pair];
    Command::TopUp { tender: Tender::Cash, .. } => world::cash(500), &[Role::TopUp];
    Command::TopUp { tender: Tender::Bonus, .. } => world::bonus(500), &[Role::Supervise];
    Command::Purchase { .. } => world::buy(1, 1), &[Role::Sell];
    Command::Void { .. } => Command::Void { sale: world::id(world::BAR, 1) }, &[Role::Refund];
    Command::Transfer { .. } => world::pay(2, 100), &[Role::TopUp];
    Command::Pair { .. } => world::pair(2, None), &[Role::Pair];
    Command::BlockTag => Command::BlockTag, &[Role::Pair, Role::Supervise];
    Command::UnblockTag => Command::UnblockTag, &[Role::Pair, Role::Supervise];
    Command::Authorise { .. } => world::hold(100, 60), &[Role::Sell];
    Command::Capture { .. } => world::capture(world::id(world::BAR, 2), &[world::line(1, 1, 650)]), &[Role::Sell];
    Command::ReleaseHold { .. } => Command::ReleaseHold { hold: world::id(world::BAR, 2) }, &[Role::Sell];
    Command::SetAllowance { .. } => world::allow(2, 100, 50), &[Role::TopUp];
    Command::PayOut { .. } => Command::PayOut { amount: 100 }, &[Role::Administer];
    Command::StageConfiguration { .. } => stage(2, 0), &[Role::Administer];
    Command::AdoptConfiguration { .. } => order(2), &[Role::Administer];
    Command::Balance => Command::Balance, &[];
    Command::Cancel => Command::Cancel, &[];
    Command::Lookup => Command::Lookup, &[];
}

fn stage(version: u32, part: u16) -> Command {
    Command::StageConfiguration { version: Version::new(version).unwrap(), part, bytes: [7; 40].into() }
}

fn order(version: u32) -> Command {
    let version = Version::new(version).unwrap();
    Command::AdoptConfiguration { version, parts: 1, hash: [7; 32] }
}

/// Device 50 at till 1 with exactly these roles, on an open wallet with money and a sale.
fn with_roles(roles: Roles) -> World {
    let mut lists = world::lists();
    let mut device = lists.devices[0];
    device.number = ledger::ids::DeviceNumber::new(50).unwrap();
    device.roles = roles;
    lists.devices.push(device);
    let mut world = World::with(&Festival::new(world::settings(), lists).unwrap());
    world.tap(world::DESK, 1, 1, Command::Open);
    world.tap(world::DESK, 2, 1, world::cash(2_000));
    world.tap(world::BAR, 1, 1, world::buy(1, 1));
    world.tap(world::BAR, 2, 1, world::hold(700, 3_600));
    world.pass_seconds(3_600);
    world
}

#[test]
fn every_command_asks_for_its_role_and_no_other() {
    for mask in 0..=u16::from(u8::MAX) {
        let roles = Roles(mask);
        for (command, wanted) in commands() {
            let mut world = with_roles(roles);
            let mut request = world::request(&world.keys, 50, 1, 1, command.clone());
            if let Command::PayOut { .. } = &command {
                request = world::to_office(&world.keys, 50, 1, world::HOME_VENDOR, command.clone());
            }
            request.till = ledger::ids::TillId::new(1);
            request.content = world.keys.content(&request);
            let allowed = wanted.is_empty() || wanted.iter().any(|role| roles.has(*role));
            let verdict = world.ask(&request).verdict();
            let refused = verdict == Verdict::Refused(Refusal::NotYourRole);
            assert_eq!(refused, !allowed, "{command:?} with roles {mask:#b} came to {verdict:?}");
            assert!(refused || !matches!(verdict, Verdict::Refused(_)), "{command:?}: {verdict:?}");
        }
    }
}

/// A device that lost its roles must still learn what became of what it did: else its barman
/// charges again.
#[test]
fn a_device_without_roles_gets_the_answers_of_its_own_ids() {
    let mut world = with_roles(Roles::default());
    let sale = world::request(&world.keys, world::BAR, 1, 1, world::buy(1, 1));
    let first = world.ask(&sale);
    let mut lists = world::lists();
    lists.devices.iter_mut().for_each(|device| device.roles = Roles::default());
    let settings =
        actors::festival::Settings { version: ledger::ids::Version::new(2).unwrap(), ..world::settings() };
    world.adopt(&Festival::new(settings, lists).unwrap());
    assert_eq!(world.ask(&sale), first);
    let refused = Verdict::Refused(Refusal::NotYourRole);
    assert_eq!(world.tap(world::BAR, 9, 1, world::buy(1, 1)), refused);
}
