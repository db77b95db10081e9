//! The organiser: changes the festival while it runs, version by version, by the same requests at the
//! festival's office that an organiser's terminal sends, and makes mistakes. Knows what it was answered
//! and nothing of the server; must never send a configuration that contradicts itself.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use actors::answer::{Answer, Verdict as Says};
use actors::codes::{Outcome, Refusal};
use actors::command::{Command, Request};
use actors::festival::{
    Festival, Hours, Interval, Item, Lists, Prices, Role, Roles, Scheduled, Settings, Standing,
};
use engine::mail::{Content, Letter as Mailed};
use fastrand::Rng;
use ledger::ids::{At, ItemId, Office, ShardId, TillId, Version};
use ledger::record::Message;

use super::clients::{Clients, Letter};
use super::fixture::{self, ADMINISTRATOR, ITEMS};
use super::tally::{Row, Tally};
use super::{World, mesh};
use crate::laws::{Waiting, versions};

/// What the organiser is about in one run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Intent {
    /// So much is sold that a version comes in several messages.
    pub large: bool,
    /// The festival is closed before the run ends.
    pub closes: bool,
}

/// A version on its way into force.
struct Task {
    next: Arc<Festival>,
    /// Its parts, and whether each is known to be staged.
    parts: Vec<(Rc<Request>, bool)>,
    order: Option<Rc<Request>>,
}

/// See the module.
pub struct Organiser {
    intent: Intent,
    first: Arc<Festival>,
    /// In force as far as the organiser knows.
    current: Arc<Festival>,
    task: Option<Task>,
}

/// Devices that are given and taken things; never the organiser's own.
const DEVICES: std::ops::RangeInclusive<u32> = 1..=7;
/// Roles that are given and taken.
const ROLES: [Role; 5] = [Role::Sell, Role::TopUp, Role::Refund, Role::Pair, Role::Supervise];
const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;

impl Organiser {
    /// Of a festival that was founded as `first`.
    pub fn new(first: Arc<Festival>, intent: Intent) -> Self {
        Self { intent, current: Arc::clone(&first), first, task: None }
    }

    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.current.standing == Standing::Closed
    }

    /// What the organiser sends next; `late` in the run the festival may be closed.
    pub fn act(&mut self, rng: &mut Rng, clients: &mut Clients, wall: At, late: bool) -> Vec<Letter> {
        if rng.u8(0..8) == 0 {
            return self.mistake(rng, clients).into_iter().collect();
        }
        let Some(task) = &mut self.task else { return self.begin(rng, clients, wall, late) };
        let missing: Vec<_> = task.parts.iter().filter(|(_, staged)| !staged).map(|(part, _)| part).collect();
        if let Some(part) = rng.choice(missing) {
            return vec![Clients::again_of(part)];
        }
        if let Some(order) = &task.order {
            return vec![Clients::again_of(order)];
        }
        let bytes = task.next.encode();
        let parts = u16::try_from(task.parts.len()).unwrap_or(u16::MAX);
        let hash = *blake3::hash(&bytes).as_bytes();
        let order = Command::AdoptConfiguration { version: task.next.version, parts, hash };
        let order = ask(clients, ADMINISTRATOR, order);
        task.order = order.as_ref().map(|letter| Rc::clone(&letter.request));
        order.into_iter().collect()
    }

    /// Begins another version: all its parts are sent.
    fn begin(&mut self, rng: &mut Rng, clients: &mut Clients, wall: At, late: bool) -> Vec<Letter> {
        let Some(next) = self.draft(rng, wall, late) else { return Vec::new() };
        let (version, bytes) = (next.version, next.encode());
        let size = bytes.len().div_ceil(rng.usize(1..=4)).min(Message::MAX_PART);
        let stage =
            |(part, bytes): (u16, &[u8])| Command::StageConfiguration { version, part, bytes: bytes.into() };
        let commands = (0..).zip(bytes.chunks(size)).map(stage);
        let letters: Vec<_> = commands.filter_map(|command| ask(clients, ADMINISTRATOR, command)).collect();
        let parts = letters.iter().map(|letter| (Rc::clone(&letter.request), false)).collect();
        self.task = Some(Task { next, parts, order: None });
        letters
    }

    /// The next version: what is in force, or what was there at first, with something changed.
    fn draft(&self, rng: &mut Rng, wall: At, late: bool) -> Option<Arc<Festival>> {
        let like = if rng.u8(0..5) < 2 { &self.first } else { &self.current };
        let (mut settings, mut lists) = taken_apart(like);
        settings.version = Version::new(self.current.version.get() + 1)?;
        for _ in 0..rng.u8(1..=2) {
            change(rng, wall, &mut settings, &mut lists)?;
        }
        if late && self.intent.closes {
            settings.standing = Standing::Closed;
        }
        if self.intent.large {
            enlarge(&mut lists);
        }
        Festival::new(settings, lists).ok().map(Arc::new)
    }

    /// Something that must not change anything.
    fn mistake(&self, rng: &mut Rng, clients: &mut Clients) -> Option<Letter> {
        let (device, ahead, command) = match rng.u8(0..4) {
            0 => (ADMINISTRATOR, 1, 0),
            1 => (ADMINISTRATOR, rng.u32(0..2) * 2, 1),
            2 => (rng.u32(DEVICES), 1, 1),
            _ => (ADMINISTRATOR, 1, 2),
        };
        let version = Version::new(self.current.version.get() + ahead)?;
        let bytes: Box<[u8]> = if command == 1 { Box::new([1, 2, 3]) } else { Box::default() };
        let command = match command {
            0 => Command::AdoptConfiguration { version, parts: 1, hash: [0; 32] },
            // Beyond what any version has, so that it never takes the place of a good part.
            _ => Command::StageConfiguration { version, part: 999, bytes },
        };
        ask(clients, device, command)
    }

    /// An answer came; the new version, if it brought one into force.
    pub fn told(&mut self, request: &Request, answer: &Answer) -> Option<Arc<Festival>> {
        let task = self.task.as_mut()?;
        let is = |asked: &Rc<Request>| asked.id == request.id && asked.command == request.command;
        let part = task.parts.iter_mut().find(|(part, _)| is(part));
        let order = task.order.as_ref().is_some_and(is);
        match (answer.verdict, part) {
            (Says::Unknown | Says::Refused(Refusal::Busy | Refusal::Late | Refusal::Internal), _) => None,
            (Says::Applied(Outcome::Applied), Some((_, staged))) => {
                *staged = true;
                None
            }
            (Says::Applied(Outcome::Applied), None) if order => {
                self.current = self.task.take()?.next;
                Some(Arc::clone(&self.current))
            }
            (_, part) => {
                // It came to nothing: another one is begun.
                if part.is_some() || order {
                    self.task = None;
                }
                None
            }
        }
    }
}

/// A request to the festival's office.
fn ask(clients: &mut Clients, device: u32, command: Command) -> Option<Letter> {
    let office = actors::office::tag(Office::Festival(fixture::FESTIVAL));
    clients.ask_next(device, office, command)
}

/// A festival as it can be put together again.
pub fn taken_apart(festival: &Festival) -> (Settings, Lists) {
    let Festival { id, version, ref name, currency, limits, ref purse_order, ref local_time, .. } = *festival;
    let Festival { transfers, allowances, most_hold_seconds, standing, ref hours, .. } = *festival;
    let settings = Settings {
        id,
        version,
        name: name.clone(),
        currency,
        limits,
        purse_order: purse_order.clone(),
        local_time: local_time.clone(),
        transfers,
        allowances,
        most_hold_seconds,
        standing,
        hours: hours.clone(),
    };
    let lists = Lists {
        vendors: festival.vendors().to_vec(),
        items: festival.items().to_vec(),
        tills: festival.tills().to_vec(),
        devices: festival.devices().to_vec(),
    };
    (settings, lists)
}

/// So much is sold that it does not fit one message.
pub fn enlarge(lists: &mut Lists) {
    let Some(item) = lists.items.first().cloned().filter(|_| lists.items.len() == ITEMS.len()) else {
        return;
    };
    let more = (1_000..1_400).filter_map(ItemId::new);
    lists.items.extend(more.map(|id| Item { id, ..item.clone() }));
}

/// Changes one thing.
fn change(rng: &mut Rng, wall: At, settings: &mut Settings, lists: &mut Lists) -> Option<()> {
    match rng.u8(0..16) {
        0..6 => change_device(rng, lists),
        6 => {
            let vendor = &mut lists.vendors[rng.usize(0..2)];
            vendor.stopped = !vendor.stopped;
            Some(())
        }
        7..9 => {
            let item = &mut lists.items[rng.usize(0..ITEMS.len())];
            item.stopped = !item.stopped;
            Some(())
        }
        9..12 => {
            let item = rng.usize(0..ITEMS.len());
            change_price(rng, wall, &mut lists.items[item])
        }
        12 => {
            settings.hours = hours(rng, wall)?;
            Some(())
        }
        13 => {
            lists.vendors[rng.usize(0..2)].hours = hours(rng, wall)?;
            Some(())
        }
        14 => {
            let paused = settings.standing == Standing::Paused;
            settings.standing = if paused { Standing::Open } else { Standing::Paused };
            Some(())
        }
        _ => {
            let flag = if rng.bool() { &mut settings.transfers } else { &mut settings.allowances };
            *flag = !*flag;
            Some(())
        }
    }
}

/// A device is revoked or comes back, moves to another till, is given or taken a role.
fn change_device(rng: &mut Rng, lists: &mut Lists) -> Option<()> {
    let revoked = lists.devices.iter().position(|device| device.revoked);
    let chosen = rng.u32(DEVICES);
    let chosen = lists.devices.iter().position(|device| device.number.get() == chosen);
    let choice = rng.u8(0..3);
    let chosen = if choice == 0 { revoked.or(chosen) } else { chosen };
    let device = &mut lists.devices[chosen?];
    match choice {
        0 => device.revoked = !device.revoked,
        1 => device.till = TillId::new(rng.u32(1..=3))?,
        _ => device.roles = Roles(device.roles.0 ^ ROLES[rng.usize(0..ROLES.len())] as u16),
    }
    Some(())
}

/// Another price at once, or from a moment on.
fn change_price(rng: &mut Rng, wall: At, item: &mut Item) -> Option<()> {
    let price = item.prices.at(wall) + rng.u32(1..=30);
    item.prices = if rng.bool() {
        Prices::fixed(price)
    } else {
        let from = At(wall.0 + rng.i64(0..4 * SECOND));
        Prices::new(item.prices.at(wall), vec![Scheduled { from, price }]).ok()?
    };
    Some(())
}

/// Opening hours that soon begin or soon end.
fn hours(rng: &mut Rng, wall: At) -> Option<Hours> {
    let soon = At(wall.0 + rng.i64(0..3 * SECOND));
    let interval = if rng.bool() {
        Interval { from: At(wall.0 - HOUR), until: soon }
    } else {
        Interval { from: soon, until: At(wall.0 + HOUR) }
    };
    let interval = Some(interval).filter(|interval| interval.from < interval.until);
    Hours::new(interval.into_iter().collect()).ok()
}

/// What becomes of the messages that carry a version to a shard.
#[derive(Debug, Default)]
pub struct Parts {
    /// Messages of each channel that arrived, and the highest of them.
    arrived: BTreeMap<(ShardId, ShardId), (u64, std::collections::BTreeSet<u64>)>,
}

impl Parts {
    /// Counts what became of a letter.
    pub fn note(&mut self, fate: &mesh::Fate, tally: &mut Tally) {
        match fate {
            mesh::Fate::Lost(letter) if number(letter).is_some() => tally.hit(Row::PartLost),
            mesh::Fate::ArrivesTwice(letter) if number(letter).is_some() => tally.hit(Row::PartTwice),
            _ => {}
        }
        let (mesh::Fate::Arrives(letter) | mesh::Fate::ArrivesTwice(letter)) = fate else { return };
        let Some(number) = number(letter) else { return };
        let (highest, seen) = self.arrived.entry((letter.from, letter.to)).or_default();
        if seen.insert(number) && number < *highest {
            tally.hit(Row::PartReordered);
        }
        *highest = number.max(*highest);
    }
}

/// The number of a message that carries a part of a version, or the order to adopt it.
const fn number(letter: &Mailed) -> Option<u64> {
    match letter.content {
        Content::Message {
            number,
            message: Message::ConfigurationPart { .. } | Message::ConfigurationOrder { .. },
        } => Some(number),
        _ => None,
    }
}

impl World {
    /// The organiser sends something, mostly all of it soon.
    pub(super) fn organise(&mut self) {
        let wall = self.clock.read().wall;
        let late = self.steps > self.plan.steps / 10 * 7;
        let letters = self.organiser.act(&mut self.rng, &mut self.clients, wall, late);
        self.trace.line(format_args!("organiser sends {}", letters.len()));
        self.net.extend(letters);
    }

    /// What an answer says about versions.
    pub(super) fn note_version(&mut self, waiting: &Waiting, answer: &Answer) {
        if let Some(festival) = self.organiser.told(&waiting.request, answer) {
            self.trace.line(format_args!("version {} is in force", festival.version.get()));
            self.clients.board.fetched(&festival);
        }
        self.count_version(waiting, answer);
    }

    fn count_version(&mut self, waiting: &Waiting, answer: &Answer) {
        let (request, known) = (&waiting.request, self.laws.book().versions());
        let first = self.organiser.first.device(request.device);
        let Some(first) = first else { return };
        let own_till = request.till == Some(first.till);
        let old_price = |line: &actors::command::AskedLine| {
            ITEMS.iter().any(|item| (item.0, item.2) == (line.item, line.unit_price))
        };
        let lines = match &request.command {
            Command::Purchase { lines, .. } | Command::Capture { lines, .. } => lines.as_slice(),
            _ => &[],
        };
        let old_prices = lines.iter().all(old_price);
        match answer.verdict {
            Says::Refused(Refusal::NotYourRole) if known.once_allowed(answer.shard, request) => {
                self.tally.hit(Row::RoleTaken);
            }
            Says::Refused(Refusal::WrongTill) if own_till => self.tally.hit(Row::TillTaken),
            Says::Refused(Refusal::UnknownItemOrPrice) if old_prices && !lines.is_empty() => {
                self.tally.hit(Row::PriceGone);
            }
            Says::Applied(Outcome::Applied) => {
                let role = versions::role_of(&request.command);
                let given = role.is_some_and(|role| !first.roles.has(role));
                let back = known.was_revoked(answer.shard, request.device);
                let sells = role == Some(Role::Sell);
                self.tally.add(Row::RoleGiven, u64::from(given));
                self.tally.add(Row::TillGiven, u64::from(sells && !own_till));
                self.tally.add(Row::PriceNew, u64::from(!old_prices));
                self.tally.add(Row::Reinstated, u64::from(back && role.is_some()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_draft_may_follow_and_in_the_end_it_closes() {
        let first = Arc::new(fixture::festival(true).unwrap());
        let mut rng = Rng::with_seed(1);
        for large in [false, true] {
            let mut organiser = Organiser::new(Arc::clone(&first), Intent { large, closes: true });
            for _ in 0..300 {
                let next = organiser.draft(&mut rng, fixture::START, false).unwrap();
                assert_eq!(next.follows(&organiser.current), Ok(()));
                assert_eq!(Festival::decode(&next.encode()).as_ref(), Ok(&*next));
                organiser.current = next;
            }
            assert!(!organiser.is_done());
            organiser.current = organiser.draft(&mut rng, fixture::START, true).unwrap();
            assert!(organiser.is_done());
        }
    }
}
