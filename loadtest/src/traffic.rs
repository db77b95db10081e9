//! Owns: what terminals ask for, by profile, and the tester's own books: what each wallet must hold.
//! Must never: accept an answer it did not check; have two requests of one wallet in flight (their order would be
//! the server's to choose and no balance could be checked exactly).
//! Laws: checks L2, L4 and L9 from outside, answer by answer.

mod day;
mod fixed;
mod mixed;
mod prepare;
mod sales;
mod transfers;
mod wallets;

use wire::{Request, RequestsWriter};

use crate::driver::Sent;

pub use day::{Day, Mix};
pub use fixed::Fixed;
pub use mixed::Mixed;
pub use prepare::{Prepare, Step};
pub use sales::Sales;
pub use transfers::{TRANSFER, Transfers};
pub use wallets::{Wallets, uid_of};

/// The part of `wallets` wallets that belongs to one of `links` terminals: where it starts and how many it holds.
pub(crate) fn part(wallets: u32, link: usize, links: usize) -> (u32, u32) {
    let bound = |link: usize| {
        let part = u64::from(wallets) * crate::num::count(link) / crate::num::count(links.max(1));
        u32::try_from(part).unwrap_or(u32::MAX)
    };
    let from = bound(link);
    (from, bound(link + 1) - from)
}

/// Puts a request into the frame, at this till: what was sent, where there was room for it.
fn put(
    frame: &mut RequestsWriter<'_>,
    till: u32,
    mut request: Request<'_>,
    (wallet, delta): (u32, i64),
) -> Option<Sent> {
    request.till = till;
    frame.push(&request).then_some(Sent { token: wallet, delta })
}

#[cfg(test)]
mod tests;
