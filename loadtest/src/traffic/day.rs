//! Owns: a festival's traffic: sales of one to five lines, guests with too little money, double taps, top-ups,
//! balance checks and voids at the desks.
//! Must never: have two requests of one wallet in flight; a wristband is at one till at a time.
//! Laws: checks L2, L4, L9 from outside.

use wire::{Answer, Class, Command, Decline, Flags, Line, Request, RequestId, RequestsWriter, Tender};

use super::{Wallets, put};
use crate::driver::{Sent, Traffic};
use crate::error::LoadError;
use crate::festival_file::Festival;

/// How often what happens, in parts of 1,000 requests. The rest are sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Top-ups in cash at a desk.
    pub top_ups: u16,
    /// A guest asks what is left.
    pub balances: u16,
    /// A sale is taken back at a desk.
    pub voids: u16,
    /// The same sale again, as by a terminal that was tapped twice.
    pub double_taps: u16,
}

impl Mix {
    /// A festival day: most requests are sales.
    pub const USUAL: Self = Self { top_ups: 40, balances: 10, voids: 3, double_taps: 3 };
}

/// How many lines a sale has, in parts of 100: one line most often, five rarely.
const LINES: [u8; 5] = [52, 26, 12, 6, 4];

/// Whoever stands behind a void: staff tag of the desk.
const OPERATOR: u32 = 1;

#[derive(Debug, Clone, Default)]
struct Sale {
    wallet: u32,
    id: RequestId,
    lines: Vec<Line>,
    answered: bool,
    applied: bool,
}

#[derive(Debug)]
struct Place {
    // None at a desk.
    vendor: Option<u32>,
    last: Sale,
    // The last sale was declined as repeated: the barman confirms it.
    confirm: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Sale,
    DoubleTap,
    TopUp,
    Balance,
    Void,
}

/// The traffic of a festival.
#[derive(Debug)]
pub struct Day<'a> {
    wallets: &'a mut Wallets,
    festival: &'a Festival,
    mix: Mix,
    places: Vec<Place>,
    sellers: Vec<usize>,
    desks: Vec<usize>,
    busy: Vec<bool>,
    // The newest applied sale of each wallet that was not taken back: id and amount.
    newest: Vec<(RequestId, i64)>,
    // What the picked terminal is about to do.
    next: What,
    asked: Vec<Option<Command>>,
    rng: fastrand::Rng,
}

impl<'a> Day<'a> {
    /// A day at these tills; at least one must be a desk and one must sell.
    pub fn new(
        wallets: &'a mut Wallets,
        festival: &'a Festival,
        tills: &[u32],
        mix: Mix,
        seed: u64,
    ) -> Result<Self, LoadError> {
        let place = |till: &u32| Place {
            vendor: festival.vendor_of_till(*till),
            last: Sale::default(),
            confirm: false,
        };
        let places: Vec<Place> = tills.iter().map(place).collect();
        let of = |desk: bool| {
            let fits = |(number, place): (usize, &Place)| (place.vendor.is_none() == desk).then_some(number);
            places.iter().enumerate().filter_map(fits).collect::<Vec<_>>()
        };
        let (sellers, desks) = (of(false), of(true));
        if sellers.is_empty() || desks.is_empty() || wallets.is_empty() {
            return Err(LoadError::Arguments(
                "a festival needs wallets, a selling terminal and a desk".to_owned(),
            ));
        }
        let count = wallets.len() as usize;
        Ok(Self {
            wallets,
            festival,
            mix,
            places,
            sellers,
            desks,
            busy: vec![false; count],
            newest: vec![(RequestId::NONE, 0); count],
            next: What::Sale,
            asked: vec![None; count],
            rng: fastrand::Rng::with_seed(seed),
        })
    }

    fn draw(&mut self) -> What {
        let Mix { top_ups, balances, voids, double_taps } = self.mix;
        let mut left = self.rng.u16(0..1_000);
        for (part, what) in [
            (top_ups, What::TopUp),
            (balances, What::Balance),
            (voids, What::Void),
            (double_taps, What::DoubleTap),
        ] {
            match left.checked_sub(part) {
                None => return what,
                Some(rest) => left = rest,
            }
        }
        What::Sale
    }

    /// A guest whose wristband is at no other till now.
    fn guest(&mut self) -> u32 {
        loop {
            let wallet = self.rng.u32(0..self.wallets.len());
            if self.busy.get(wallet as usize) == Some(&false) {
                return wallet;
            }
        }
    }

    fn basket(&mut self, vendor: u32) -> Vec<Line> {
        let mut left = self.rng.u8(0..100);
        let mut count = 1;
        for part in LINES {
            match left.checked_sub(part) {
                None => break,
                Some(rest) => (left, count) = (rest, count + 1),
            }
        }
        let first = self.rng.u32(0..self.festival.size.items_per_vendor.max(1));
        let line = |nth| {
            let item = self.festival.item(vendor, first + nth);
            Line { item: item.id, quantity: 1, unit_price: item.price }
        };
        (0..count).map(line).collect()
    }

    fn sell(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        let place = self.places.get_mut(link)?;
        let free = place.last.answered && self.busy.get(place.last.wallet as usize) == Some(&false);
        let again = free && (place.confirm || (self.next == What::DoubleTap && place.last.applied));
        let confirm = again && std::mem::take(&mut place.confirm);
        let vendor = place.vendor?;
        let (wallet, lines) = if again {
            (place.last.wallet, std::mem::take(&mut place.last.lines))
        } else {
            (self.guest(), self.basket(vendor))
        };
        let mut request = Request::purchase(id, self.wallets.uid(wallet)?, &lines);
        if confirm {
            request.flags = Flags::CONFIRM;
        }
        let sent = put(frame, till, request, (wallet, -request.amount))?;
        self.places.get_mut(link)?.last = Sale { wallet, id, lines, answered: false, applied: false };
        self.note(Command::Purchase, sent)
    }

    fn serve(&mut self, id: RequestId, till: u32, frame: &mut RequestsWriter<'_>) -> Option<Sent> {
        let wallet = self.guest();
        let uid = self.wallets.uid(wallet)?;
        let newest = self.newest.get_mut(wallet as usize)?;
        let (request, delta) = match self.next {
            What::Void if !newest.0.is_none() => {
                let (sale, amount) = std::mem::take(newest);
                (Request::void(id, uid, sale, OPERATOR), amount)
            }
            What::Balance => (Request::balance(id, uid), 0),
            _ => {
                let amount = i64::from(self.rng.u8(2..=10)) * 1_000;
                (Request::top_up(id, uid, amount, Tender::Cash), amount)
            }
        };
        let sent = put(frame, till, request, (wallet, delta))?;
        self.note(request.command, sent)
    }

    /// The wristband is at this till until the answer comes.
    fn note(&mut self, command: Command, sent: Sent) -> Option<Sent> {
        *self.busy.get_mut(sent.token as usize)? = true;
        *self.asked.get_mut(sent.token as usize)? = Some(command);
        Some(sent)
    }
}

impl Traffic for Day<'_> {
    fn pick(&mut self, _: u64, _: usize) -> usize {
        self.next = self.draw();
        let list = match self.next {
            What::Sale | What::DoubleTap => &self.sellers,
            What::TopUp | What::Balance | What::Void => &self.desks,
        };
        list.get(self.rng.usize(0..list.len().max(1))).copied().unwrap_or(0)
    }

    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        match self.next {
            What::Sale | What::DoubleTap => self.sell(link, id, till, frame),
            What::TopUp | What::Balance | What::Void => self.serve(id, till, frame),
        }
    }

    fn answered(&mut self, link: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        let wallet = sent.token as usize;
        let command =
            self.asked.get_mut(wallet).and_then(Option::take).ok_or("nothing was asked of this wallet")?;
        self.wallets.take(sent, command, answer)?;
        if let Some(busy) = self.busy.get_mut(wallet) {
            *busy = false;
        }
        let applied = answer.class == Class::Applied;
        if command == Command::Purchase {
            if applied && let Some(newest) = self.newest.get_mut(wallet) {
                *newest = (answer.id, -sent.delta);
            }
            let place = self.places.get_mut(link).filter(|place| place.last.id == answer.id);
            if let Some(place) = place {
                place.last.answered = true;
                place.last.applied = applied;
                let repeated =
                    answer.class == Class::Declined && answer.code == Decline::LooksRepeated.number();
                // Every second guest meant it.
                place.confirm = repeated && self.rng.bool();
            }
        }
        Ok(())
    }
}
