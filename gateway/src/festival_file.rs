//! The festival file: what an organiser writes, in TOML, and `fanfare init` turns into the first
//! configuration of a ledger.
//!
//! Owns the file's form and its error messages: each names the line and the entry, says what is
//! wrong and what to do. Amounts are read exactly, never through a float; the time zone is resolved
//! to offset transitions here, so that no shard needs a time-zone database. Never reads a clock:
//! the date from which the transitions are counted is handed in.

mod times;

use std::collections::HashMap;
use std::path::Path;

use actors::festival::{
    Device, Festival, FestivalError, Item, Limits, Lists, LocalTime, MAX_NAME, MOST_HOLD_SECONDS, Prices,
    Purse, Role, Roles, Scheduled, Settings, Standing, Till, Vendor,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ledger::ids::{At, DeviceNumber, FestivalId, ItemId, TillId, VendorId, Version, ZoneId};
use ledger::money::{Amount, BALANCE_LIMIT, Currency, VatRate};
use ledger::mutant::{self, Mutant};
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use times::{Clock, IntervalEntry};

/// How far back and forward of the given date a time zone's offsets are resolved, in seconds:
/// two years and five, which is longer than any ledger is kept open.
const BACK: i64 = 2 * 366 * 86_400;
const FORWARD: i64 = 5 * 366 * 86_400;

/// Largest festival file: 9,000 devices and 2,000 items take less than 2 MB.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Why a festival file is not one.
#[derive(Debug, Error)]
pub enum FestivalFileError {
    /// The file could not be read.
    #[error("cannot read {path}: {error}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// The file is larger than any festival's.
    #[error(
        "{path} has {bytes} bytes, more than the {MAX_BYTES} a festival file may have: is it the right file?"
    )]
    TooLarge {
        /// Which file.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// It is not TOML of the known form; the text shows the place.
    #[error("{0}")]
    Form(#[from] toml::de::Error),
    /// An entry is wrong.
    #[error("line {line}, {entry}: {problem}")]
    Entry {
        /// Where, from 1.
        line: usize,
        /// Which entry.
        entry: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// The whole is wrong although each entry is right.
    #[error(transparent)]
    Whole(#[from] FestivalError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    festival: Spanned<About>,
    limits: Spanned<Bounds>,
    #[serde(default)]
    vendors: Vec<Spanned<VendorEntry>>,
    #[serde(default)]
    items: Vec<Spanned<ItemEntry>>,
    #[serde(default)]
    tills: Vec<Spanned<TillEntry>>,
    #[serde(default)]
    devices: Vec<Spanned<DeviceEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct About {
    id: u16,
    name: String,
    currency: String,
    time_zone: String,
    cut_over_hour: u8,
    #[serde(default = "open")]
    standing: String,
    #[serde(default)]
    hours: Vec<IntervalEntry>,
}

fn open() -> String {
    "open".into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    balance_cap: String,
    top_up_min: String,
    top_up_max: String,
    largest_amount: String,
    looks_repeated_seconds: u32,
    purse_order: Vec<String>,
    #[serde(default)]
    transfers: bool,
    #[serde(default)]
    allowances: bool,
    #[serde(default)]
    most_hold_seconds: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VendorEntry {
    id: u32,
    name: String,
    #[serde(default)]
    stopped: bool,
    #[serde(default)]
    hours: Vec<IntervalEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ItemEntry {
    id: u32,
    name: String,
    vendor: u32,
    price: String,
    vat: String,
    #[serde(default)]
    scheduled: Vec<ScheduledEntry>,
    #[serde(default)]
    stopped: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduledEntry {
    from: String,
    price: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TillEntry {
    id: u32,
    name: String,
    vendor: Option<u32>,
    zone: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceEntry {
    number: u32,
    till: u32,
    roles: Vec<String>,
    #[serde(default)]
    revoked: bool,
}

/// Reads the festival file at `path`; see [`parse`].
pub fn load(path: &Path, now: At) -> Result<Festival, FestivalFileError> {
    let shown = || path.display().to_string();
    let read = |error| FestivalFileError::Read { path: shown(), error };
    let bytes = std::fs::metadata(path).map_err(read)?.len();
    if bytes > MAX_BYTES {
        return Err(FestivalFileError::TooLarge { path: shown(), bytes });
    }
    parse(&std::fs::read_to_string(path).map_err(read)?, now)
}

/// Reads a festival file. Time-zone offsets are resolved around `now`; the same text and the same
/// `now` give the same configuration. It is version 1.
pub fn parse(text: &str, now: At) -> Result<Festival, FestivalFileError> {
    let file: File = toml::from_str(text)?;
    let lines = LineIndex::new(text);
    let at = |span: &std::ops::Range<usize>, entry: String| Place { line: lines.line(span.start), entry };
    let place = at(&file.festival.span(), "[festival]".into());
    let clock = Clock::of(&file.festival.get_ref().time_zone, &place)?;
    let mut settings = settings(file.festival.get_ref(), &place, &clock, now)?;
    let place = at(&file.limits.span(), "[limits]".into());
    let money = Money { currency: settings.currency };
    settings.limits = limits(file.limits.get_ref(), &place, money)?;
    settings.transfers = file.limits.get_ref().transfers;
    settings.allowances = file.limits.get_ref().allowances;
    settings.most_hold_seconds = most_hold_seconds(file.limits.get_ref(), &place)?;
    settings.purse_order = purses(&file.limits.get_ref().purse_order, &place)?;

    let mut vendors = Numbers::new("vendor");
    let mut lists = Lists::default();
    for entry in &file.vendors {
        let place = at(&entry.span(), format!("vendor {}", entry.get_ref().id));
        lists.vendors.push(vendor(entry.get_ref(), &place, &mut vendors, &clock)?);
    }
    let mut items = Numbers::new("item");
    for entry in &file.items {
        let place = at(&entry.span(), format!("item {}", entry.get_ref().id));
        lists.items.push(item(entry.get_ref(), &place, &mut items, &vendors, (money, &clock))?);
    }
    let mut tills = Numbers::new("till");
    for entry in &file.tills {
        let place = at(&entry.span(), format!("till {}", entry.get_ref().id));
        lists.tills.push(till(entry.get_ref(), &place, &mut tills, &vendors)?);
    }
    let mut devices = Numbers::new("device");
    for entry in &file.devices {
        let place = at(&entry.span(), format!("device {}", entry.get_ref().number));
        lists.devices.push(device(entry.get_ref(), &place, &mut devices, &tills)?);
    }
    let festival = Festival::new(settings, lists)?;
    // What is written into every shard must be readable there: better now than at the first start.
    Ok(Festival::decode(&festival.encode())?)
}

/// Where in the file an entry stands, for messages.
struct Place {
    line: usize,
    entry: String,
}

impl Place {
    fn wrong(&self, problem: impl Into<String>) -> FestivalFileError {
        FestivalFileError::Entry { line: self.line, entry: self.entry.clone(), problem: problem.into() }
    }
}

/// Starts of lines, to turn a byte of the file into a line.
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, byte: usize) -> usize {
        self.0.partition_point(|start| *start <= byte)
    }
}

/// The numbers of one list, with the lines they stand on.
struct Numbers {
    what: &'static str,
    lines: HashMap<u32, usize>,
}

impl Numbers {
    fn new(what: &'static str) -> Self {
        Self { what, lines: HashMap::new() }
    }

    /// Takes a number that is not zero and not taken.
    fn take<T>(
        &mut self,
        number: u32,
        place: &Place,
        make: impl Fn(u32) -> Option<T>,
    ) -> Result<T, FestivalFileError> {
        let new = make(number).ok_or_else(|| place.wrong("numbers start at 1: give it another number"))?;
        match self.lines.insert(number, place.line) {
            None => Ok(new),
            Some(line) => {
                let what = self.what;
                Err(place.wrong(format!("line {line} has a {what} of this number: give it another number")))
            }
        }
    }

    /// Looks a number up that another entry names.
    fn find<T>(
        &self,
        number: u32,
        place: &Place,
        make: impl Fn(u32) -> Option<T>,
    ) -> Result<T, FestivalFileError> {
        let found = make(number).filter(|_| self.lines.contains_key(&number));
        let what = self.what;
        found.ok_or_else(|| {
            place.wrong(format!("there is no {what} {number}: add it under [[{what}s]] or name another"))
        })
    }
}

/// Reads amounts of the festival's currency.
#[derive(Clone, Copy)]
struct Money {
    currency: Currency,
}

impl Money {
    fn minor(self, text: &str, what: &str, place: &Place) -> Result<i64, FestivalFileError> {
        let amount = Amount::parse(text, self.currency)
            .map_err(|error| place.wrong(format!("{what} = {text:?}: {error}")))?;
        if mutant::on(Mutant::MinorUnitsWrong) && text.contains('.') {
            return Ok(amount.minor() / 10_i64.pow(self.currency.exponent()));
        }
        Ok(amount.minor())
    }

    fn shown(self, minor: i64) -> String {
        Amount::new(minor, self.currency).to_string()
    }
}

fn name(text: &str, place: &Place) -> Result<String, FestivalFileError> {
    if text.trim().is_empty() {
        return Err(place.wrong("the name is empty: give it one"));
    }
    if text.len() > MAX_NAME {
        let length = text.len();
        return Err(place.wrong(format!("the name has {length} bytes: shorten it to {MAX_NAME}")));
    }
    Ok(text.to_owned())
}

/// Everything but limits and purses, which need the currency.
fn settings(about: &About, place: &Place, clock: &Clock, now: At) -> Result<Settings, FestivalFileError> {
    if about.id == 0 {
        return Err(place.wrong("id = 0: numbers start at 1"));
    }
    let currency = Currency::from_alpha(&about.currency).ok_or_else(|| {
        let code = &about.currency;
        place.wrong(format!("currency = {code:?} is not an ISO 4217 code: write it as in \"EUR\""))
    })?;
    if about.cut_over_hour > 23 {
        let hour = about.cut_over_hour;
        return Err(place.wrong(format!("cut_over_hour = {hour}: write the hour from 0 to 23")));
    }
    let transitions = transitions(clock.zone(), now).ok_or_else(|| {
        place.wrong("the time zone's changes cannot be told: is the clock of this machine right?")
    })?;
    let known = Standing::ALL.iter().find(|(_, name)| *name == about.standing);
    let (standing, _) = known.ok_or_else(|| {
        let written = &about.standing;
        place.wrong(format!("standing = {written:?}: write \"open\", \"paused\" or \"closed\""))
    })?;
    Ok(Settings {
        id: FestivalId(about.id),
        version: Version::new(1).ok_or_else(|| place.wrong("version 1 is not a version"))?,
        name: name(&about.name, place)?,
        currency,
        limits: Limits {
            balance_cap: 0,
            top_up_min: 0,
            top_up_max: 0,
            largest_amount: 0,
            looks_repeated_seconds: 0,
        },
        purse_order: smallvec::SmallVec::new(),
        local_time: LocalTime { transitions, cut_over_hour: about.cut_over_hour },
        transfers: false,
        allowances: false,
        most_hold_seconds: 0,
        standing: *standing,
        hours: clock.hours(&about.hours, place)?,
    })
}

/// The offset in force [`BACK`] before `now`, and each change up to [`FORWARD`] after it.
fn transitions(zone: &TimeZone, now: At) -> Option<Vec<(At, i32)>> {
    let start = Timestamp::from_second(now.seconds().checked_sub(BACK)?).ok()?;
    let end = Timestamp::from_second(now.seconds().checked_add(FORWARD)?).ok()?;
    let first = (At(start.as_microsecond()), zone.to_offset(start).seconds());
    let changes = zone.following(start).take_while(|change| change.timestamp() <= end);
    let changes = changes.map(|change| (At(change.timestamp().as_microsecond()), change.offset().seconds()));
    Some(std::iter::once(first).chain(changes).collect())
}

fn limits(bounds: &Bounds, place: &Place, money: Money) -> Result<Limits, FestivalFileError> {
    let limits = Limits {
        balance_cap: money.minor(&bounds.balance_cap, "balance_cap", place)?,
        top_up_min: money.minor(&bounds.top_up_min, "top_up_min", place)?,
        top_up_max: money.minor(&bounds.top_up_max, "top_up_max", place)?,
        largest_amount: money.minor(&bounds.largest_amount, "largest_amount", place)?,
        looks_repeated_seconds: bounds.looks_repeated_seconds,
    };
    let largest = i64::from(u32::MAX);
    let problems = [
        (limits.top_up_min <= 0, "top_up_min must be above zero: raise it".to_owned()),
        (
            limits.top_up_min > limits.top_up_max,
            "top_up_min is above top_up_max: lower the one or raise the other".to_owned(),
        ),
        (
            limits.top_up_max > limits.balance_cap,
            "top_up_max is above balance_cap, so such a top-up could never be made: lower the one or raise the \
             other"
                .to_owned(),
        ),
        (
            limits.balance_cap >= BALANCE_LIMIT,
            format!("balance_cap is too large: {} is the most", money.shown(BALANCE_LIMIT - 1)),
        ),
        (
            !(1..=largest).contains(&limits.largest_amount),
            format!("largest_amount must be from {} to {}", money.shown(1), money.shown(largest)),
        ),
    ];
    match problems.into_iter().find(|(wrong, _)| *wrong) {
        Some((_, problem)) => Err(place.wrong(problem)),
        None => Ok(limits),
    }
}

fn most_hold_seconds(bounds: &Bounds, place: &Place) -> Result<u32, FestivalFileError> {
    let seconds = bounds.most_hold_seconds;
    if seconds > MOST_HOLD_SECONDS {
        return Err(
            place.wrong(format!("most_hold_seconds = {seconds}: a week, {MOST_HOLD_SECONDS}, is the most"))
        );
    }
    Ok(seconds)
}

/// The spending order. Money in a purse that it leaves out could never be spent.
fn purses(order: &[String], place: &Place) -> Result<smallvec::SmallVec<[Purse; 3]>, FestivalFileError> {
    let mut purses = smallvec::SmallVec::new();
    for text in order {
        let purse = match text.as_str() {
            "paid" => Purse::Paid,
            "bonus" => Purse::Bonus,
            "deposit" => Purse::Deposit,
            _ => {
                let known = "\"paid\", \"bonus\" and \"deposit\"";
                return Err(place.wrong(format!("purse_order names {text:?}: the purses are {known}")));
            }
        };
        if purses.contains(&purse) {
            return Err(place.wrong(format!("purse_order names {text:?} twice: leave one out")));
        }
        purses.push(purse);
    }
    for (purse, text) in [(Purse::Paid, "paid"), (Purse::Bonus, "bonus")] {
        if !purses.contains(&purse) {
            return Err(place.wrong(format!("purse_order lacks {text:?}: that money could never be spent")));
        }
    }
    Ok(purses)
}

fn vendor(
    entry: &VendorEntry,
    place: &Place,
    numbers: &mut Numbers,
    clock: &Clock,
) -> Result<Vendor, FestivalFileError> {
    Ok(Vendor {
        id: numbers.take(entry.id, place, VendorId::new)?,
        name: name(&entry.name, place)?,
        stopped: entry.stopped,
        hours: clock.hours(&entry.hours, place)?,
    })
}

fn item(
    entry: &ItemEntry,
    place: &Place,
    numbers: &mut Numbers,
    vendors: &Numbers,
    (money, clock): (Money, &Clock),
) -> Result<Item, FestivalFileError> {
    let id = numbers.take(entry.id, place, ItemId::new)?;
    let first = price(&entry.price, place, money)?;
    let mut scheduled = Vec::with_capacity(entry.scheduled.len());
    for change in &entry.scheduled {
        let from = clock.moment(&change.from, "from", place)?;
        scheduled.push(Scheduled { from, price: price(&change.price, place, money)? });
    }
    scheduled.sort_unstable_by_key(|change| change.from);
    let twice = |error| place.wrong(format!("{error}: leave one of two at the same moment out"));
    let prices = Prices::new(first, scheduled).map_err(twice)?;
    let vat = VatRate::parse(&entry.vat).ok_or_else(|| {
        let vat = &entry.vat;
        place.wrong(format!("vat = {vat:?} is not a rate: write per cent from 0 to 100, as in \"5.5\""))
    })?;
    let vendor = vendors.find(entry.vendor, place, VendorId::new)?;
    Ok(Item { id, vendor, prices, vat, name: name(&entry.name, place)?, stopped: entry.stopped })
}

fn price(text: &str, place: &Place, money: Money) -> Result<u32, FestivalFileError> {
    let price = money.minor(text, "price", place)?;
    u32::try_from(price).map_err(|_| {
        let most = money.shown(u32::MAX.into());
        place.wrong(format!("price = {text:?} is out of range: from zero to {most}"))
    })
}

fn till(
    entry: &TillEntry,
    place: &Place,
    numbers: &mut Numbers,
    vendors: &Numbers,
) -> Result<Till, FestivalFileError> {
    let id = numbers.take(entry.id, place, TillId::new)?;
    let vendor = entry.vendor.map(|vendor| vendors.find(vendor, place, VendorId::new)).transpose()?;
    let numbered = |zone| ZoneId::new(zone).ok_or_else(|| place.wrong("zone = 0: numbers start at 1"));
    let zone = entry.zone.map(numbered).transpose()?;
    Ok(Till { id, vendor, zone, name: name(&entry.name, place)? })
}

fn device(
    entry: &DeviceEntry,
    place: &Place,
    numbers: &mut Numbers,
    tills: &Numbers,
) -> Result<Device, FestivalFileError> {
    let number = numbers.take(entry.number, place, DeviceNumber::new)?;
    if entry.number >= 1 << 23 {
        return Err(place.wrong("device numbers end at 8388607: give it another number"));
    }
    let mut roles = Roles::default();
    for text in &entry.roles {
        let known = Role::ALL.iter().find(|(_, name)| name == text);
        let (role, _) = known.ok_or_else(|| {
            let known = Role::ALL.map(|(_, name)| name).join(", ");
            place.wrong(format!("there is no role {text:?}: the roles are {known}"))
        })?;
        roles = roles.with(*role);
    }
    Ok(Device { number, till: tills.find(entry.till, place, TillId::new)?, roles, revoked: entry.revoked })
}
