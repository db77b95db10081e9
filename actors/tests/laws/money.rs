//! Where the money of a sale comes from and what tax it holds.

use actors::command::Command;
use actors::festival::{Festival, Purse, Settings};
use ledger::account::AccountKind;
use ledger::record::{Body, Record};

use crate::world::{self, World};

fn with_order(order: &[Purse], paid: i64, bonus: i64) -> World {
    let settings = Settings { purse_order: order.iter().copied().collect(), ..world::settings() };
    let mut world = World::with(&Festival::new(settings, world::lists()).unwrap());
    world.tap(world::DESK, 1, 1, Command::Open);
    world.tap(world::DESK, 2, 1, world::cash(paid));
    world.tap(world::SUPERVISOR, 1, 1, world::bonus(bonus));
    world
}

fn postings(record: &Record) -> Vec<(AccountKind, u64, i64)> {
    let postings = record.entry.postings().iter();
    postings.map(|posting| (posting.account.kind, posting.account.owner, posting.minor)).collect()
}

#[test]
fn purses_pay_in_the_festivals_order() {
    use Purse::{Bonus, Deposit, Paid};
    /// Order, paid, bonus, quantity of 6.50, paid after, bonus after.
    type Row = (&'static [Purse], i64, i64, u16, i64, i64);

    let table: [Row; 8] = [
        (&[Bonus, Paid], 2_000, 500, 1, 1_850, 0),
        (&[Bonus, Paid], 2_000, 650, 1, 2_000, 0),
        (&[Bonus, Paid], 2_000, 1_000, 1, 2_000, 350),
        (&[Paid, Bonus], 2_000, 500, 1, 1_350, 500),
        (&[Paid, Bonus], 600, 500, 1, 0, 450),
        (&[Bonus, Paid], 150, 500, 1, 0, 0),
        (&[Deposit, Bonus, Paid], 2_000, 500, 2, 1_200, 0),
        // Not enough by one cent: nothing moves.
        (&[Paid, Bonus], 149, 500, 1, 149, 500),
    ];
    for (order, paid, bonus, quantity, paid_after, bonus_after) in table {
        let mut world = with_order(order, paid, bonus);
        world.tap(world::BAR, 1, 1, world::buy(1, quantity));
        assert_eq!(world.purses(1), Some([paid_after, bonus_after, 0]), "{order:?} {paid} {bonus}");
        // A void gives every purse back what it gave.
        world.tap(world::DESK, 3, 1, Command::Void { sale: world::id(world::BAR, 1) });
        assert_eq!(world.purses(1), Some([paid, bonus, 0]), "{order:?} {paid} {bonus}, voided");
    }
}

#[test]
fn every_movement_has_its_other_side() {
    let mut world = with_order(&[Purse::Bonus, Purse::Paid], 2_000, 500);
    world.tap(world::BAR, 1, 1, world::buy(1, 1));
    world.tap(world::DESK, 3, 1, Command::Void { sale: world::id(world::BAR, 1) });
    let wallet = world::wallet(1).get();
    let expected = [
        vec![(AccountKind::CashDrawer, 3, 2_000), (AccountKind::WalletPaid, wallet, -2_000)],
        vec![(AccountKind::BonusFunder, 3, 500), (AccountKind::WalletBonus, wallet, -500)],
        vec![
            (AccountKind::WalletBonus, wallet, 500),
            (AccountKind::WalletPaid, wallet, 150),
            (AccountKind::VendorSales, 1, -650),
        ],
        vec![
            (AccountKind::WalletBonus, wallet, -500),
            (AccountKind::WalletPaid, wallet, -150),
            (AccountKind::VendorSales, 1, 650),
        ],
    ];
    let moved = world.history.iter().map(postings).filter(|postings| !postings.is_empty());
    assert_eq!(moved.collect::<Vec<_>>(), expected);
}

#[test]
fn tax_is_computed_once_per_rate() {
    /// Lines; rate in hundredths, base, tax by rising rate.
    type Row = (Vec<actors::command::AskedLine>, &'static [(u16, i64, i64)]);
    let one = |item, quantity| world::line(item, quantity, price(item));
    let table: [Row; 5] = [
        (vec![one(1, 1)], &[(2_000, 542, 108)]),
        (vec![one(1, 2), one(2, 1)], &[(550, 379, 21), (2_000, 1_083, 217)]),
        // Rounded once for the rate, not once a line: 3 x 3.33 is 8.32 + 1.67, not 3 x 2.77 or 2.78.
        (vec![one(5, 1), one(5, 1), one(5, 1)], &[(2_000, 832, 167)]),
        (vec![one(5, 3)], &[(2_000, 832, 167)]),
        (vec![one(2, 1), one(1, 1), one(2, 1)], &[(550, 758, 42), (2_000, 542, 108)]),
    ];
    for (lines, expected) in table {
        let mut world = with_order(&[Purse::Bonus, Purse::Paid], 15_000, 500);
        world.tap(world::BAR, 1, 1, world::purchase(&lines));
        let Some(Body::Purchased { lines: booked, taxes, .. }) =
            world.history.last().map(|record| record.body.clone())
        else {
            panic!("no purchase was booked")
        };
        let taxes: Vec<_> = taxes.iter().map(|tax| (tax.rate.hundredths(), tax.base, tax.tax)).collect();
        assert_eq!(taxes, expected);
        let gross: i64 = booked.iter().map(ledger::record::Line::gross).sum();
        assert_eq!(taxes.iter().map(|(_, base, tax)| base + tax).sum::<i64>(), gross);
        assert_eq!(booked.len(), lines.len(), "lines stay as they were rung up");
    }
}

fn price(item: u32) -> u32 {
    world::ITEMS[item as usize - 1].2
}
