//! The festival file: what it means, and what is said about every mistake in one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::path::Path;

use actors::festival::{Festival, Purse, Role};
use gateway::festival_file::{load, parse};
use ledger::ids::{At, DeviceNumber, ItemId, TillId};

/// 2026-06-01T00:00:00Z.
const NOW: At = At(1_780_272_000_000_000);

const EXAMPLE: &str = include_str!("../../deploy/festival.example.toml");

fn example() -> Festival {
    parse(EXAMPLE, NOW).unwrap()
}

#[test]
fn the_example_means_what_it_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/festival.example.toml");
    let festival = load(Path::new(path), NOW).unwrap();
    assert_eq!(festival, example());
    assert_eq!((festival.name.as_str(), festival.currency.alpha()), ("Example Festival", "EUR"));
    let limits = festival.limits;
    assert_eq!((limits.balance_cap, limits.top_up_min, limits.top_up_max), (25_000, 100, 15_000));
    assert_eq!((limits.largest_amount, limits.looks_repeated_seconds), (50_000, 20));
    assert_eq!(festival.purse_order.as_slice(), [Purse::Bonus, Purse::Paid]);
    let item = festival.item(ItemId::new(2).unwrap()).unwrap();
    assert_eq!((item.prices.first(), item.vat.hundredths(), item.vendor.get()), (250, 550, 1));
    let desk = festival.till(TillId::new(3).unwrap()).unwrap();
    assert_eq!((desk.vendor, desk.zone), (None, None));
    let device = festival.device(DeviceNumber::new(3).unwrap()).unwrap();
    let roles = Role::ALL.map(|(role, _)| device.roles.has(role));
    assert_eq!(roles, [false, true, true, true, false, false, false, false]);
}

#[test]
fn the_same_text_and_date_give_the_same_configuration() {
    assert_eq!(example().encode(), example().encode());
}

/// A till that closes its day an hour early or late after a change of the clocks books a night's
/// takings under two dates. Paris springs forward on 2027-03-28 and back on 2026-10-25.
#[test]
fn business_dates_follow_a_change_of_the_clocks() {
    let festival = example();
    let day = |year, month, day| {
        let date = jiff::civil::date(year, month, day);
        i64::from(date.since(jiff::civil::date(1970, 1, 1)).unwrap().get_days())
    };
    // UTC time, business date
    for (utc, date) in [
        ("2026-10-24T03:59:59Z", day(2026, 10, 23)),
        ("2026-10-24T04:00:00Z", day(2026, 10, 24)),
        // 25 hours later: 06:00 is 05:00 UTC now.
        ("2026-10-25T04:59:59Z", day(2026, 10, 24)),
        ("2026-10-25T05:00:00Z", day(2026, 10, 25)),
        ("2027-03-27T05:00:00Z", day(2027, 3, 27)),
        // 23 hours later.
        ("2027-03-28T03:59:59Z", day(2027, 3, 27)),
        ("2027-03-28T04:00:00Z", day(2027, 3, 28)),
    ] {
        let at: jiff::Timestamp = utc.parse().unwrap();
        assert_eq!(festival.local_time.business_date(At(at.as_microsecond())), date, "{utc}");
    }
}

/// Hours an hour off are an hour in which nobody can buy anything.
#[test]
fn hours_and_prices_are_read_in_the_festivals_own_time() {
    let text = EXAMPLE.replace("# hours", "hours").replace("# scheduled", "scheduled");
    let text = text.replace("#   {", "  {").replace("# ]", "]") + "revoked = true\n";
    let text = text.replacen("2026-07-11 02:00", "2026-07-11T02:00+02:00", 1);
    let festival = parse(&text.replacen("stopped = false", "stopped = true", 1), NOW).unwrap();
    let at = |utc: &str| At(utc.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    assert!(!festival.hours.include(at("2026-07-10T09:59:59Z")));
    assert!(festival.hours.include(at("2026-07-10T10:00:00Z")));
    assert!(festival.hours.include(at("2026-07-12T01:59:59Z")));
    assert!(!festival.hours.include(at("2026-07-12T02:00:00Z")));
    assert!(festival.vendors()[0].stopped && !festival.vendors()[1].stopped);
    assert!(festival.vendors()[1].hours.include(at("2026-07-10T23:59:59Z")));
    assert!(!festival.vendors()[1].hours.include(at("2026-07-11T00:00:00Z")));
    let prices = &festival.item(ItemId::new(1).unwrap()).unwrap().prices;
    assert_eq!((prices.at(at("2026-07-10T21:59:59Z")), prices.at(at("2026-07-10T22:00:00Z"))), (650, 700));
    assert_eq!(
        festival.devices().iter().map(|device| device.revoked).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
}

#[test]
fn offsets_are_resolved_for_two_years_back_and_five_ahead() {
    let transitions = example().local_time.transitions;
    assert_eq!(transitions[0].1, 7_200, "in force two years before");
    assert_eq!(transitions.len(), 1 + 14, "two changes a year");
    assert!(transitions.windows(2).all(|pair| pair[0].0 < pair[1].0));
    let zone = |name: &str| parse(&EXAMPLE.replace("Europe/Paris", name), NOW).unwrap().local_time;
    assert_eq!(zone("UTC").transitions.len(), 1);
    assert_eq!(zone("Asia/Kolkata").transitions[0].1, 19_800);
}

/// What is replaced in the example, by what, and what is said about it.
#[test]
fn every_mistake_is_named_with_its_line_and_what_to_do() {
    let table = [
        ("id = 1   ", "id = 0   ", "line 4, [festival]: id = 0: numbers start at 1"),
        ("\"EUR\"", "\"EURO\"", "line 4, [festival]: currency = \"EURO\" is not an ISO 4217 code"),
        ("Europe/Paris", "Europe/Pariss", "line 4, [festival]: time_zone = \"Europe/Pariss\" is not known"),
        ("hour = 6", "hour = 24", "line 4, [festival]: cut_over_hour = 24: write the hour from 0 to 23"),
        ("Example Festival", " ", "line 4, [festival]: the name is empty"),
        ("\"250.00\"", "\"250.001\"", "line 17, [limits]: balance_cap = \"250.001\": not an amount of EUR"),
        ("\"1.00\"", "\"0\"", "line 17, [limits]: top_up_min must be above zero"),
        ("\"150.00\"", "\"0.99\"", "line 17, [limits]: top_up_min is above top_up_max"),
        ("\"150.00\"", "\"250.01\"", "line 17, [limits]: top_up_max is above balance_cap"),
        ("\"250.00\"", "\"5497558138.88\"", "balance_cap is too large: 5497558138.87 EUR is the most"),
        ("\"500.00\"", "\"42949672.96\"", "largest_amount must be from 0.01 EUR to 42949672.95 EUR"),
        ("\"bonus\", \"paid\"", "\"bonus\"", "purse_order lacks \"paid\": that money could never be spent"),
        ("\"bonus\", \"paid\"", "\"paid\", \"paid\"", "purse_order names \"paid\" twice"),
        ("\"bonus\", \"paid\"", "\"cups\"", "purse_order names \"cups\": the purses are"),
        ("id = 2\nname = \"Pizza al", "id = 1\nname = \"Pizza al", "line 34, vendor 1: line 29 has a vendor"),
        ("id = 2\nname = \"Water", "id = 0\nname = \"Water", "line 50, item 0: numbers start at 1"),
        ("\"6.50\"", "\"6.505\"", "line 41, item 1: price = \"6.505\": not an amount of EUR"),
        ("\"6.50\"", "\"-6.50\"", "line 41, item 1: price = \"-6.50\" is out of range: from zero to"),
        ("\"5.5\"", "\"5.555\"", "line 50, item 2: vat = \"5.555\" is not a rate"),
        ("vendor = 2\nprice", "vendor = 7\nprice", "line 57, item 3: there is no vendor 7: add it"),
        ("vendor = 2\nzone", "vendor = 7\nzone", "line 71, till 2: there is no vendor 7: add it"),
        ("zone = 2", "zone = 0", "line 71, till 2: zone = 0"),
        ("number = 2", "number = 1", "line 89, device 1: line 84 has a device of this number"),
        ("number = 2", "number = 8388608", "line 89, device 8388608: device numbers end at 8388607"),
        ("till = 2\n", "till = 9\n", "line 89, device 2: there is no till 9: add it under [[tills]]"),
        ("\"supervise\"]", "\"boss\"]", "line 99, device 4: there is no role \"boss\": the roles are sell,"),
        ("standing = \"open\"", "standing = \"shut\"", "standing = \"shut\": write \"open\", \"paused\" or"),
        (
            "# hours = [{ from = \"2026-07-10 18:00\"",
            "hours = [{ from = \"Friday\"",
            "from = \"Friday\" is no time: write",
        ),
        (
            "# hours = [{ from = \"2026-07-10 18:00\"",
            "hours = [{ from = \"2026-07-12\"",
            "end before they begin",
        ),
        (
            "# hours = [{ from = \"2026-07-10 18:00\"",
            "hours = [{ from = \"2026-03-29 02:30\"",
            "happens twice or never",
        ),
        (
            "# scheduled = [{",
            "scheduled = [{ from = \"2026-07-11\", price = \"1\" }, {",
            "leave one of two at the same",
        ),
        ("most_hold_seconds = 0", "most_hold_seconds = 604801", "a week, 604800, is the most"),
        // What TOML itself says shows the line with the place in it.
        ("vat = \"20\"", "vta = \"20\"", "unknown field `vta`"),
        ("cut_over_hour = 6", "", "missing field `cut_over_hour`"),
        ("price = \"6.50\"", "price = 6.5", "invalid type"),
        ("[limits]", "[limit]", "unknown field `limit`"),
        ("id = 1   ", "id = 70000   ", "invalid value"),
        ("[festival]", "[festival", "TOML parse error at line 4"),
    ];
    for (from, to, said) in table {
        assert!(EXAMPLE.contains(from), "the example has no {from:?}");
        let error = parse(&EXAMPLE.replacen(from, to, 1), NOW).unwrap_err().to_string();
        assert!(error.contains(said), "{from:?} -> {to:?}: {error:?} lacks {said:?}");
    }
    let long = EXAMPLE.replacen("Lager 50 cl", &"x".repeat(201), 1);
    let error = parse(&long, NOW).unwrap_err().to_string();
    assert!(error.contains("line 41, item 1: the name has 201 bytes"), "{error}");
    let error = load(Path::new("/no/such/file.toml"), NOW).unwrap_err().to_string();
    assert!(error.contains("cannot read /no/such/file.toml"), "{error}");
}

#[test]
fn nine_thousand_devices_and_two_thousand_items_fit() {
    let mut text = EXAMPLE.to_owned();
    for id in 100..2_100 {
        let price = format!("{}.{:02}", id % 20, id % 100);
        writeln!(
            text,
            "[[items]]\nid = {id}\nname = \"Item number {id}\"\nvendor = 1\nprice = \"{price}\"\nvat = \"20\""
        )
        .unwrap();
    }
    for number in 1_000..10_000 {
        writeln!(text, "[[devices]]\nnumber = {number}\ntill = 1\nroles = [\"sell\"]").unwrap();
    }
    let festival = parse(&text, NOW).unwrap();
    assert_eq!((festival.items().len(), festival.devices().len()), (2_003, 9_005));
    assert_eq!(festival.item(ItemId::new(133).unwrap()).unwrap().prices.first(), 1_333);
    assert!(festival.encode().len() > actors::festival::MAX_PART, "has to be staged in parts");
}
