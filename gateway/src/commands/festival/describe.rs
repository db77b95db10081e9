//! A configuration as a person reads it: every entry with its fields, and what differs between two.

use std::collections::BTreeMap;

use actors::festival::{Device, Festival, Hours, Item, Prices, Purse, Role, Roles, Standing, Till, Vendor};
use jiff::Timestamp;
use ledger::ids::At;
use ledger::money::Amount;

/// An entry's name and its fields, in the order in which they are shown.
type Entry = (String, Vec<(&'static str, String)>);

/// Every entry of a configuration: the festival, its limits, vendors, items, tills, devices. The key
/// sorts them so, and by number.
type Entries = BTreeMap<(u8, u32), Entry>;

/// All of it, a line an entry.
pub fn describe(festival: &Festival) -> Vec<String> {
    entries(festival).values().map(line).collect()
}

fn line((name, fields): &Entry) -> String {
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    let fields: Vec<_> = shown.map(|(field, value)| format!("{field} {value}")).collect();
    format!("{name}: {}", fields.join(", "))
}

/// What changes from `before` to `after`, a line a change; none if both say the same, whatever their
/// versions. Of what is new every field is shown: whoever agrees to it agrees to its price and its roles.
pub fn difference(before: &Festival, after: &Festival) -> Vec<String> {
    let (before, after) = (entries(before), entries(after));
    let mut lines = Vec::new();
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        match (before.get(key), after.get(key)) {
            (Some(old), Some(new)) => changed(old, new, &mut lines),
            (None, Some(new)) => lines.push(format!("+ {}", line(new))),
            (Some((name, _)), None) => lines.push(format!("- {name}")),
            (None, None) => {}
        }
    }
    lines
}

fn changed((_, old): &Entry, (name, new): &Entry, lines: &mut Vec<String>) {
    for ((field, old), (_, new)) in old.iter().zip(new) {
        if old != new {
            let shown = |value: &str| if value.is_empty() { "none".to_owned() } else { value.to_owned() };
            lines.push(format!("  {name}: {field} {} -> {}", shown(old), shown(new)));
        }
    }
}

fn entries(festival: &Festival) -> Entries {
    let mut all = Entries::new();
    all.insert((0, 0), (format!("festival {}", festival.id.0), about(festival)));
    all.insert((1, 0), ("limits".into(), limits(festival)));
    for vendor in festival.vendors() {
        all.insert((2, vendor.id.get()), (format!("vendor {}", vendor.id), of_vendor(vendor)));
    }
    for item in festival.items() {
        all.insert((3, item.id.get()), (format!("item {}", item.id), of_item(item, festival)));
    }
    for till in festival.tills() {
        all.insert((4, till.id.get()), (format!("till {}", till.id), of_till(till)));
    }
    for device in festival.devices() {
        all.insert((5, device.number.get()), (format!("device {}", device.number), of_device(device)));
    }
    all
}

fn about(festival: &Festival) -> Vec<(&'static str, String)> {
    let standing = Standing::ALL.iter().find(|(standing, _)| *standing == festival.standing);
    let clock = &festival.local_time;
    let offsets =
        clock.transitions.iter().map(|(from, offset)| format!("{offset:+} s from {}", moment(*from)));
    vec![
        ("name", quoted(&festival.name)),
        ("currency", festival.currency.to_string()),
        ("standing", standing.map_or_else(String::new, |(_, name)| (*name).to_owned())),
        ("hours", hours(&festival.hours)),
        ("cut-over hour", clock.cut_over_hour.to_string()),
        ("local time", offsets.collect::<Vec<_>>().join(" and ")),
    ]
}

fn limits(festival: &Festival) -> Vec<(&'static str, String)> {
    let money = |minor| Amount::new(minor, festival.currency).to_string();
    let limits = &festival.limits;
    let purse = |purse: &Purse| match purse {
        Purse::Paid => "paid",
        Purse::Bonus => "bonus",
        Purse::Deposit => "deposit",
    };
    let order: Vec<_> = festival.purse_order.iter().map(purse).collect();
    vec![
        ("balance_cap", money(limits.balance_cap)),
        ("top_up_min", money(limits.top_up_min)),
        ("top_up_max", money(limits.top_up_max)),
        ("largest_amount", money(limits.largest_amount)),
        ("looks_repeated_seconds", limits.looks_repeated_seconds.to_string()),
        ("purse_order", order.join(" then ")),
        ("transfers", yes(festival.transfers)),
        ("allowances", yes(festival.allowances)),
        ("most_hold_seconds", festival.most_hold_seconds.to_string()),
    ]
}

fn of_vendor(vendor: &Vendor) -> Vec<(&'static str, String)> {
    vec![("name", quoted(&vendor.name)), ("stopped", yes(vendor.stopped)), ("hours", hours(&vendor.hours))]
}

fn of_item(item: &Item, festival: &Festival) -> Vec<(&'static str, String)> {
    let money = |minor: u32| Amount::new(minor.into(), festival.currency).to_string();
    vec![
        ("name", quoted(&item.name)),
        ("vendor", item.vendor.to_string()),
        ("price", money(item.prices.first())),
        ("scheduled", scheduled(&item.prices, money)),
        ("vat", item.vat.to_string()),
        ("stopped", yes(item.stopped)),
    ]
}

fn scheduled(prices: &Prices, money: impl Fn(u32) -> String) -> String {
    let change = |change: &actors::festival::Scheduled| {
        format!("{} from {}", money(change.price), moment(change.from))
    };
    prices.scheduled().iter().map(change).collect::<Vec<_>>().join(" and ")
}

fn of_till(till: &Till) -> Vec<(&'static str, String)> {
    vec![
        ("name", quoted(&till.name)),
        ("vendor", till.vendor.map_or_else(String::new, |vendor| vendor.to_string())),
        ("zone", till.zone.map_or_else(String::new, |zone| zone.to_string())),
    ]
}

fn of_device(device: &Device) -> Vec<(&'static str, String)> {
    vec![("till", device.till.to_string()), ("roles", roles(device.roles)), ("revoked", yes(device.revoked))]
}

fn roles(roles: Roles) -> String {
    let held = Role::ALL.iter().filter(|(role, _)| roles.has(*role));
    held.map(|(_, name)| *name).collect::<Vec<_>>().join(" and ")
}

fn hours(hours: &Hours) -> String {
    let interval = |interval: &actors::festival::Interval| {
        format!("{} until {}", moment(interval.from), moment(interval.until))
    };
    hours.intervals().iter().map(interval).collect::<Vec<_>>().join(" and ")
}

fn moment(at: At) -> String {
    Timestamp::from_microsecond(at.0).map_or_else(|_| at.0.to_string(), |moment| moment.to_string())
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}

fn yes(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}
