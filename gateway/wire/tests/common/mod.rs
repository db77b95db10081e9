//! Owns: generators of valid values, shared by the property tests.
//! Must never: generate what a terminal may not send.
//! Laws: none.
// Clippy knows test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use proptest::collection::vec;
use proptest::prelude::*;
use wire::limits::{MAX_COUNTER, MAX_DEVICE};
use wire::{Command, Flags, Line, Name, Request, RequestId, Tender, Uid};

/// A request that owns its lines.
#[derive(Debug, Clone)]
pub struct Owned {
    pub request: Request<'static>,
    pub lines: Vec<Line>,
}

impl Owned {
    pub fn borrow(&self) -> Request<'_> {
        Request { lines: &self.lines, ..self.request }
    }
}

pub fn id() -> impl Strategy<Value = RequestId> {
    (1..=MAX_DEVICE, 1..=MAX_COUNTER).prop_map(|(device, counter)| RequestId::new(device, counter).unwrap())
}

pub fn uid() -> impl Strategy<Value = Uid> {
    (prop::sample::select(vec![4_usize, 7, 10]), any::<[u8; 10]>())
        .prop_map(|(length, bytes)| Uid::new(&bytes[..length]).unwrap())
}

pub fn name() -> impl Strategy<Value = Name> {
    prop_oneof![3 => uid().prop_map(Name::from), 1 => any::<[u8; 10]>().prop_map(Name::ticket)]
}

fn line() -> impl Strategy<Value = Line> {
    (any::<u32>(), 1..=u16::MAX, any::<u32>()).prop_map(|(item, quantity, unit_price)| Line {
        item,
        quantity,
        unit_price,
    })
}

type Small = (u8, u32, u32, u32, u32, u16);

fn shape(
    command: Command,
    id: RequestId,
    name: Name,
    second: Name,
    other: RequestId,
    amount: i64,
    bonus: bool,
) -> Request<'static> {
    let tender = if bonus { Tender::Bonus } else { Tender::Cash };
    match command {
        Command::OpenWallet => Request::open_wallet(id, name),
        Command::TopUp => Request::top_up(id, name, amount, tender),
        Command::Purchase => Request { amount, target: other, ..Request::purchase(id, name, &[]) },
        Command::Void => Request::void(id, name, other, 7),
        Command::Balance | Command::Cancel | Command::Lookup if bonus => {
            Request::of_office(command, id, other.device())
        }
        Command::Balance => Request::balance(id, name),
        Command::Cancel => Request::cancel(id, name),
        Command::Lookup => Request::lookup(id, name),
        Command::Transfer => Request::transfer(id, name, second, amount),
        Command::Pair => Request::pair(id, name, second, bonus.then_some(name), 7),
        Command::BlockTag => Request::block_tag(id, name, 7),
        Command::UnblockTag => Request::unblock_tag(id, name, 7),
        Command::StageConfiguration => {
            Request::stage(id, other.device(), 3, if bonus { &[7; 3_000] } else { &[] })
        }
        Command::AdoptConfiguration => Request::adopt(id, other.device(), 3, [9; 32]),
        Command::SetAllowance => Request::set_allowance(id, name, second, (amount, amount / 3), 7),
        Command::PayOut => Request::pay_out(id, other.device(), amount, 7),
        Command::Authorise => Request::authorise(id, name, amount, 1 + u32::from(name.uid().padded()[0])),
        Command::Capture => Request { amount, ..Request::capture(id, name, other, &[]) },
        Command::ReleaseHold => Request::release_hold(id, name, other),
    }
}

pub fn request() -> impl Strategy<Value = Owned> {
    let names = (prop::sample::select(Command::ALL.to_vec()), id(), (name(), name()), id());
    let small = any::<Small>();
    (names, small, any::<i64>(), any::<i64>(), any::<bool>(), vec(line(), 1..=64)).prop_map(
        |(
            (command, id, (name, second), other),
            (flags, wait_ms, till, tag_counter, operator, zone),
            happened,
            amount,
            bonus,
            lines,
        )| {
            let request = Request {
                flags: Flags(flags),
                wait_ms,
                till,
                tag_counter,
                operator,
                zone,
                happened,
                ..shape(command, id, name, second, other, amount, bonus)
            };
            let lines = if command.sells() { lines } else { vec![] };
            Owned { request, lines }
        },
    )
}
