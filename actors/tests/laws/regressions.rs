//! Faults that once were, each with what somebody would have lost; and the corners beside them.

use actors::answer::Verdict;
use actors::codes::{Decline, Outcome};
use actors::command::Command;
use actors::festival::{Festival, Limits, Settings};
use ledger::money::BALANCE_LIMIT;

use crate::world::{self, BAR, DESK, OTHER_BAR, OTHER_DESK, World};

const DONE: Verdict = Verdict::Applied(Outcome::Applied);
const CANCELLED: Verdict = Verdict::Applied(Outcome::Declined(Decline::Cancelled));

fn declined(decline: Decline) -> Verdict {
    Verdict::Declined(decline)
}

/// Band 1, opened and topped up by `DESK` under counters 1 and 2.
fn funded(amount: i64) -> World {
    let mut world = World::new();
    assert_eq!(world.tap(DESK, 1, 1, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 2, 1, world::cash(amount)), DONE);
    world
}

fn void_of(device: u32, counter: u64) -> Command {
    Command::Void { sale: world::id(device, counter) }
}

/// A desk cancels a top-up, is told "spent: it stands" and keeps the cash. A second copy of that
/// cancel, late from a stalled connection, arrived after the customer had topped up elsewhere and
/// took 20.00 out of the wallet: the customer had paid twice for one drink.
#[test]
fn a_late_copy_of_a_declined_cancel_takes_nothing_back() {
    let mut world = funded(2_000);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    let cancel = world::request(&world.keys, DESK, 2, 1, Command::Cancel);
    let first = world.ask(&cancel);
    assert_eq!(first.verdict(), declined(Decline::TopUpSpent));
    assert_eq!(world.tap(OTHER_DESK, 1, 1, world::cash(5_000)), DONE);
    let records = world.history.len();
    assert_eq!(world.ask(&cancel), first, "the copy gets the first answer, byte for byte");
    assert_eq!((world.history.len(), world.purses(1)), (records, Some([6_350, 0, 0])));
    // And the top-up itself keeps its own first answer.
    assert_eq!(world.tap(DESK, 2, 1, world::cash(2_000)), DONE);
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
}

/// Everything spent, the balance is zero: the desk that had opened the wallet could take the
/// opening back, and the refund of a warm beer afterwards met "unknown tag": 6.50 lost.
#[test]
fn an_opening_with_a_history_stands_even_at_a_balance_of_zero() {
    let mut world = funded(650);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 1, 1, Command::Cancel), declined(Decline::WalletInUse));
    assert_eq!(world.tap(OTHER_DESK, 1, 1, void_of(BAR, 1)), DONE);
    assert_eq!(world.purses(1), Some([650, 0, 0]));
    // The same with the sale cancelled by its own device instead: the money reaches the customer.
    let mut world = funded(650);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    world.tap(DESK, 1, 1, Command::Cancel);
    assert_eq!(world.tap(BAR, 1, 1, Command::Cancel), CANCELLED);
    assert_eq!(world.tap(BAR, 2, 1, Command::Balance), Verdict::Balance);
}

/// A desk cancels a top-up while the bar rings the same beer up twice: any cancel or void used to
/// wipe the memory of the last purchase, and the customer paid the second beer.
#[test]
fn taking_back_something_else_does_not_hide_a_repeated_sale() {
    let mut world = funded(5_000);
    assert_eq!(world.tap(DESK, 3, 1, world::cash(1_000)), DONE);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(2, 1)), DONE);
    assert_eq!(world.tap(BAR, 2, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, Command::Cancel), CANCELLED);
    assert_eq!(world.tap(BAR, 3, 1, world::buy(1, 1)), declined(Decline::LooksRepeated));
    assert_eq!(world.tap(DESK, 4, 1, void_of(BAR, 1)), DONE);
    assert_eq!(world.tap(BAR, 4, 1, world::buy(1, 1)), declined(Decline::LooksRepeated));
    // Its own void or cancel does make room for ringing it up again.
    assert_eq!(world.tap(BAR, 2, 1, Command::Cancel), CANCELLED);
    assert_eq!(world.tap(BAR, 5, 1, world::buy(1, 1)), DONE);
}

/// A desk could book openings and voids on a till where it never stood: the drawer and the
/// numbering of that till no longer add up, and its cashier answers for it.
#[test]
fn nobody_acts_in_the_name_of_another_till() {
    let mut world = funded(2_000);
    let records = world.history.len();
    for (counter, band, command) in [(8, 2, Command::Open), (9, 1, void_of(BAR, 1))] {
        let mut request = world::request(&world.keys, DESK, counter, band, command);
        request.till = world::till_of(OTHER_DESK);
        assert_eq!(world.ask(&request).verdict(), Verdict::Refused(actors::codes::Refusal::WrongTill));
        // A desk that names no till is believed to stand at its own.
        request.till = None;
        assert!(!matches!(world.ask(&request).verdict(), Verdict::Refused(_)));
    }
    assert_eq!(world.history.len(), records + 2);
}

#[test]
fn a_cancelled_void_lets_the_sale_stand_and_be_voided_again() {
    let mut world = funded(2_000);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, void_of(BAR, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, Command::Cancel), CANCELLED);
    assert_eq!(world.purses(1), Some([1_350, 0, 0]));
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE, "the sale's retry");
    assert_eq!(world.tap(OTHER_DESK, 1, 1, void_of(BAR, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, void_of(BAR, 1)), declined(Decline::Cancelled), "the void's retry");
    assert_eq!(world.purses(1), Some([2_000, 0, 0]));
    // A void whose money is spent stands; the sale does not come back to life.
    assert_eq!(world.tap(BAR, 2, 1, world::buy(1, 3)), DONE);
    assert_eq!(world.tap(OTHER_DESK, 1, 1, Command::Cancel), declined(Decline::TopUpSpent));
    assert_eq!(world.tap(DESK, 4, 1, void_of(BAR, 1)), declined(Decline::AlreadyVoided));
}

#[test]
fn a_voided_sale_is_not_given_back_twice_by_its_cancel() {
    let mut world = funded(2_000);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, void_of(BAR, 1)), DONE);
    assert_eq!(world.tap(BAR, 1, 1, Command::Cancel), declined(Decline::AlreadyVoided));
    assert_eq!(world.purses(1), Some([2_000, 0, 0]));
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE, "the sale's retry has its first answer");
    // And the other way round: what was cancelled cannot be voided.
    assert_eq!(world.tap(BAR, 2, 1, world::buy(2, 1)), DONE);
    assert_eq!(world.tap(BAR, 2, 1, Command::Cancel), CANCELLED);
    assert_eq!(world.tap(DESK, 4, 1, void_of(BAR, 2)), declined(Decline::NoSuchSale));
    assert_eq!(world.purses(1), Some([2_000, 0, 0]));
}

#[test]
fn an_id_burned_on_an_unopened_band_does_not_stand_in_the_openings_way() {
    let mut world = World::new();
    let burned = Verdict::Applied(Outcome::Declined(Decline::Burned));
    assert_eq!(world.tap(BAR, 5, 1, Command::Cancel), burned);
    assert_eq!(world.tap(BAR, 5, 1, Command::Cancel), burned, "a second copy of the cancel");
    assert_eq!(world.tap(DESK, 1, 1, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 2, 1, world::cash(2_000)), DONE);
    assert_eq!(world.tap(BAR, 5, 1, world::buy(1, 1)), declined(Decline::Burned), "the straggler");
    assert_eq!(world.purses(1), Some([2_000, 0, 0]));
    // An opening that was taken back frees the band; its own id stays closed.
    assert_eq!(world.tap(DESK, 3, 2, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 3, 2, Command::Cancel), CANCELLED);
    assert_eq!(world.tap(DESK, 4, 2, world::cash(500)), Verdict::Refused(actors::codes::Refusal::UnknownTag));
    assert_eq!(world.tap(DESK, 3, 2, Command::Open), declined(Decline::Cancelled));
    assert_eq!(world.tap(OTHER_DESK, 1, 2, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 3, 2, Command::Cancel), CANCELLED, "closes nothing a second time");
    assert_eq!(world.tap(OTHER_DESK, 2, 2, world::cash(500)), DONE);
}

/// The shortcut "above the device's highest counter an id is new" must not take an id below it for
/// known: a terminal whose requests overtake each other would lose sales.
#[test]
fn requests_that_overtake_each_other_are_all_booked_once() {
    let mut world = funded(15_000);
    assert_eq!(world.tap(DESK, 3, 2, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 4, 2, world::cash(15_000)), DONE);
    for counter in [9, 3, 7, 1, 8, 2, 4] {
        let band = 1 + u32::try_from(counter % 2).unwrap();
        world.pass_seconds(60);
        assert_eq!(world.tap(BAR, counter, band, world::buy(1, 1)), DONE);
        assert_eq!(world.tap(BAR, counter, band, world::buy(1, 1)), DONE, "its retry");
        assert_eq!(world.tap(OTHER_BAR, counter, band, Command::Lookup), Verdict::NeverSeen);
    }
    assert_eq!(world.purses(1), Some([15_000 - 3 * 650, 0, 0]));
    assert_eq!(world.purses(2), Some([15_000 - 4 * 650, 0, 0]));
    assert_eq!(world.state.highest_counter(ledger::ids::DeviceNumber::new(BAR).unwrap()), 9);
}

#[test]
fn a_refund_may_pass_the_cap_but_never_the_limit_of_five_bytes() {
    let mut world = funded(15_000);
    assert_eq!(world.tap(DESK, 3, 1, world::cash(10_000)), DONE);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 4, 1, world::cash(650)), DONE);
    assert_eq!(world.tap(DESK, 5, 1, void_of(BAR, 1)), DONE, "it is her money");
    assert_eq!(world.purses(1), Some([world::CAP + 650, 0, 0]));
    assert_eq!(world.tap(DESK, 6, 1, world::cash(100)), declined(Decline::OverCap));

    let cap = BALANCE_LIMIT - 1;
    let limits = Limits { balance_cap: cap, top_up_max: cap, ..world::settings().limits };
    let settings = Settings { limits, ..world::settings() };
    let mut world = World::with(&Festival::new(settings, world::lists()).unwrap());
    assert_eq!(world.tap(DESK, 1, 1, Command::Open), DONE);
    assert_eq!(world.tap(DESK, 2, 1, world::cash(cap)), DONE);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.tap(DESK, 3, 1, world::cash(650)), DONE);
    assert_eq!(world.tap(DESK, 4, 1, void_of(BAR, 1)), declined(Decline::OverCap));
    assert_eq!(world.purses(1), Some([cap, 0, 0]));
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
}

#[test]
fn a_quarantined_wallet_acts_for_nobody_and_its_neighbours_go_on() {
    let mut world = funded(2_000);
    assert_eq!(world.tap(DESK, 3, 2, Command::Open), DONE);
    world.quarantine(1, true);
    for command in [world::buy(1, 1), Command::Cancel, Command::Lookup, Command::Balance, Command::Open] {
        let verdict = world.tap(world::ALL_ROLES, 1, 1, command);
        assert_eq!(verdict, Verdict::Refused(actors::codes::Refusal::Quarantined));
    }
    assert_eq!(world.tap(DESK, 4, 2, world::cash(500)), DONE);
    world.quarantine(1, false);
    assert_eq!(world.tap(DESK, 2, 1, world::cash(2_000)), DONE, "a retry after the release");
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    assert_eq!(world.replayed(&mut |_, _| {}).digest(), world.state.digest());
}

/// A terminal switched to training takes back a real sale: the money came back under a record that
/// said "training", in which no money moves, and no report that leaves training out would balance.
#[test]
fn a_cancel_is_never_training() {
    let mut world = funded(2_000);
    assert_eq!(world.tap(BAR, 1, 1, world::buy(1, 1)), DONE);
    let mut cancel = world::request(&world.keys, BAR, 1, 1, Command::Cancel);
    cancel.mode.training = true;
    assert_eq!(world.ask(&cancel).verdict(), CANCELLED);
    assert!(!world.history.last().unwrap().envelope.mode.training);
    crate::audit::check_audit(&world);
}
