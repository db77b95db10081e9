//! Owns: the festival of a load test: vendors, a catalogue, tills, devices, in the file that `fanfare init` reads,
//! and the same facts as the tester needs them to build valid sales.
//! Must never: differ between the file and the tester's own picture: both come from one description.
//! Laws: none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use crate::error::{LoadError, Result};
use crate::num::index;
use crate::zipf::Zipf;

/// How large a festival is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Vendors (bars, shops).
    pub vendors: u32,
    /// Catalogue items of each vendor.
    pub items_per_vendor: u32,
    /// Devices that sell; spread over the vendors' tills.
    pub sellers: u32,
    /// Devices at desks: they open wallets and take cash.
    pub desks: u32,
}

impl Size {
    /// 200 vendors with 10 items each, 9,000 devices of which 600 stand at desks, beside the organiser's and the bankers.
    pub const FULL: Self = Self { vendors: 200, items_per_vendor: 10, sellers: 8_400, desks: 600 };

    /// For tests of a few taps.
    pub const SMALL: Self = Self { vendors: 4, items_per_vendor: 5, sellers: 32, desks: 4 };
}

/// Devices that share one till.
const DEVICES_PER_TILL: u32 = 2;

/// Devices that sell and make transfers, in a festival of any size.
const BANKERS: u32 = 64;

/// What the festival allows, in minor units where it is money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Largest balance of a wallet, in minor units.
    pub balance_cap: i64,
    /// Largest single top-up, in minor units.
    pub top_up_max: i64,
    /// Largest amount of one request, in minor units.
    pub largest_amount: i64,
    /// Within how many seconds the same sale again is asked about.
    pub looks_repeated_seconds: u32,
}

impl Rules {
    /// A festival as guests know it.
    pub const USUAL: Self =
        Self { balance_cap: 25_000, top_up_max: 15_000, largest_amount: 50_000, looks_repeated_seconds: 20 };

    /// Wallets that can pay for tens of thousands of sales: a bar of throughput must not run out of money.
    pub const DEEP: Self = Self {
        balance_cap: 100_000_000,
        top_up_max: 50_000_000,
        largest_amount: 50_000_000,
        looks_repeated_seconds: 20,
    };
}

/// A line that the catalogue accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// Its number in the catalogue.
    pub id: u32,
    /// Price with VAT, in minor units.
    pub price: u32,
}

/// A device and the till it stands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub number: u32,
    /// Its till.
    pub till: u32,
    /// The vendor of its till; none at a desk.
    pub vendor: Option<u32>,
}

/// The festival as the tester knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Festival {
    /// Its number.
    pub id: u16,
    /// How large it is.
    pub size: Size,
    /// What it allows.
    pub rules: Rules,
    // The vendor of each selling till, from till 1.
    vendors: Vec<u32>,
    // Prices that differ from what the catalogue begins with, by item.
    changed: BTreeMap<u32, u32>,
    // Devices that may do nothing any more.
    revoked: BTreeSet<u32>,
}

/// Zipf's exponent for the vendors' shares of all sales: the busiest of 200 bars sells about 7 % of everything.
const VENDOR_EXPONENT: f64 = 0.75;

/// Which vendor each selling till belongs to. A vendor that sells more has more tills, so that each till of the
/// festival is about equally busy, and any run of tills is a fair sample of the vendors.
fn tills_of_vendors(size: Size) -> Vec<u32> {
    let vendors = size.vendors.max(1);
    let tills = (size.sellers.div_ceil(DEVICES_PER_TILL)).max(vendors);
    let zipf = Zipf::new(index(u64::from(vendors)), VENDOR_EXPONENT);
    // Each vendor has one till; the others go, one by one, to the vendor that is shortest of its share.
    let mut owned = vec![1_u32; index(u64::from(vendors))];
    for _ in vendors..tills {
        let short = |(rank, owned): (usize, &u32)| zipf.share(rank) / f64::from(*owned + 1);
        let neediest = owned.iter().enumerate().map(short).enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        if let Some(owned) = neediest.and_then(|(rank, _)| owned.get_mut(rank)) {
            *owned += 1;
        }
    }
    let mut all: Vec<u32> = (1..)
        .zip(owned)
        .flat_map(|(vendor, tills)| std::iter::repeat_n(vendor, index(u64::from(tills))))
        .collect();
    fastrand::Rng::with_seed(1).shuffle(&mut all);
    all
}

/// VAT rates of the catalogue, in per cent as the file writes them.
const VAT: [&str; 3] = ["20", "10", "5.5"];

impl Festival {
    /// A festival of this size under these rules, number 1.
    pub fn new(size: Size, rules: Rules) -> Self {
        let vendors = tills_of_vendors(size);
        Self { id: 1, size, rules, vendors, changed: BTreeMap::new(), revoked: BTreeSet::new() }
    }

    /// Item `nth` of a vendor (vendors count from 1, items from 0).
    pub fn item(&self, vendor: u32, nth: u32) -> Item {
        let nth = nth % self.size.items_per_vendor.max(1);
        let id = (vendor - 1) * self.size.items_per_vendor + nth + 1;
        // 1.00 to 12.50 in steps of 50 cents: what a beer, a coffee or a plate costs.
        let price = self.changed.get(&id).copied().unwrap_or(100 + (id * 7 % 24) * 50);
        Item { id, price }
    }

    /// The same festival with another price for an item.
    #[must_use]
    pub fn repriced(&self, item: u32, price: u32) -> Self {
        let mut other = self.clone();
        other.changed.insert(item, price);
        other
    }

    /// The same festival in which one more device is revoked.
    #[must_use]
    pub fn revoking(&self, device: u32) -> Self {
        let mut other = self.clone();
        other.revoked.insert(device);
        other
    }

    fn sell_tills(&self) -> u32 {
        u32::try_from(self.vendors.len()).unwrap_or(u32::MAX)
    }

    /// Selling device `nth`, from 0; past the last one it starts again.
    pub fn seller(&self, nth: u32) -> Device {
        let nth = nth % self.size.sellers.max(1);
        let till = nth % self.sell_tills() + 1;
        Device { number: nth + 1, till, vendor: self.vendor_of_till(till) }
    }

    /// Desk device `nth`, from 0; past the last one it starts again.
    pub fn desk(&self, nth: u32) -> Device {
        let nth = nth % self.size.desks.max(1);
        Device { number: self.size.sellers + nth + 1, till: self.sell_tills() + nth + 1, vendor: None }
    }

    /// The organiser's device: it may change the configuration, and stands at the first desk.
    pub fn office(&self) -> Device {
        let Device { till, .. } = self.desk(0);
        Device { number: self.size.sellers + self.size.desks + 1, till, vendor: None }
    }

    /// Device `nth`, from 0, of those that sell and also make transfers; it stands at a till that sells.
    pub fn banker(&self, nth: u32) -> Device {
        let nth = nth % BANKERS;
        Device { number: self.office().number + 1 + nth, ..self.seller(nth) }
    }

    /// The vendor a till sells for; none for a desk.
    pub fn vendor_of_till(&self, till: u32) -> Option<u32> {
        self.vendors.get(index(u64::from(till.checked_sub(1)?))).copied()
    }

    /// The file for `fanfare init`.
    pub fn to_toml(&self) -> String {
        let mut out = String::with_capacity(1 << 20);
        // Writing to a string can't fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let Rules { balance_cap, top_up_max, largest_amount, looks_repeated_seconds } = self.rules;
        writeln!(out, "# A festival for load tests: {:?}", self.size)?;
        writeln!(out, "[festival]\nid = {}\nname = \"Load Test\"\ncurrency = \"EUR\"", self.id)?;
        writeln!(out, "time_zone = \"Europe/Paris\"\ncut_over_hour = 6\n")?;
        writeln!(out, "[limits]\nbalance_cap = \"{}\"\ntop_up_min = \"1.00\"", decimal(balance_cap))?;
        writeln!(
            out,
            "top_up_max = \"{}\"\nlargest_amount = \"{}\"",
            decimal(top_up_max),
            decimal(largest_amount)
        )?;
        writeln!(
            out,
            "looks_repeated_seconds = {looks_repeated_seconds}\npurse_order = [\"bonus\", \"paid\"]\ntransfers = true\nallowances = true\nmost_hold_seconds = 3600\n"
        )?;
        for vendor in 1..=self.size.vendors {
            writeln!(out, "[[vendors]]\nid = {vendor}\nname = \"Bar {vendor}\"\n")?;
        }
        self.write_items(out)?;
        self.write_tills(out)?;
        self.write_devices(out)
    }

    fn write_items(&self, out: &mut String) -> std::fmt::Result {
        for vendor in 1..=self.size.vendors {
            for nth in 0..self.size.items_per_vendor {
                let Item { id, price } = self.item(vendor, nth);
                let vat = VAT.get(nth as usize % VAT.len()).copied().unwrap_or("20");
                writeln!(out, "[[items]]\nid = {id}\nname = \"Item {id}\"\nvendor = {vendor}")?;
                writeln!(out, "price = \"{}\"\nvat = \"{vat}\"\n", decimal(i64::from(price)))?;
            }
        }
        Ok(())
    }

    fn write_tills(&self, out: &mut String) -> std::fmt::Result {
        for till in 1..=self.sell_tills() {
            let vendor = self.vendor_of_till(till).unwrap_or(1);
            writeln!(out, "[[tills]]\nid = {till}\nname = \"Till {till}\"\nvendor = {vendor}\n")?;
        }
        for nth in 0..self.size.desks {
            let Device { till, .. } = self.desk(nth);
            writeln!(out, "[[tills]]\nid = {till}\nname = \"Desk {}\"\n", nth + 1)?;
        }
        Ok(())
    }

    fn write_devices(&self, out: &mut String) -> std::fmt::Result {
        for nth in 0..self.size.sellers {
            let Device { number, till, .. } = self.seller(nth);
            let revoked = if self.revoked.contains(&number) { "revoked = true\n" } else { "" };
            writeln!(out, "[[devices]]\nnumber = {number}\ntill = {till}\nroles = [\"sell\"]\n{revoked}")?;
        }
        for nth in 0..self.size.desks {
            let Device { number, till, .. } = self.desk(nth);
            let roles = "[\"pair\", \"top_up\", \"refund\", \"supervise\"]";
            writeln!(out, "[[devices]]\nnumber = {number}\ntill = {till}\nroles = {roles}\n")?;
        }
        let Device { number, till, .. } = self.office();
        writeln!(out, "[[devices]]\nnumber = {number}\ntill = {till}\nroles = [\"administer\"]\n")?;
        for nth in 0..BANKERS {
            let Device { number, till, .. } = self.banker(nth);
            writeln!(out, "[[devices]]\nnumber = {number}\ntill = {till}\nroles = [\"sell\", \"top_up\"]\n")?;
        }
        Ok(())
    }

    /// Writes the file.
    pub fn save(&self, path: &Path) -> Result<()> {
        std::fs::write(path, self.to_toml()).map_err(LoadError::file("write the festival file", path))
    }
}

/// Minor units of a currency with two decimals, as the file writes them.
fn decimal(minor: i64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    /// Table name and its fields, as far as this file's subset of TOML goes.
    fn tables(text: &str) -> Vec<(String, HashMap<String, String>)> {
        let mut all: Vec<(String, HashMap<String, String>)> = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('[') {
                all.push((line.trim_matches(['[', ']']).to_owned(), HashMap::new()));
            } else {
                let (key, value) = line.split_once(" = ").unwrap();
                all.last_mut().unwrap().1.insert(key.to_owned(), value.trim_matches('"').to_owned());
            }
        }
        all
    }

    #[test]
    fn the_full_festival_has_the_size_the_bars_ask_for() {
        let text = Festival::new(Size::FULL, Rules::DEEP).to_toml();
        let tables = tables(&text);
        let of = |name: &str| tables.iter().filter(|(table, _)| table == name).count();
        assert_eq!((of("devices"), of("vendors"), of("items")), (9_001 + 64, 200, 2_000));
        assert_eq!(of("tills"), 4_200 + 600);
        for name in ["vendors", "items", "tills"] {
            let ids: HashSet<_> =
                tables.iter().filter(|(t, _)| t == name).map(|(_, f)| f["id"].clone()).collect();
            assert_eq!(ids.len(), of(name), "{name} repeat an id");
        }
    }

    #[test]
    fn the_testers_picture_is_the_files() {
        let festival = Festival::new(Size::SMALL, Rules::USUAL);
        let tables = tables(&festival.to_toml());
        let find = |name: &str, key: &str, value: u32| {
            let hit = tables.iter().find(|(t, f)| t == name && f.get(key) == Some(&value.to_string()));
            hit.map(|(_, fields)| fields.clone()).unwrap()
        };
        for nth in 0..festival.size.sellers {
            let device = festival.seller(nth);
            assert_eq!(find("devices", "number", device.number)["till"], device.till.to_string());
            let vendor = device.vendor.unwrap();
            assert_eq!(find("tills", "id", device.till)["vendor"], vendor.to_string());
            let item = festival.item(vendor, nth);
            let entry = find("items", "id", item.id);
            assert_eq!(entry["vendor"], vendor.to_string());
            assert_eq!(entry["price"], decimal(i64::from(item.price)));
        }
        let desk = festival.desk(3);
        assert!(!find("tills", "id", desk.till).contains_key("vendor"));
        assert!(find("devices", "number", desk.number)["roles"].contains("top_up"));
        let banker = festival.banker(7);
        assert_eq!(find("devices", "number", banker.number)["till"], banker.till.to_string());
        assert!(find("tills", "id", banker.till).contains_key("vendor"));
        assert!(find("devices", "number", festival.office().number)["roles"].contains("administer"));
        assert_eq!(festival.seller(32), festival.seller(0));
    }

    #[test]
    fn another_price_is_the_only_difference_of_a_repriced_festival() {
        let festival = Festival::new(Size::SMALL, Rules::USUAL);
        let item = festival.item(2, 3);
        let other = festival.repriced(item.id, item.price + 50);
        assert_eq!(other.item(2, 3), Item { price: item.price + 50, ..item });
        let (before, after) = (festival.to_toml(), other.to_toml());
        let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(one, other)| one != other).collect();
        assert_eq!((before.lines().count(), changed.len()), (after.lines().count(), 1), "{changed:?}");
    }

    #[test]
    fn revoked_devices_stay_in_the_file_and_nobody_else_changes() {
        let festival = Festival::new(Size::SMALL, Rules::USUAL);
        let revoking = festival.revoking(festival.seller(3).number).revoking(festival.seller(5).number);
        let (before, after) = (tables(&festival.to_toml()), tables(&revoking.to_toml()));
        assert_eq!(before.len(), after.len());
        let changed: Vec<_> = before.iter().zip(&after).filter(|(one, other)| one != other).collect();
        let numbers: Vec<_> = changed.iter().map(|(_, (_, fields))| fields["number"].as_str()).collect();
        assert_eq!(numbers, ["4", "6"]);
        assert!(changed.iter().all(|(_, (_, fields))| fields["revoked"] == "true"));
    }

    #[test]
    fn tills_are_shared_out_by_zipf_and_a_sample_of_devices_is_fair() {
        let festival = Festival::new(Size::FULL, Rules::DEEP);
        let tills = |vendor| festival.vendors.iter().filter(|owner| **owner == vendor).count();
        assert_eq!((1..=200).map(tills).sum::<usize>(), 4_200);
        assert!((1..=200).all(|vendor| tills(vendor) >= 1));
        assert!(tills(1) > 250 && tills(1) > 4 * tills(10) && tills(10) > 4 * tills(100), "{}", tills(1));
        let busiest = (0..2_000).filter(|nth| festival.seller(*nth).vendor == Some(1)).count();
        assert!((80..260).contains(&busiest), "{busiest} of 2,000 devices at the busiest vendor");
    }

    #[test]
    fn amounts_are_written_with_two_decimals() {
        assert_eq!([decimal(5), decimal(100), decimal(25_050)], ["0.05", "1.00", "250.50"]);
    }
}
