//! What desks do with bands: further ones are paired, to wallets opened at a desk and to wallets opened from
//! a ticket, in the place of an old one or beside it; two desks hold the same band; a lost one is blocked and
//! found again. The old ones are still tapped, and what was asked by them is asked again.

use std::collections::BTreeMap;
use std::rc::Rc;

use actors::address::Tag;
use actors::command::{Command, Request};
use actors::festival::Role;
use fastrand::Rng;
use ledger::ids::{TagNumber, WalletNumber};

use super::{Clients, Wish};
use crate::world::fixture;
use crate::world::plan::Plan;
use crate::world::tally::{Row, Tally};

/// Who gives bands to wallets.
const DESKS: [u32; 3] = [4, 5, 6];

/// How far back a client remembers what it asked by an old band.
const LONG_AGO: usize = 400;

/// What the desks know of bands.
#[derive(Default)]
pub(super) struct Drawer {
    /// Bands that nobody has opened a wallet with.
    spare: Vec<Tag>,
    /// Wallets opened from a ticket.
    tickets: Vec<TagNumber>,
    /// Bands that were asked to be given to each wallet.
    asked: BTreeMap<u64, Vec<TagNumber>>,
    /// Bands that were asked to be replaced or blocked.
    old: Vec<TagNumber>,
    /// What is sent next: the other desk of a race.
    next: Vec<Rc<Request>>,
}

impl Drawer {
    /// The bands of a plan.
    pub(super) fn new(plan: &Plan) -> Self {
        let keys = fixture::keys();
        let spare = (0..plan.spare_bands).map(|band| fixture::tag(&keys, fixture::SPARE + band)).collect();
        let tickets = (0..plan.bands).filter(|band| fixture::from_ticket(*band));
        let tickets = tickets.map(|band| fixture::first(&keys, band).number).collect();
        Self { spare, tickets, ..Self::default() }
    }

    /// Some spare band, if there is one.
    pub(super) fn spare(&self, rng: &mut Rng) -> Option<Tag> {
        rng.choice(self.spare.iter()).copied()
    }

    /// The other desk.
    pub(super) fn next(&mut self) -> Option<Rc<Request>> {
        self.next.pop()
    }
}

impl Clients {
    /// Whether a wallet was opened from a ticket.
    pub fn is_of_ticket(&self, wallet: WalletNumber) -> bool {
        self.drawer.tickets.contains(&wallet.as_tag())
    }

    /// Something a desk does with a band.
    pub(super) fn at_a_desk(&mut self, rng: &mut Rng, plan: &Plan, tally: &mut Tally) -> Option<Request> {
        match rng.u32(0..100) {
            0..55 => self.pair(rng, plan),
            55..70 => self.race(rng, plan, tally),
            70..84 => self.block(rng, Command::BlockTag),
            _ => self.block(rng, Command::UnblockTag),
        }
    }

    /// A band is given to a wallet, mostly one that nobody has yet.
    fn pair(&mut self, rng: &mut Rng, plan: &Plan) -> Option<Request> {
        let spare = self.drawer.spare(rng);
        let tag = if rng.u8(0..10) == 0 { self.tag(rng) } else { spare? };
        let wallet = self.wallet(rng, plan);
        let replaces = self.replaced(rng, wallet);
        self.give(rng, tag, wallet, replaces)
    }

    /// Two desks give the same band to two wallets at the same time.
    fn race(&mut self, rng: &mut Rng, plan: &Plan, tally: &mut Tally) -> Option<Request> {
        let tag = self.drawer.spare(rng)?;
        let (one, other) = (self.wallet(rng, plan), self.wallet(rng, plan));
        tally.hit(Row::BandRace);
        let other = self.give(rng, tag, other, None)?;
        let other = self.wish(other);
        self.drawer.next.push(other);
        self.give(rng, tag, one, None)
    }

    /// A desk: one of the usual ones, or any that a change let pair.
    fn desk(&self, rng: &mut Rng) -> u32 {
        let usual = DESKS[rng.usize(0..DESKS.len())];
        self.board.instead(rng, usual, Role::Pair)
    }

    fn give(
        &mut self,
        rng: &mut Rng,
        tag: Tag,
        wallet: WalletNumber,
        replaces: Option<TagNumber>,
    ) -> Option<Request> {
        self.drawer.asked.entry(wallet.get()).or_default().push(tag.number);
        self.drawer.old.extend(replaces);
        let device = self.desk(rng);
        let counter = self.count(device);
        self.build(device, counter, tag, Command::Pair { wallet, replaces })
    }

    /// A wallet by its own number; now and then by that of another band.
    fn wallet(&self, rng: &mut Rng, plan: &Plan) -> WalletNumber {
        let first = usize::from(rng.u8(0..8) != 0 && plan.hoard);
        let tag = if first == 1 { self.tags[0] } else { self.first(rng) };
        let spare = self.drawer.spare(rng).filter(|_| rng.u8(0..8) == 0);
        spare.unwrap_or(tag).number.as_wallet()
    }

    /// What a new band takes the place of: mostly nothing, or a band that the wallet may have.
    fn replaced(&self, rng: &mut Rng, wallet: WalletNumber) -> Option<TagNumber> {
        let asked = self.drawer.asked.get(&wallet.get()).map_or(&[][..], Vec::as_slice);
        match rng.u32(0..100) {
            0..12 => Some(wallet.as_tag()),
            12..40 => rng.choice(asked.iter()).copied(),
            40..46 => Some(self.tag(rng).number),
            _ => None,
        }
    }

    /// A band is reported lost, or found.
    fn block(&mut self, rng: &mut Rng, command: Command) -> Option<Request> {
        let blocks = command == Command::BlockTag;
        let old = rng.choice(self.drawer.old.iter()).copied().filter(|_| !blocks && rng.bool());
        let spare = self.drawer.spare(rng).filter(|_| rng.u8(0..4) != 0);
        let tag = spare.unwrap_or_else(|| self.tag(rng));
        let known = self.tags.iter().chain(&self.drawer.spare).find(|tag| Some(tag.number) == old);
        let tag = known.copied().unwrap_or(tag);
        if blocks {
            self.drawer.old.push(tag.number);
        }
        let device = self.desk(rng);
        let counter = self.count(device);
        self.build(device, counter, tag, command)
    }

    /// What was asked by a band before it was old, once more.
    pub(super) fn by_an_old_band(&self, rng: &mut Rng, tally: &mut Tally) -> Option<Rc<Request>> {
        let from = self.wishes.len().saturating_sub(LONG_AGO);
        let old = |wish: &&Wish| {
            let asks = !matches!(wish.request.command, Command::Cancel | Command::Balance);
            wish.sent && asks && self.drawer.old.contains(&wish.request.tag.number)
        };
        let wishes: Vec<_> = self.wishes[from..].iter().filter(old).collect();
        let request = rng.choice(wishes.iter()).map(|wish| Rc::clone(&wish.request))?;
        tally.hit(Row::Duplicate);
        Some(request)
    }
}
