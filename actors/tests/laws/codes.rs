//! One case for every decline and every refusal of every command: the rest of the request is in
//! order, so that exactly this no is what comes back. And the table is complete: each code that
//! the crate's source can produce stands in it.

mod configuration;
mod holds;

use std::collections::BTreeSet;
use std::path::Path;

use actors::answer::Verdict;
use actors::codes::{Decline, Refusal};
use actors::command::{AskedLine, Command, Request};
use actors::festival::{Hours, Interval, Prices, Scheduled, Standing};
use ledger::ids::{At, DeviceNumber, FestivalId, RequestId, TillId};
use ledger::record::Mode;

use crate::world::{self, World};

/// Builds what led to the case and returns the request that gets the no.
type Case = fn(&mut World) -> Request;

fn req(world: &World, device: u32, counter: u64, command: Command) -> Request {
    world::request(&world.keys, device, counter, 1, command)
}

fn with(mut request: Request, change: impl FnOnce(&mut Request)) -> Request {
    change(&mut request);
    request
}

/// Band 1 is open (DESK 1) and holds 20.00 paid in (DESK 2) and 5.00 bonus (SUPERVISOR 1).
fn prepared() -> World {
    let mut world = World::new();
    for (device, counter, command) in [
        (world::DESK, 1, Command::Open),
        (world::DESK, 2, world::cash(2_000)),
        (world::SUPERVISOR, 1, world::bonus(500)),
    ] {
        assert_eq!(world.tap(device, counter, 1, command), done());
    }
    world
}

fn done() -> Verdict {
    Verdict::Applied(actors::codes::Outcome::Applied)
}

fn bought(world: &mut World) -> RequestId {
    assert_eq!(world.tap(world::BAR, 1, 1, world::buy(1, 1)), done());
    world::id(world::BAR, 1)
}

/// Band 2 is given to the wallet of band 1 (DESK 8), which takes it.
fn further(world: &mut World, replaces: Option<u32>) {
    assert_eq!(world.tap(world::DESK, 8, 2, world::pair(1, replaces)), done());
    crate::mail::drain(world);
}

fn lines(count: usize) -> Command {
    world::purchase(&vec![world::line(2, 1, 400); count])
}

fn sale(world: &mut World) -> Command {
    Command::Void { sale: bought(world) }
}

/// A payout to a vendor.
fn out(world: &World, vendor: u32, amount: i64) -> Request {
    world::to_office(&world.keys, world::ADMINISTRATOR, 9, vendor, Command::PayOut { amount })
}

/// 5.00 of the 50.00 that came home.
fn home(world: &mut World) -> Request {
    world.bring_home(5_000);
    out(world, world::HOME_VENDOR, 500)
}

const DECLINES: &[(Decline, Case)] = &[
    (Decline::InsufficientFunds, |world| req(world, world::BAR, 9, world::buy(1, 4))),
    (Decline::OverCap, |world| {
        assert_eq!(world.tap(world::DESK, 3, 1, world::cash(15_000)), done());
        req(world, world::DESK, 9, world::cash(world::CAP - 17_500 + 1))
    }),
    (Decline::OverCap, |world| {
        assert_eq!(world.tap(world::DESK, 3, 1, world::cash(15_000)), done());
        req(world, world::SUPERVISOR, 9, world::bonus(world::CAP - 17_500 + 1))
    }),
    (Decline::LooksRepeated, |world| {
        bought(world);
        world.pass_seconds(19);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::Cancelled, |world| {
        let request = req(world, world::BAR, 9, world::buy(1, 1));
        world.ask(&request);
        assert!(matches!(world.tap(world::BAR, 9, 1, Command::Cancel), Verdict::Applied(_)));
        request
    }),
    (Decline::Burned, |world| {
        assert!(matches!(world.tap(world::BAR, 9, 1, Command::Cancel), Verdict::Applied(_)));
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::Burned, |world| {
        // On a band that nobody opened: the id is held all the same, and the opening finds it.
        let open = world::request(&world.keys, world::DESK, 9, 2, Command::Open);
        assert!(matches!(world.tap(world::DESK, 9, 2, Command::Cancel), Verdict::Applied(_)));
        open
    }),
    (Decline::AlreadyOpen, |world| req(world, world::DESK, 9, Command::Open)),
    (Decline::AlreadyVoided, |world| {
        let void = sale(world);
        assert_eq!(world.tap(world::DESK, 8, 1, void.clone()), done());
        req(world, world::DESK, 9, void)
    }),
    (Decline::AlreadyVoided, |world| {
        let void = sale(world);
        assert_eq!(world.tap(world::DESK, 8, 1, void), done());
        req(world, world::BAR, 1, Command::Cancel)
    }),
    (Decline::TopUpSpent, |world| {
        assert_eq!(world.tap(world::BAR, 1, 1, world::buy(1, 2)), done());
        req(world, world::DESK, 2, Command::Cancel)
    }),
    (Decline::NoSuchSale, |world| req(world, world::DESK, 9, Command::Void { sale: world::id(7, 7) })),
    (Decline::NoSuchSale, |world| {
        // A top-up is no sale.
        req(world, world::DESK, 9, Command::Void { sale: world::id(world::DESK, 2) })
    }),
    (Decline::NoSuchSale, |world| {
        // A declined purchase took nothing.
        world.tap(world::BAR, 1, 1, world::buy(1, 4));
        req(world, world::DESK, 9, Command::Void { sale: world::id(world::BAR, 1) })
    }),
    (Decline::InsufficientFunds, |world| req(world, world::DESK, 9, world::pay(2, 2_001))),
    (Decline::TransferGone, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, world::pay(2, 500)), done());
        req(world, world::DESK, 8, Command::Cancel)
    }),
    (Decline::FestivalPaused, |world| {
        world.change(|settings, _| settings.standing = Standing::Paused);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::FestivalPaused, |world| {
        world.change(|settings, _| settings.standing = Standing::Paused);
        world::request(&world.keys, world::DESK, 9, 2, Command::Open)
    }),
    (Decline::FestivalClosed, |world| {
        world.change(|settings, _| settings.standing = Standing::Closed);
        req(world, world::DESK, 9, world::cash(500))
    }),
    (Decline::FestivalClosed, |world| {
        world.change(|settings, _| settings.standing = Standing::Closed);
        req(world, world::DESK, 9, world::pay(2, 500))
    }),
    (Decline::OutsideHours, |world| {
        let (from, until) = (At(world.clock.0 - 2), At(world.clock.0));
        world.change(|settings, _| settings.hours = Hours::new(vec![Interval { from, until }]).unwrap());
        req(world, world::SUPERVISOR, 9, world::bonus(500))
    }),
    (Decline::OutsideHours, |world| {
        let (from, until) = (At(world.clock.0 + 1), At(world.clock.0 + 2));
        world.change(|_, lists| lists.vendors[0].hours = Hours::new(vec![Interval { from, until }]).unwrap());
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::VendorStopped, |world| {
        world.change(|_, lists| lists.vendors[0].stopped = true);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::ItemStopped, |world| {
        world.change(|_, lists| lists.items[1].stopped = true);
        req(world, world::BAR, 9, world::purchase(&[world::line(1, 1, 650), world::line(2, 1, 400)]))
    }),
    (Decline::InsufficientFunds, |world| {
        world.bring_home(5_000);
        out(world, world::HOME_VENDOR, 5_001)
    }),
    (Decline::InsufficientFunds, |world| out(world, world::HOME_VENDOR, 1)),
    (Decline::TagTaken, |world| {
        // Of two desks with one band the second loses.
        further(world, None);
        world::request(&world.keys, world::OTHER_DESK, 9, 2, world::pair(1, None))
    }),
    (Decline::TagTaken, |world| {
        // A band that opened a wallet.
        req(world, world::DESK, 9, world::pair(2, None))
    }),
    (Decline::AlreadyOpen, |world| {
        further(world, None);
        world::request(&world.keys, world::DESK, 9, 2, Command::Open)
    }),
    (Decline::Stands, |world| {
        further(world, None);
        world::request(&world.keys, world::DESK, 8, 2, Command::Cancel)
    }),
    (Decline::Stands, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::DESK, 8, Command::Cancel)
    }),
    (Decline::WalletBlocked, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::WalletBlocked, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::DESK, 9, world::cash(500))
    }),
    (Decline::WalletBlocked, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::DESK, 9, world::pay(2, 500))
    }),
    (Decline::WalletBlocked, |world| {
        // Whoever found a lost band took its money along as an allowance.
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::DESK, 9, world::allow(2, 500, 100))
    }),
    (Decline::WalletBlocked, |world| {
        let void = sale(world);
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::DESK, 9, void)
    }),
    (Decline::TagReplaced, |world| {
        further(world, Some(1));
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Decline::TagReplaced, |world| {
        further(world, Some(1));
        req(world, world::DESK, 9, Command::UnblockTag)
    }),
    (Decline::WalletInUse, |world| {
        // A wallet that has taken a tag is not taken back: the tag would belong to nobody.
        assert_eq!(world.tap(world::OTHER_DESK, 1, 3, Command::Open), done());
        assert_eq!(world.tap(world::OTHER_DESK, 2, 2, world::pair(3, None)), done());
        crate::mail::drain(world);
        world::request(&world.keys, world::OTHER_DESK, 1, 3, Command::Cancel)
    }),
    (Decline::InsufficientFunds, |world| req(world, world::DESK, 9, world::allow(2, 2_001, 100))),
    (Decline::NoAllowance, |world| req(world, world::DESK, 9, world::allow(2, 0, 0))),
    (Decline::NoAllowance, |world| {
        assert_eq!(world.tap(world::DESK, 7, 1, world::allow(2, 500, 100)), done());
        assert_eq!(world.tap(world::DESK, 8, 1, world::allow(2, 0, 0)), done());
        req(world, world::DESK, 9, world::allow(2, 0, 0))
    }),
    (Decline::TooManyAllowances, |world| {
        for band in 2..18 {
            assert_eq!(world.tap(world::DESK, 20 + u64::from(band), 1, world::allow(band, 10, 1)), done());
        }
        req(world, world::DESK, 9, world::allow(18, 10, 1))
    }),
    (Decline::TransferGone, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, world::allow(2, 500, 100)), done());
        req(world, world::DESK, 8, Command::Cancel)
    }),
    (Decline::FestivalClosed, |world| {
        world.change(|settings, _| settings.standing = Standing::Closed);
        req(world, world::DESK, 9, world::allow(2, 500, 100))
    }),
    (Decline::WalletInUse, |world| req(world, world::DESK, 1, Command::Cancel)),
];

const REFUSALS: &[(Refusal, Case)] = &[
    (Refusal::Unauthenticated, |world| req(world, world::STRANGER, 9, Command::Open)),
    (Refusal::Unauthenticated, |world| req(world, world::STRANGER, 9, Command::Balance)),
    (Refusal::Unauthenticated, |world| req(world, world::STRANGER, 9, Command::Cancel)),
    (Refusal::NotYourRole, |world| req(world, world::BAR, 9, Command::Open)),
    (Refusal::NotYourRole, |world| req(world, world::DESK, 9, world::bonus(500))),
    (Refusal::NotYourRole, |world| req(world, world::SUPERVISOR, 9, world::cash(500))),
    (Refusal::NotYourRole, |world| req(world, world::DESK, 9, world::buy(1, 1))),
    (Refusal::NotYourRole, |world| {
        let void = sale(world);
        req(world, world::BAR, 9, void)
    }),
    (Refusal::NotYourRole, |world| req(world, world::BAR, 9, world::pay(2, 500))),
    (Refusal::NotYourRole, |world| {
        let command = home(world).command;
        world::to_office(&world.keys, world::DESK, 9, world::HOME_VENDOR, command)
    }),
    (Refusal::NotYourRole, |world| {
        world::to_office(&world.keys, world::DESK, 9, world::HOME_VENDOR, Command::Balance)
    }),
    (Refusal::NotYourRole, |world| world::request(&world.keys, world::BAR, 9, 2, world::pair(1, None))),
    (Refusal::NotYourRole, |world| req(world, world::BAR, 9, Command::BlockTag)),
    (Refusal::NotYourRole, |world| req(world, world::BAR, 9, Command::UnblockTag)),
    (Refusal::UnknownTag, |world| world::request(&world.keys, world::DESK, 9, 2, Command::BlockTag)),
    (Refusal::UnknownTag, |world| {
        // The wallet did not take it: the band is free again.
        assert_eq!(world.tap(world::DESK, 8, 2, world::pair(1, Some(3))), done());
        crate::mail::drain(world);
        world::request(&world.keys, world::BAR, 9, 2, Command::Balance)
    }),
    (Refusal::Busy, |world| {
        // Given away, and not arrived yet.
        assert_eq!(world.tap(world::DESK, 8, 2, world::pair(1, None)), done());
        world::request(&world.keys, world::BAR, 9, 2, world::buy(1, 1))
    }),
    (Refusal::TagCollision, |world| {
        further(world, None);
        world::request(&world.keys, world::BAR, 9, 102, world::buy(1, 1))
    }),
    (Refusal::NotYourId, |world| {
        let device = DeviceNumber::new(world::OTHER_BAR).unwrap();
        with(req(world, world::BAR, 1, Command::Cancel), |request| request.device = device)
    }),
    (Refusal::UnknownTag, |world| world::request(&world.keys, world::BAR, 9, 2, world::buy(1, 1))),
    (Refusal::UnknownTag, |world| world::request(&world.keys, world::BAR, 9, 2, Command::Balance)),
    (Refusal::UnknownTag, |world| {
        // A burned id brings an actor into being, but no wallet.
        world.tap(world::BAR, 8, 2, Command::Cancel);
        world::request(&world.keys, world::BAR, 9, 2, world::buy(1, 1))
    }),
    (Refusal::WrongFestival, |world| {
        with(req(world, world::BAR, 9, world::buy(1, 1)), |request| request.festival = FestivalId(2))
    }),
    (Refusal::UnknownItemOrPrice, |world| {
        req(world, world::BAR, 9, world::purchase(&[world::line(77, 1, 650)]))
    }),
    (Refusal::UnknownItemOrPrice, |world| {
        req(world, world::BAR, 9, world::purchase(&[world::line(0, 1, 650)]))
    }),
    (Refusal::UnknownItemOrPrice, |world| {
        req(world, world::BAR, 9, world::purchase(&[world::line(1, 1, 649)]))
    }),
    (Refusal::UnknownItemOrPrice, |world| req(world, world::BAR, 9, world::buy(3, 1))),
    (Refusal::UnknownItemOrPrice, |world| {
        // A desk has no vendor, so nothing is on sale there.
        req(world, world::SELLING_DESK, 9, world::buy(1, 1))
    }),
    (Refusal::UnknownItemOrPrice, |world| {
        // The price before a change is still taken for half a minute, and no longer.
        let from = At(world.clock.0);
        let prices = Prices::new(650, vec![Scheduled { from, price: 700 }]).unwrap();
        world.change(|_, lists| lists.items[0].prices = prices);
        world.pass_seconds(29);
        assert_eq!(world.tap(world::BAR, 8, 1, world::buy(1, 1)), done());
        world.pass_seconds(1);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Refusal::DeviceRevoked, |world| {
        world.change(|_, lists| lists.devices[0].revoked = true);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Refusal::DeviceRevoked, |world| {
        world.change(|_, lists| lists.devices[0].revoked = true);
        req(world, world::BAR, 9, Command::Balance)
    }),
    (Refusal::DeviceRevoked, |world| {
        // Not even its own sale: whoever found the terminal would give himself the money back.
        bought(world);
        world.change(|_, lists| lists.devices[0].revoked = true);
        req(world, world::BAR, 1, Command::Cancel)
    }),
    (Refusal::AmountZero, |world| req(world, world::BAR, 9, world::purchase(&[world::line(1, 0, 650)]))),
    (Refusal::AmountZero, |world| req(world, world::BAR, 9, world::buy(4, 1))),
    (Refusal::AmountZero, |world| req(world, world::BAR, 9, lines(0))),
    (Refusal::AmountZero, |world| req(world, world::DESK, 9, world::cash(0))),
    (Refusal::AmountZero, |world| req(world, world::DESK, 9, world::cash(-500))),
    (Refusal::AmountZero, |world| req(world, world::DESK, 9, world::pay(2, 0))),
    (Refusal::AmountZero, |world| out(world, world::HOME_VENDOR, 0)),
    (Refusal::NotThisOffice, |world| out(world, 4, 500)),
    (Refusal::NotThisOffice, |world| req(world, world::ADMINISTRATOR, 9, Command::PayOut { amount: 500 })),
    (Refusal::NotThisOffice, |world| {
        world::to_office(&world.keys, world::DESK, 9, world::HOME_VENDOR, Command::Open)
    }),
    (Refusal::UnknownTag, |world| {
        world::to_office(&world.keys, world::DESK, 9, world::HOME_VENDOR, world::cash(500))
    }),
    (Refusal::UnknownTag, |world| {
        world::to_office(&world.keys, world::ADMINISTRATOR, 9, 4, Command::Balance)
    }),
    (Refusal::SameWallet, |world| req(world, world::DESK, 9, world::pay(1, 500))),
    (Refusal::SameWallet, |world| world::request(&world.keys, world::DESK, 9, 2, world::pair(2, None))),
    (Refusal::TransfersOff, |world| {
        world.change(|settings, _| settings.transfers = false);
        req(world, world::DESK, 9, world::pay(2, 500))
    }),
    (Refusal::Busy, |world| {
        for counter in 10..10 + actors::channels::WINDOW {
            assert_eq!(world.tap(world::DESK, counter, 1, world::pay(2, 1)), done());
        }
        req(world, world::DESK, 9, world::pay(2, 1))
    }),
    (Refusal::AmountTooSmall, |world| req(world, world::DESK, 9, world::cash(99))),
    (Refusal::AmountTooLarge, |world| req(world, world::DESK, 9, world::cash(15_001))),
    (Refusal::AmountTooLarge, |world| req(world, world::BAR, 9, world::buy(1, 31))),
    (Refusal::AmountTooLarge, |world| req(world, world::DESK, 9, world::pay(2, world::LARGEST + 1))),
    (Refusal::IdReused, |world| req(world, world::DESK, 2, world::cash(2_001))),
    (Refusal::IdReused, |world| {
        let first = home(world);
        assert_eq!(world.ask(&first).verdict(), done());
        out(world, world::HOME_VENDOR, 501)
    }),
    (Refusal::IdReused, |world| {
        with(req(world, world::DESK, 2, world::cash(2_000)), |request| {
            request.till = TillId::new(4);
            request.content = world.keys.content(request);
        })
    }),
    (Refusal::Late, |world| {
        world.late = true;
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
    (Refusal::AllowancesOff, |world| {
        world.change(|settings, _| settings.allowances = false);
        req(world, world::DESK, 9, world::allow(2, 500, 100))
    }),
    (Refusal::NotYourRole, |world| req(world, world::BAR, 9, world::allow(2, 500, 100))),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, world::allow(2, 500, 100)), 4)),
    (Refusal::NoOperator, |world| {
        with(req(world, world::DESK, 9, world::allow(2, 500, 100)), |request| request.operator = None)
    }),
    (Refusal::AmountZero, |world| req(world, world::DESK, 9, world::allow(2, -1, -1))),
    (Refusal::AmountZero, |world| req(world, world::DESK, 9, world::allow(2, 500, -1))),
    (Refusal::AmountTooLarge, |world| req(world, world::DESK, 9, world::allow(2, 500, 501))),
    (Refusal::AmountTooLarge, |world| req(world, world::DESK, 9, world::allow(2, world::CAP + 1, 100))),
    (Refusal::SameWallet, |world| req(world, world::DESK, 9, world::allow(1, 500, 100))),
    (Refusal::Busy, |world| {
        for counter in 10..10 + actors::channels::WINDOW {
            assert_eq!(world.tap(world::DESK, counter, 1, world::pay(2, 1)), done());
        }
        req(world, world::DESK, 9, world::allow(2, 500, 100))
    }),
    (Refusal::NoOperator, |world| {
        let void = sale(world);
        with(req(world, world::DESK, 9, void), |request| request.operator = None)
    }),
    (Refusal::NoOperator, |world| with(home(world), |request| request.operator = None)),
    (Refusal::NoOperator, |world| {
        with(req(world, world::DESK, 9, Command::BlockTag), |request| request.operator = None)
    }),
    (Refusal::TagCollision, |world| world::request(&world.keys, world::DESK, 9, 101, Command::Open)),
    (Refusal::TagCollision, |world| world::request(&world.keys, world::DESK, 9, 101, Command::Cancel)),
    (Refusal::TagCollision, |world| with(home(world), |request| request.tag.check = 1)),
    (Refusal::Unsupported, |world| {
        let mode = Mode { offline: true, training: false };
        with(req(world, world::BAR, 9, world::buy(1, 1)), |request| request.mode = mode)
    }),
    (Refusal::Unsupported, |world| {
        let mode = Mode { offline: false, training: true };
        with(req(world, world::BAR, 9, world::buy(1, 1)), |request| request.mode = mode)
    }),
    (Refusal::Unsupported, |world| {
        let id = world::id(world::BAR, 8);
        with(req(world, world::BAR, 9, world::buy(1, 1)), |request| request.replaces = Some(id))
    }),
    (Refusal::WrongTill, |world| at_till(req(world, world::BAR, 9, world::buy(1, 1)), 2)),
    (Refusal::WrongTill, |world| at_till(req(world, world::BAR, 9, world::buy(1, 1)), 0)),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, world::cash(500)), 4)),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, world::cash(500)), 0)),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, Command::Open), 4)),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, world::pay(2, 500)), 4)),
    (Refusal::WrongTill, |world| at_till(home(world), 3)),
    (Refusal::WrongTill, |world| {
        let void = sale(world);
        at_till(req(world, world::DESK, 9, void), 4)
    }),
    (Refusal::WrongTill, |world| {
        at_till(world::request(&world.keys, world::DESK, 9, 2, world::pair(1, None)), 4)
    }),
    (Refusal::WrongTill, |world| at_till(req(world, world::DESK, 9, Command::BlockTag), 4)),
    (Refusal::TooManyLines, |world| req(world, world::BAR, 9, lines(65))),
    (Refusal::LinesDoNotAddUp, |world| {
        let lines: Vec<AskedLine> = vec![world::line(1, 1, 650)];
        let command = Command::Purchase { lines: lines.into(), amount: 649, confirmed: false };
        req(world, world::BAR, 9, command)
    }),
    (Refusal::Quarantined, |world| {
        world.quarantine(1, true);
        req(world, world::BAR, 9, world::buy(1, 1))
    }),
];

fn declines() -> impl Iterator<Item = &'static (Decline, Case)> {
    DECLINES.iter().chain(holds::DECLINES).chain(configuration::DECLINES)
}

fn refusals() -> impl Iterator<Item = &'static (Refusal, Case)> {
    REFUSALS.iter().chain(holds::REFUSALS).chain(configuration::REFUSALS)
}

fn at_till(request: Request, till: u32) -> Request {
    with(request, |request| request.till = TillId::new(till))
}

#[test]
fn every_decline_is_a_record_and_the_answer_for_ever() {
    for (index, (decline, case)) in declines().enumerate() {
        let mut world = prepared();
        let request = case(&mut world);
        let purses = world.purses(1);
        let reply = world.ask(&request);
        assert_eq!(reply.verdict(), Verdict::Declined(*decline), "case {index}");
        assert_eq!(world.purses(1), purses, "case {index}: a decline moved money");
        let record = &world.history[usize::try_from(reply.answer().record.0).unwrap()];
        assert_eq!(record.envelope.request, Some(request.id), "case {index}: has a record");
        world.pass_seconds(3_600);
        assert_eq!(world.ask(&request), reply, "case {index}: asked again an hour later");
    }
}

#[test]
fn every_refusal_leaves_no_record_and_consumes_nothing() {
    for (index, (refusal, case)) in refusals().enumerate() {
        let mut world = prepared();
        let request = case(&mut world);
        let (digest, records) = (world.state.digest(), world.history.len());
        let reply = world.ask(&request);
        assert_eq!(reply.verdict(), Verdict::Refused(*refusal), "case {index}");
        assert_eq!((reply.answer().record.0, reply.answer().balance), (0, 0), "case {index} tells state");
        assert_eq!((world.state.digest(), world.history.len()), (digest, records), "case {index}");
    }
}

#[test]
fn a_shard_without_configuration_serves_no_festival() {
    let mut world = World::empty();
    assert_eq!(world.tap(world::DESK, 1, 1, Command::Open), Verdict::Refused(Refusal::WrongFestival));
}

/// A code that no case produces is a code that nobody has ever seen work.
#[test]
fn the_tables_hold_every_code_that_the_source_produces() {
    let mut named = BTreeSet::new();
    collect(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut named);
    // `Internal` answers states that cannot arise; `Cancelled` and `Burned` are of both worlds.
    let tabled = declines().map(|(decline, _)| format!("{decline:?}"));
    let tabled: BTreeSet<_> = tabled.chain(refusals().map(|(refusal, _)| format!("{refusal:?}"))).collect();
    let missing: Vec<_> = named
        .difference(&tabled)
        .filter(|name| !matches!(name.as_str(), "Internal" | "Undeliverable" | "NotItsTag" | "TooManyTags"))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    // No request is answered these: messages are, see `mail.rs` and `tags.rs`.
    let reserved = [Decline::Undeliverable, Decline::NotItsTag, Decline::TooManyTags]
        .map(|decline| format!("{decline:?}"));
    let all = Decline::ALL.iter().map(|decline| format!("{decline:?}"));
    let untested: Vec<_> = all.filter(|name| !tabled.contains(name) && !reserved.contains(name)).collect();
    assert!(untested.is_empty(), "declines without a case: {untested:?}");
}

/// Names behind `Decline::` and `Refusal::` in the source, the tables of codes themselves aside.
fn collect(folder: &Path, named: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, named);
        } else if path.file_name().is_some_and(|name| name != "codes.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for part in text.split("Decline::").skip(1).chain(text.split("Refusal::").skip(1)) {
                let name: String = part.chars().take_while(char::is_ascii_alphanumeric).collect();
                if name.starts_with(|first: char| first.is_ascii_uppercase()) {
                    named.insert(name);
                }
            }
        }
    }
}
