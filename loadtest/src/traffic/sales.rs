//! Owns: the purchases of the bars: confirmed, from funded wallets, every answer checked to the cent.
//! Must never: be cheaper than a guest's purchase: real lines at catalogue prices, another wallet each time.
//! Laws: checks L2, L4, L9 from outside.

use wire::{Answer, Command, Flags, Line, Request, RequestId, RequestsWriter};

use super::{Wallets, part, put};
use crate::driver::{Sent, Traffic};
use crate::error::LoadError;
use crate::festival_file::Festival;

#[derive(Debug)]
struct Seller {
    vendor: u32,
    // The wallets of this terminal alone, walked in strides so that no cache line is met twice in a row.
    from: u32,
    count: u32,
    at: u32,
    stride: u32,
    sold: u32,
}

/// Purchases by any number of terminals, each with wallets of its own.
#[derive(Debug)]
pub struct Sales<'a> {
    wallets: &'a mut Wallets,
    festival: &'a Festival,
    sellers: Vec<Seller>,
    lines: u32,
}

impl<'a> Sales<'a> {
    /// Purchases of so many lines at these tills. Fails when a terminal would have more in flight than wallets:
    /// two requests of one wallet would overtake each other and no balance could be checked.
    pub fn new(
        wallets: &'a mut Wallets,
        festival: &'a Festival,
        tills: &[u32],
        lines: u32,
        in_flight: usize,
    ) -> Result<Self, LoadError> {
        Self::among(wallets.len(), wallets, festival, tills, lines, in_flight)
    }

    /// The same by the first `buyers` wallets alone.
    pub fn among(
        buyers: u32,
        wallets: &'a mut Wallets,
        festival: &'a Festival,
        tills: &[u32],
        lines: u32,
        in_flight: usize,
    ) -> Result<Self, LoadError> {
        let mut sellers = Vec::with_capacity(tills.len());
        for (link, till) in tills.iter().enumerate() {
            let (from, count) = part(buyers, link, tills.len());
            if crate::num::index(u64::from(count)) < in_flight.max(1) {
                return Err(LoadError::Arguments(format!(
                    "{buyers} wallets are too few for {} terminals with {in_flight} requests in flight each",
                    tills.len()
                )));
            }
            let vendor = festival.vendor_of_till(*till).ok_or_else(|| {
                LoadError::Server(format!("put a seller at till {till}, which sells nothing"))
            })?;
            sellers.push(Seller { vendor, from, count, at: 0, stride: stride(count), sold: 0 });
        }
        Ok(Self { wallets, festival, sellers, lines })
    }

    /// The tester's books.
    pub fn wallets(&mut self) -> &mut Wallets {
        self.wallets
    }

    /// The wallet that is next at a terminal.
    pub fn buyer(&mut self, link: usize) -> Option<u32> {
        let seller = self.sellers.get_mut(link)?;
        let wallet = seller.from + seller.at;
        seller.at = (seller.at + seller.stride) % seller.count;
        Some(wallet)
    }
}

/// A step that visits each of `count` places before any twice.
fn stride(count: u32) -> u32 {
    let common = |mut a: u32, mut b: u32| {
        while b != 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    [7_919, 4_447, 2_539, 641, 89, 7]
        .into_iter()
        .find(|step| *step < count && common(*step, count) == 1)
        .unwrap_or(1)
}

impl Traffic for Sales<'_> {
    fn next(
        &mut self,
        link: usize,
        id: RequestId,
        till: u32,
        frame: &mut RequestsWriter<'_>,
    ) -> Option<Sent> {
        let wallet = self.buyer(link)?;
        let seller = self.sellers.get_mut(link)?;
        seller.sold = seller.sold.wrapping_add(1);
        let (vendor, sold) = (seller.vendor, seller.sold);
        let pick = |nth: u32| {
            let item = self.festival.item(vendor, sold.wrapping_add(nth));
            Line { item: item.id, quantity: 1, unit_price: item.price }
        };
        let mut basket = [Line { item: 0, quantity: 0, unit_price: 0 }; 5];
        let basket = basket.get_mut(..self.lines as usize)?;
        for (nth, place) in (0..).zip(basket.iter_mut()) {
            *place = pick(nth);
        }
        let mut request = Request::purchase(id, self.wallets.uid(wallet)?, basket);
        request.flags = Flags::CONFIRM;
        put(frame, till, request, (wallet, -request.amount))
    }

    fn answered(&mut self, _: usize, sent: Sent, answer: &Answer) -> Result<(), String> {
        self.wallets.take(sent, Command::Purchase, answer)
    }
}

#[cfg(test)]
mod tests {
    use super::stride;
    use std::collections::HashSet;

    #[test]
    fn each_wallet_is_visited_before_any_twice() {
        for count in [1, 2, 7, 89, 122, 641, 7_919, 125_000] {
            let step = stride(count);
            let seen: HashSet<u32> =
                (0..count).scan(0, |at, _| Some(std::mem::replace(at, (*at + step) % count))).collect();
            assert_eq!(seen.len(), count as usize, "{count}");
        }
    }
}
