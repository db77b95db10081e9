//! Versions of the configuration over time: which one each shard had adopted at any position, what each
//! said, and what is staged. Written from the rules and fed with durable records only; the laws ask here by
//! what a decision was to be made (L9, L10 and L13).

use std::collections::BTreeMap;
use std::sync::Arc;

use actors::codes::{Decline, Refusal};
use actors::command::{Command, Request};
use actors::festival::{Festival, MAX_PARTS, PRICE_GRACE, Prices, Role, Standing};
use ledger::ids::{At, DeviceNumber, Office, ShardId, Version};
use ledger::record::{Body, Line, Message, Record};

use super::rules::{Expected, Rules};
use super::timeline::Timeline;
use crate::world::tally::Row;

/// What one shard was told, and when it adopted it.
#[derive(Clone, Debug, Default)]
struct History {
    adopted: Timeline<Version>,
    newest: Option<Version>,
    /// Positions from which on another version was in force.
    changes: Vec<u64>,
    staged: BTreeMap<(Version, u16), Vec<u8>>,
    /// The newest version that a record named.
    used: Option<Version>,
}

impl History {
    /// The parts of `version` that are staged, one behind the other.
    fn whole(&self, version: Version, parts: u16) -> Vec<u8> {
        let parts = (0..parts).filter_map(|part| self.staged.get(&(version, part)));
        parts.flatten().copied().collect()
    }

    /// What the named parts make, if it is what the order says.
    fn ordered(&self, (version, parts, hash): (Version, u16, &[u8; 32])) -> Option<Festival> {
        let whole = self.whole(version, parts);
        let same = blake3::hash(&whole).as_bytes() == hash;
        same.then(|| Festival::decode(&whole).ok())?.filter(|festival| festival.version == version)
    }

    fn is_newer(&self, version: Version) -> bool {
        self.newest.is_none_or(|newest| newest < version)
    }
}

/// All shards and all versions.
#[derive(Clone, Debug)]
pub struct Versions {
    known: BTreeMap<Version, Arc<Festival>>,
    shards: Vec<History>,
    counts: Counts,
}

/// What was seen of versions.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    adoptions: u64,
    closing_sweeps: u64,
    scheduled: u64,
    graced: u64,
}

impl Versions {
    /// A ledger of `shards` shards that will be founded with `first`.
    pub fn new(first: Arc<Festival>, shards: u16) -> Self {
        Self {
            known: BTreeMap::from([(first.version, first)]),
            shards: vec![History::default(); usize::from(shards)],
            counts: Counts::default(),
        }
    }

    fn history(&self, shard: ShardId) -> &History {
        &self.shards[usize::from(shard.0)]
    }

    /// What a version said.
    pub fn named(&self, version: Option<Version>) -> Option<&Festival> {
        version.and_then(|version| self.known.get(&version)).map(Arc::as_ref)
    }

    /// What a shard went by at `position`.
    pub fn at(&self, shard: ShardId, position: u64) -> Option<&Festival> {
        self.named(self.history(shard).adopted.at(position).copied())
    }

    /// Positions of a shard, after `from` and up to `to`, from which on it went by another version.
    pub fn changes(&self, shard: ShardId, from: u64, to: u64) -> impl Iterator<Item = u64> + '_ {
        self.history(shard).changes.iter().copied().filter(move |change| from < *change && *change <= to)
    }

    /// The newest version that a shard has adopted, and the newest that one of its records named.
    pub fn newest_of(&self, shard: ShardId) -> (Option<Version>, Option<Version>) {
        let history = self.history(shard);
        (history.newest, history.used)
    }

    /// The version that each shard goes by.
    pub fn by_shard(&self) -> impl Iterator<Item = Option<Version>> + '_ {
        self.shards.iter().map(|history| history.newest)
    }

    /// The newest version that any shard has adopted.
    pub fn newest(&self) -> Option<Version> {
        self.by_shard().flatten().max()
    }

    /// Whether a part of a version lies staged somewhere that is in force nowhere.
    pub fn is_staged(&self) -> bool {
        let newest = self.newest();
        self.shards
            .iter()
            .flat_map(|history| history.staged.keys())
            .any(|(version, _)| Some(*version) > newest)
    }

    /// Whether a device was allowed this by an earlier version than the one that `shard` goes by.
    pub fn once_allowed(&self, shard: ShardId, request: &Request) -> bool {
        let Some(role) = role_of(&request.command) else { return false };
        let newest = self.history(shard).newest;
        let earlier = self.known.iter().filter(|(version, _)| Some(**version) < newest);
        earlier
            .filter_map(|(_, festival)| festival.device(request.device))
            .any(|device| device.roles.has(role))
    }

    /// Whether a device that acts in `shard` had been revoked.
    pub fn was_revoked(&self, shard: ShardId, device: DeviceNumber) -> bool {
        let newest = self.history(shard).newest;
        let earlier = self.known.iter().filter(|(version, _)| Some(**version) < newest);
        earlier.filter_map(|(_, festival)| festival.device(device)).any(|device| device.revoked)
    }

    /// Versions adopted after the first, stripes swept when the festival was closed, sales after a
    /// scheduled change of a price at the new one and at the old.
    pub const fn counts(&self) -> [(Row, u64); 4] {
        let Counts { adoptions, closing_sweeps, scheduled, graced } = self.counts;
        [
            (Row::VersionAdopted, adoptions),
            (Row::ClosingSweep, closing_sweeps),
            (Row::PriceScheduled, scheduled),
            (Row::PriceGrace, graced),
        ]
    }

    fn count(&mut self, record: &Record) {
        let Some(festival) = self.named(record.envelope.configuration) else { return };
        let closed = festival.standing == Standing::Closed && matches!(record.body, Body::Swept { .. });
        let lines = match &record.body {
            Body::Purchased { lines, .. } | Body::Captured { lines, .. } if record.decline.is_none() => {
                lines.as_slice()
            }
            _ => &[],
        };
        let prices = |line: &Line| festival.item(line.item).map(|item| (&item.prices, line.unit_price));
        let changed = lines
            .iter()
            .filter_map(prices)
            .filter(|(prices, _)| prices.scheduled().first().is_some_and(|change| change.from <= record.at));
        let new = |(prices, paid): &(&Prices, u32)| prices.at(record.at) == *paid;
        let (scheduled, graced): (Vec<_>, Vec<_>) = changed.partition(new);
        let (scheduled, graced) = (scheduled.len() as u64, graced.len() as u64);
        self.counts.closing_sweeps += u64::from(closed);
        self.counts.scheduled += scheduled;
        self.counts.graced += graced;
    }

    /// Takes in a record.
    pub fn enter(&mut self, shard: ShardId, number: u64, record: &Record) {
        self.count(record);
        let history = &mut self.shards[usize::from(shard.0)];
        history.used = history.used.max(record.envelope.configuration);
        match &record.body {
            _ if record.decline.is_some() => {}
            Body::ConfigurationStaged { version, part, bytes }
            | Body::Delivered { message: Message::ConfigurationPart { version, part, bytes } }
                if history.is_newer(*version) =>
            {
                history.staged.insert((*version, *part), bytes.clone());
            }
            Body::ConfigurationAdopted { version, parts, hash }
            | Body::Delivered { message: Message::ConfigurationOrder { version, parts, hash } } => {
                self.adopt(shard, number, (*version, *parts, hash));
            }
            _ => {}
        }
    }

    fn adopt(&mut self, shard: ShardId, number: u64, order: (Version, u16, &[u8; 32])) {
        let version = order.0;
        let history = &mut self.shards[usize::from(shard.0)];
        if !history.is_newer(version) {
            return;
        }
        if let Some(festival) = history.ordered(order) {
            self.counts.adoptions += u64::from(history.newest.is_some());
            history.newest = Some(version);
            history.adopted.set(number + 1, version);
            history.changes.push(number + 1);
            self.known.entry(version).or_insert_with(|| Arc::new(festival));
        }
        history.staged.retain(|(staged, _), _| *staged > version);
    }
}

/// The role that a command takes, where it takes exactly one.
pub fn role_of(command: &Command) -> Option<Role> {
    match command {
        Command::Open | Command::Pair { .. } => Some(Role::Pair),
        Command::TopUp { tender: ledger::record::Tender::Bonus, .. } => Some(Role::Supervise),
        Command::TopUp { .. } | Command::Transfer { .. } | Command::SetAllowance { .. } => Some(Role::TopUp),
        Command::Purchase { .. }
        | Command::Authorise { .. }
        | Command::Capture { .. }
        | Command::ReleaseHold { .. } => Some(Role::Sell),
        Command::Void { .. } => Some(Role::Refund),
        _ => None,
    }
}

/// Moments after `since` and up to `latest` at which another price is taken: a sale that is refused for
/// its price leaves no record that would say when.
pub fn price_moments(festival: &Festival, since: At, latest: At) -> Vec<At> {
    let scheduled = festival.items().iter().flat_map(|item| item.prices.scheduled());
    let moments = scheduled.flat_map(|change| [change.from, At(change.from.0.saturating_add(PRICE_GRACE))]);
    moments.filter(|moment| since < *moment && *moment <= latest).collect()
}

impl Versions {
    /// What a request at the festival's office comes to.
    pub fn of_office(
        &self,
        rules: &Rules<'_>,
        request: &Request,
        till_fits: bool,
    ) -> Result<Expected, Refusal> {
        rules.may(request, Role::Administer)?;
        till_fits.then_some(()).ok_or(Refusal::WrongTill)?;
        let number = request.tag.number.as_wallet();
        if Office::of(number) != Some(Office::Festival(rules.festival.id)) {
            return Err(Refusal::NotThisOffice);
        }
        let next = |version: Version| version.get() == rules.festival.version.get() + 1;
        let (fresh, good) = match &request.command {
            Command::StageConfiguration { version, part, bytes } => {
                (next(*version), (1..=Message::MAX_PART).contains(&bytes.len()) && *part < MAX_PARTS)
            }
            Command::AdoptConfiguration { version, parts, hash } => {
                let history = self.history(number.shard(rules.shards));
                let staged = history.ordered((*version, *parts, hash));
                (next(*version), staged.is_some_and(|staged| may_follow(&staged, rules.festival)))
            }
            _ => return Err(Refusal::Internal),
        };
        Ok(match (fresh, good) {
            (true, true) => Expected::nothing(),
            (false, _) => Expected::no(Decline::StaleConfiguration),
            (true, false) => Expected::no(Decline::BadConfiguration),
        })
    }
}

/// Numbers that the journal knows keep their meaning.
fn may_follow(next: &Festival, before: &Festival) -> bool {
    let devices =
        before.devices().iter().all(|known| next.devices().iter().any(|d| d.number == known.number));
    let tills = before.tills().iter().all(|known| next.tills().iter().any(|till| till.id == known.id));
    let vendors = before.vendors().iter().all(|known| next.vendors().iter().any(|v| v.id == known.id));
    devices && tills && vendors && (next.id, next.currency) == (before.id, before.currency)
}
