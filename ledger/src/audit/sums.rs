//! Whether a record posts what it says (L1): lines, taxes, amounts and postings are one sum.

use smallvec::SmallVec;

use crate::account::AccountKind;
use crate::entry::Posting;
use crate::ids::WalletNumber;
use crate::money::{Currency, VatRate};
use crate::record::{Body, Line, Record, Tax, Tender};

/// In which way the body of a record that took effect and its postings differ, if they do.
pub(super) fn check(record: &Record) -> Option<String> {
    match &record.body {
        Body::ToppedUp { tender, amount } => top_up(record, *tender, *amount),
        Body::Purchased { lines, taxes, .. } => purchase(record, lines, taxes),
        Body::Held { amount, .. } => held(record, *amount),
        Body::Captured { lines, taxes, from, .. } => captured(record, lines, taxes, *from),
        Body::HoldReleased { .. } | Body::HoldExpired { .. } => given_back(record),
        Body::PaidOut { amount } => paid_out(record, *amount),
        _ => None,
    }
}

/// Out of the vendor's home, into what is due to the vendor, and nothing else.
fn paid_out(record: &Record, amount: i64) -> Option<String> {
    let vendor = record.envelope.wallet.map_or(0, WalletNumber::get);
    let of_vendor = |posting: &&Posting| posting.account.owner == vendor;
    let moved = |kind: AccountKind| {
        let own = record.entry.postings().iter().filter(of_vendor);
        own.filter(|posting| posting.account.kind == kind)
            .map(|posting| i128::from(posting.minor))
            .sum::<i128>()
    };
    let (home, due) = (moved(AccountKind::VendorHome), moved(AccountKind::PayoutsDue));
    let right = amount > 0 && home == amount.into() && due == -home && record.entry.postings().len() == 2;
    (!right).then(|| format!("a payout of {amount} moves {home} out of the home and {} to what is due", -due))
}

/// The sum of the record's postings that `wanted` takes.
fn posted(record: &Record, wanted: impl Fn(AccountKind) -> bool) -> i128 {
    let postings = record.entry.postings().iter().filter(|posting| wanted(posting.account.kind));
    postings.map(|posting| i128::from(posting.minor)).sum()
}

fn top_up(record: &Record, tender: Tender, amount: i64) -> Option<String> {
    let (purse, funder) = match tender {
        Tender::Cash => (AccountKind::WalletPaid, AccountKind::CashDrawer),
        Tender::Bonus => (AccountKind::WalletBonus, AccountKind::BonusFunder),
    };
    if amount <= 0 {
        return Some(format!("a top-up of {amount}"));
    }
    let till = record.envelope.till.map_or(0, |till| till.get().into());
    let credited = posted(record, |kind| kind == purse);
    let debited = posted(record, |kind| kind == funder);
    let own = record.entry.postings().iter().all(|posting| {
        let account = posting.account;
        account.kind == purse || account.kind == funder && account.owner == till
    });
    let amount = i128::from(amount);
    let right = credited == -amount && debited == amount && own;
    (!right)
        .then(|| format!("a top-up of {amount} credits {} and debits {debited} at till {till}", -credited))
}

fn purchase(record: &Record, lines: &[Line], taxes: &[Tax]) -> Option<String> {
    // 64 lines of 2^16 times 2^32 stay below 2^54.
    let gross: i64 = lines.iter().map(Line::gross).sum();
    if gross <= 0 {
        return Some(format!("a purchase of {gross}"));
    }
    if let Some(text) = check_taxes(lines, taxes) {
        return Some(text);
    }
    let debited = posted(record, AccountKind::is_purse);
    let credited = -posted(record, |kind| kind == AccountKind::VendorSales);
    let gross = i128::from(gross);
    let only = |kind: AccountKind| {
        kind.is_purse() && kind != AccountKind::WalletHeld || kind == AccountKind::VendorSales
    };
    let others = record.entry.postings().iter().find(|posting| !only(posting.account.kind));
    if let Some(other) = others {
        return Some(format!("a purchase moves the {}", other.account));
    }
    let right = debited == gross && credited == gross;
    if !right {
        return Some(format!("lines of {gross} debit {debited} and credit the vendor {credited}"));
    }
    wrong_way(record, |kind| kind == AccountKind::VendorSales).or_else(|| vendors(record))
}

/// The posting that credits what its record debits, or the other way round: sums alone would let one purse
/// pay into another, and one vendor into another's stripe. `credited` are the kinds that get.
fn wrong_way(record: &Record, credited: impl Fn(AccountKind) -> bool) -> Option<String> {
    let wrong = |posting: &&Posting| (posting.minor < 0) != credited(posting.account.kind);
    let posting = record.entry.postings().iter().find(wrong)?;
    Some(format!("posts {} to the {}, the wrong way", posting.minor, posting.account))
}

/// A sale is one vendor's.
fn vendors(record: &Record) -> Option<String> {
    let sales = |posting: &&Posting| posting.account.kind == AccountKind::VendorSales;
    let count = record.entry.postings().iter().filter(sales).count();
    (count != 1).then(|| format!("is a sale of {count} vendors"))
}

/// All of it leaves the spendable purses and is held.
fn held(record: &Record, amount: i64) -> Option<String> {
    let held = -posted(record, |kind| kind == AccountKind::WalletHeld);
    let right = amount > 0 && held == i128::from(amount) && only_purses(record);
    if !right {
        return Some(format!("{amount} is to be held, {held} is"));
    }
    wrong_way(record, |kind| kind == AccountKind::WalletHeld)
}

fn given_back(record: &Record) -> Option<String> {
    let held = posted(record, |kind| kind == AccountKind::WalletHeld);
    let right = held > 0 && only_purses(record);
    if !right {
        return Some(format!("gives back {held} of what is held"));
    }
    wrong_way(record, |kind| kind != AccountKind::WalletHeld)
}

fn only_purses(record: &Record) -> bool {
    record.entry.postings().iter().all(|posting| posting.account.kind.is_purse())
}

/// The lines, what was held of each purse for them, and what the vendor has are one sum.
fn captured(record: &Record, lines: &[Line], taxes: &[Tax], from: [i64; 3]) -> Option<String> {
    let gross: i64 = lines.iter().map(Line::gross).sum();
    if gross <= 0 {
        return Some(format!("a capture of {gross}"));
    }
    if let Some(text) = check_taxes(lines, taxes) {
        return Some(text);
    }
    let only = |kind: AccountKind| kind.is_purse() || kind == AccountKind::VendorSales;
    let others = record.entry.postings().iter().find(|posting| !only(posting.account.kind));
    if let Some(other) = others {
        return Some(format!("a capture moves the {}", other.account));
    }
    let sold: i128 = from.iter().map(|part| i128::from(*part)).sum();
    let credited = -posted(record, |kind| kind == AccountKind::VendorSales);
    let right = sold == i128::from(gross) && credited == sold;
    if !right {
        let text = format!("lines of {gross} sell {sold} of what is held and credit the vendor {credited}");
        return Some(text);
    }
    wrong_way(record, |kind| kind != AccountKind::WalletHeld).or_else(|| vendors(record))
}

/// By rising rate, one for each rate of the lines, each split as `FORMAT.md` says.
fn check_taxes(lines: &[Line], taxes: &[Tax]) -> Option<String> {
    let mut gross = SmallVec::<[(VatRate, i64); 4]>::new();
    for line in lines {
        match gross.iter_mut().find(|(rate, _)| *rate == line.vat) {
            Some((_, sum)) => *sum += line.gross(),
            None => gross.push((line.vat, line.gross())),
        }
    }
    gross.sort_unstable();
    if gross.len() != taxes.len() {
        return Some(format!("{} taxes for {} rates", taxes.len(), gross.len()));
    }
    for ((rate, gross), tax) in gross.into_iter().zip(taxes) {
        if tax.rate != rate || (tax.base, tax.tax) != split(gross, rate) {
            let Tax { rate: named, base, tax } = tax;
            return Some(format!("lines of {gross} at {rate} are taxed as {base} + {tax} at {named}"));
        }
    }
    None
}

/// Base and tax of a gross amount: the base rounded half to even, the tax the rest. Written from
/// `FORMAT.md`, so that it does not share a mistake with the code that made the sale.
fn split(gross: i64, rate: VatRate) -> (i64, i64) {
    let (scaled, divisor) = (i128::from(gross) * 10_000, 10_000 + i128::from(rate.hundredths()));
    let (whole, rest) = (scaled / divisor, scaled % divisor);
    let up = rest * 2 > divisor || rest * 2 == divisor && whole % 2 == 1;
    // The base is at most the gross, so it fits.
    let base = i64::try_from(whole + i128::from(up)).unwrap_or(gross);
    (base, gross - base)
}

/// The first currency in which postings do not sum to zero, and what is left.
pub(super) fn unbalanced(postings: &[Posting]) -> Option<(Currency, i128)> {
    let mut sums = SmallVec::<[(Currency, i128); 2]>::new();
    for posting in postings {
        let currency = posting.account.currency;
        match sums.iter_mut().find(|(known, _)| *known == currency) {
            Some((_, sum)) => *sum += i128::from(posting.minor),
            None => sums.push((currency, posting.minor.into())),
        }
    }
    sums.into_iter().find(|(_, sum)| *sum != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;

    #[test]
    fn each_currency_is_summed_on_its_own() {
        let yen = Currency::from_alpha("JPY").unwrap();
        let posting =
            |currency, minor| Posting { account: Account::new(AccountKind::Psp, 1, currency), minor };
        let euro = Currency::EUR;
        assert_eq!(
            unbalanced(&[posting(euro, 5), posting(yen, 7), posting(euro, -5), posting(yen, -7)]),
            None
        );
        assert_eq!(unbalanced(&[posting(euro, 5), posting(yen, -5)]), Some((euro, 5)));
        assert_eq!(unbalanced(&[posting(euro, i64::MAX); 3]), Some((euro, 3 * i128::from(i64::MAX))));
    }

    #[test]
    fn the_split_written_from_the_document_is_the_one_the_sale_uses() {
        let mut source = fastrand::Rng::with_seed(3);
        for _ in 0..20_000 {
            let bits = source.u32(1..40);
            let gross = source.i64(1..1 << bits);
            let rate = VatRate::new(source.u16(0..=VatRate::MAX)).unwrap();
            assert_eq!(split(gross, rate), rate.split(gross), "{gross} at {rate}");
        }
    }
}
