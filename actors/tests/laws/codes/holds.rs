//! The cases of money held for a sale to come.

use actors::answer::Verdict;
use actors::codes::{Decline, Refusal};
use actors::command::Command;
use actors::festival::Standing;
use ledger::ids::RequestId;

use super::{Case, at_till, bought, done, req};
use crate::world::{self, World};

/// 10.00 of band 1 held for an hour by the bar.
fn held(world: &mut World) -> RequestId {
    assert_eq!(world.tap(world::BAR, 3, 1, world::hold(1_000, 3_600)), done());
    world::id(world::BAR, 3)
}

/// One beer of 6.50 out of what the bar had held.
fn one_beer(hold: RequestId) -> Command {
    world::capture(hold, &[world::line(1, 1, 650)])
}

pub(super) const DECLINES: &[(Decline, Case)] = &[
    (Decline::FestivalPaused, |world| {
        world.change(|settings, _| settings.standing = Standing::Paused);
        req(world, world::BAR, 9, world::hold(500, 60))
    }),
    (Decline::VendorStopped, |world| {
        world.change(|_, lists| lists.vendors[0].stopped = true);
        req(world, world::BAR, 9, world::hold(500, 60))
    }),
    (Decline::WalletBlocked, |world| {
        assert_eq!(world.tap(world::DESK, 8, 1, Command::BlockTag), done());
        req(world, world::BAR, 9, world::hold(500, 60))
    }),
    (Decline::InsufficientFunds, |world| req(world, world::BAR, 9, world::hold(2_501, 60))),
    (Decline::InsufficientFunds, |world| {
        // What is held is not there to be spent.
        held(world);
        req(world, world::BAR, 9, world::buy(2, 4))
    }),
    (Decline::OverCap, |world| {
        // Nor does holding make room under the cap.
        held(world);
        assert_eq!(world.tap(world::DESK, 3, 1, world::cash(15_000)), done());
        req(world, world::DESK, 9, world::cash(world::CAP - 17_500 + 1))
    }),
    (Decline::TooManyHolds, |world| {
        for counter in 20..28 {
            assert_eq!(world.tap(world::BAR, counter, 1, world::hold(10, 60)), done());
        }
        req(world, world::BAR, 9, world::hold(10, 60))
    }),
    (Decline::NoSuchHold, |world| req(world, world::BAR, 9, one_beer(world::id(world::BAR, 3)))),
    (Decline::NoSuchHold, |world| {
        // A purchase holds nothing.
        let sale = bought(world);
        req(world, world::BAR, 9, Command::ReleaseHold { hold: sale })
    }),
    (Decline::NoSuchHold, |world| {
        // Another vendor's hold is none of this one's business.
        let hold = held(world);
        req(world, world::OTHER_BAR, 9, world::capture(hold, &[world::line(3, 1, 1_100)]))
    }),
    (Decline::NoSuchHold, |world| {
        let hold = held(world);
        req(world, world::OTHER_BAR, 9, Command::ReleaseHold { hold })
    }),
    (Decline::NoSuchHold, |world| {
        // One that its own device gave up.
        let hold = held(world);
        assert!(matches!(world.tap(world::BAR, 3, 1, Command::Cancel), Verdict::Applied(_)));
        req(world, world::BAR, 9, one_beer(hold))
    }),
    (Decline::HoldEnded, |world| {
        let hold = held(world);
        assert_eq!(world.tap(world::BAR, 4, 1, one_beer(hold)), done());
        req(world, world::BAR, 9, one_beer(hold))
    }),
    (Decline::HoldEnded, |world| {
        let hold = held(world);
        assert_eq!(world.tap(world::BAR, 4, 1, Command::ReleaseHold { hold }), done());
        req(world, world::BAR, 9, Command::ReleaseHold { hold })
    }),
    (Decline::HoldEnded, |world| {
        let hold = held(world);
        world.pass_seconds(3_600);
        assert_eq!(world.fire(), 1);
        req(world, world::BAR, 9, one_beer(hold))
    }),
    (Decline::HoldEnded, |world| {
        // What was given back may be spent: the authorisation cannot be taken back any more.
        let hold = held(world);
        assert_eq!(world.tap(world::BAR, 4, 1, Command::ReleaseHold { hold }), done());
        req(world, world::BAR, 3, Command::Cancel)
    }),
    (Decline::HoldEnded, |world| {
        let hold = held(world);
        assert_eq!(world.tap(world::BAR, 4, 1, Command::ReleaseHold { hold }), done());
        req(world, world::BAR, 4, Command::Cancel)
    }),
    (Decline::AboveHold, |world| {
        let hold = held(world);
        req(world, world::BAR, 9, world::capture(hold, &[world::line(1, 1, 650), world::line(2, 1, 400)]))
    }),
    (Decline::AlreadyVoided, |world| {
        let hold = held(world);
        assert_eq!(world.tap(world::BAR, 4, 1, one_beer(hold)), done());
        let void = Command::Void { sale: world::id(world::BAR, 4) };
        assert_eq!(world.tap(world::DESK, 8, 1, void), done());
        req(world, world::BAR, 4, Command::Cancel)
    }),
    (Decline::NoSuchSale, |world| {
        // What is held was not sold.
        let sale = held(world);
        req(world, world::DESK, 9, Command::Void { sale })
    }),
];

pub(super) const REFUSALS: &[(Refusal, Case)] = &[
    (Refusal::NotYourRole, |world| req(world, world::DESK, 9, world::hold(500, 60))),
    (Refusal::NotYourRole, |world| {
        let hold = held(world);
        req(world, world::DESK, 9, one_beer(hold))
    }),
    (Refusal::NotYourRole, |world| {
        let hold = held(world);
        req(world, world::DESK, 9, Command::ReleaseHold { hold })
    }),
    (Refusal::AmountZero, |world| req(world, world::BAR, 9, world::hold(0, 60))),
    (Refusal::AmountZero, |world| {
        let hold = held(world);
        req(world, world::BAR, 9, world::capture(hold, &[]))
    }),
    (Refusal::AmountTooLarge, |world| req(world, world::BAR, 9, world::hold(world::LARGEST + 1, 60))),
    (Refusal::Unsupported, |world| req(world, world::BAR, 9, world::hold(500, 0))),
    (Refusal::Unsupported, |world| req(world, world::BAR, 9, world::hold(500, 3_601))),
    (Refusal::Unsupported, |world| {
        // Nobody could capture what a desk holds.
        req(world, world::SELLING_DESK, 9, world::hold(500, 60))
    }),
    (Refusal::Unsupported, |world| {
        world.change(|settings, _| settings.most_hold_seconds = 0);
        req(world, world::BAR, 9, world::hold(500, 60))
    }),
    (Refusal::UnknownItemOrPrice, |world| {
        let hold = held(world);
        req(world, world::BAR, 9, world::capture(hold, &[world::line(1, 1, 649)]))
    }),
    (Refusal::WrongTill, |world| at_till(req(world, world::BAR, 9, world::hold(500, 60)), 2)),
    (Refusal::WrongTill, |world| {
        let hold = held(world);
        at_till(req(world, world::BAR, 9, one_beer(hold)), 2)
    }),
    (Refusal::WrongTill, |world| {
        let hold = held(world);
        at_till(req(world, world::BAR, 9, Command::ReleaseHold { hold }), 0)
    }),
];
