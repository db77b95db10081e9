//! The ids a wallet remembers, exactly and for the life of the ledger: 24 bytes each, in chunks of
//! eight (one cache line of ids, two of what they came to). L4 stands on this.

use ledger::ids::{RecordNumber, RequestId};
use ledger::law::Law;

use super::Wallet;
use crate::codes::{Decline, Outcome};
use crate::paged::Paged;

const CHUNK: u32 = 8;

/// What is remembered of one id: all that its answer consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The id.
    pub id: RequestId,
    /// Keyed check of the content it came with.
    pub content: u32,
    /// Where its record is.
    pub record: RecordNumber,
    /// What it came to.
    pub outcome: Outcome,
    /// Minor units in the wallet afterwards; below 2^39 either way.
    pub balance: i64,
    /// Why a cancel of it was declined: it took effect and stands for good.
    pub stands: Option<Decline>,
}

/// In the byte of an outcome: it took effect and stands, the rest is why its cancel was declined.
const STANDS: u8 = 0x80;

/// Where an entry lies, for rewriting it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    chunk: u32,
    index: usize,
}

/// Sixteen bytes beside an id.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Detail {
    content: [u8; 4],
    record: [u8; 5],
    balance: [u8; 5],
    outcome: u8,
    /// The first four of a chunk's eight hold the index of the chunk before.
    spare: u8,
}

#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Chunk {
    ids: [u64; CHUNK as usize],
    details: [Detail; CHUNK as usize],
}

impl Chunk {
    fn previous(&self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|byte| self.details[byte].spare))
    }

    fn set_previous(&mut self, chunk: u32) {
        for (detail, byte) in self.details.iter_mut().zip(chunk.to_le_bytes()) {
            detail.spare = byte;
        }
    }
}

fn pack(entry: &Entry, spare: u8) -> Detail {
    let five = |bytes: [u8; 8]| [bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]];
    Detail {
        content: entry.content.to_le_bytes(),
        record: five(entry.record.0.to_le_bytes()),
        balance: five(entry.balance.to_le_bytes()),
        outcome: entry.stands.map_or(entry.outcome.number(), |why| STANDS | why.number()),
        spare,
    }
}

fn unpack(id: u64, detail: &Detail) -> Option<Entry> {
    let eight = |five: [u8; 5]| [five[0], five[1], five[2], five[3], five[4], 0, 0, 0];
    // The sign of the balance lies in bit 39: shift it up to the top and back.
    let balance = (i64::from_le_bytes(eight(detail.balance)) << 24) >> 24;
    let (outcome, stands) = match detail.outcome {
        why if why & STANDS != 0 => (Outcome::Applied, Decline::from_number(why & !STANDS)),
        outcome => (Outcome::from_number(outcome)?, None),
    };
    Some(Entry {
        id: RequestId::new(id)?,
        content: u32::from_le_bytes(detail.content),
        record: RecordNumber(u64::from_le_bytes(eight(detail.record))),
        outcome,
        balance,
        stands,
    })
}

/// The remembered ids of all wallets of a shard.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    chunks: Paged<Chunk>,
    highest: Highest,
}

impl Memory {
    /// What `wallet` remembers of `id`. An id above everything its device sent this shard is new
    /// and costs no walk.
    #[inline]
    pub(crate) fn find(&self, wallet: &Wallet, id: RequestId) -> Option<(Place, Entry)> {
        if id.counter() > self.highest.of(id) || wallet.remembered == 0 {
            return None;
        }
        let mut chunk = wallet.last_chunk;
        let mut used = (wallet.remembered - 1) % CHUNK + 1;
        let mut left = wallet.remembered;
        loop {
            let found = self.chunks[chunk].ids[..used as usize].iter().position(|known| *known == id.get());
            if let Some(index) = found {
                let place = Place { chunk, index };
                return self.entry(place).map(|entry| (place, entry));
            }
            left -= used;
            if left == 0 {
                return None;
            }
            chunk = self.chunks[chunk].previous();
            used = CHUNK;
        }
    }

    fn entry(&self, place: Place) -> Option<Entry> {
        let chunk = &self.chunks[place.chunk];
        unpack(chunk.ids[place.index], &chunk.details[place.index])
    }

    /// Adds an entry to what `wallet` remembers.
    pub(crate) fn remember(&mut self, wallet: &mut Wallet, entry: &Entry) {
        let index = (wallet.remembered % CHUNK) as usize;
        Law::ExactlyOnce.holds(self.is_new(wallet, index, entry.id));
        if index == 0 {
            let mut chunk = Chunk::default();
            chunk.set_previous(wallet.last_chunk);
            wallet.last_chunk = self.chunks.push(chunk);
        }
        let chunk = &mut self.chunks[wallet.last_chunk];
        chunk.ids[index] = entry.id.get();
        chunk.details[index] = pack(entry, chunk.details[index].spare);
        wallet.remembered += 1;
        self.highest.saw(entry.id);
    }

    /// L4, where the lines are at hand that are written next: the newest ids, and all of them where the id
    /// is not above everything its device sent.
    #[inline]
    fn is_new(&self, wallet: &Wallet, index: usize, id: RequestId) -> bool {
        let newest = if index == 0 { &[][..] } else { &self.chunks[wallet.last_chunk].ids[..index] };
        !newest.contains(&id.get()) && self.find(wallet, id).is_none()
    }

    /// Rewrites what an id came to. Only a cancel does that.
    pub(crate) fn rewrite(&mut self, place: Place, entry: &Entry) {
        let chunk = &mut self.chunks[place.chunk];
        chunk.details[place.index] = pack(entry, chunk.details[place.index].spare);
    }

    /// All entries of `wallet`, newest first.
    pub(crate) fn newest_first<'a>(&'a self, wallet: &Wallet) -> impl Iterator<Item = Entry> + 'a {
        let mut left = wallet.remembered;
        let mut chunk = wallet.last_chunk;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let index = (left % CHUNK) as usize;
            let entry = self.entry(Place { chunk, index });
            if index == 0 && left != 0 {
                chunk = self.chunks[chunk].previous();
            }
            entry
        })
    }

    /// The highest counter seen from the device of `id`; 0 if none.
    pub(crate) fn highest_counter(&self, device: ledger::ids::DeviceNumber) -> u64 {
        self.highest.of_device(device.get())
    }

    /// Asks for the highest counter of the device of `id`.
    #[inline]
    pub(crate) fn prefetch_highest(&self, id: RequestId) {
        if let Some(highest) = id.device().and_then(|device| self.highest.place(device.get())) {
            crate::prefetch::soon(highest);
        }
    }

    /// Asks for the lines that deciding about `wallet` will touch.
    #[inline]
    pub(crate) fn prefetch(&self, wallet: &Wallet) {
        if wallet.remembered != 0 {
            let chunk = &self.chunks[wallet.last_chunk];
            let index = (wallet.remembered % CHUNK) as usize;
            crate::prefetch::soon(&chunk.ids);
            crate::prefetch::soon(&chunk.details[index]);
        }
    }
}

const HIGHEST_PAGE: usize = 256;

/// The highest counter seen from each device, by pages of device numbers.
#[derive(Clone, Debug, Default)]
struct Highest(Vec<Option<Box<[u64; HIGHEST_PAGE]>>>);

impl Highest {
    #[inline]
    fn of(&self, id: RequestId) -> u64 {
        id.device().map_or(0, |device| self.of_device(device.get()))
    }

    #[inline]
    fn of_device(&self, device: u32) -> u64 {
        self.place(device).copied().unwrap_or(0)
    }

    #[inline]
    fn place(&self, device: u32) -> Option<&u64> {
        let page = self.0.get(device as usize / HIGHEST_PAGE)?.as_ref()?;
        Some(&page[device as usize % HIGHEST_PAGE])
    }

    fn saw(&mut self, id: RequestId) {
        let Some(device) = id.device() else { return };
        let page = device.get() as usize / HIGHEST_PAGE;
        if self.0.len() <= page {
            self.0.resize(page + 1, None);
        }
        let page = self.0[page].get_or_insert_with(|| Box::new([0; HIGHEST_PAGE]));
        let highest = &mut page[device.get() as usize % HIGHEST_PAGE];
        *highest = (*highest).max(id.counter());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_remembered_id_takes_24_bytes() {
        assert_eq!(size_of::<Chunk>(), 8 * 24);
        assert_eq!(std::mem::offset_of!(Chunk, details), 64);
    }

    #[test]
    fn an_id_remembered_twice_is_counted_even_if_the_short_way_calls_it_new() {
        // A tap that was charged at every resend, because the highest counter of its device was wrong.
        let (mut memory, mut wallet) = (Memory::default(), Wallet::EMPTY);
        (1..=3).for_each(|id| memory.remember(&mut wallet, &entry(7 << 40 | id, 5, Outcome::Applied)));
        memory.highest = Highest::default();
        let before = Law::ExactlyOnce.broken();
        let again = entry(7 << 40 | 1, 5, Outcome::Applied);
        // A debug build panics.
        let _panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            memory.remember(&mut wallet, &again);
        }));
        assert_eq!(Law::ExactlyOnce.broken(), before + 1);
    }

    fn entry(id: u64, balance: i64, outcome: Outcome) -> Entry {
        let id = RequestId::new(id).unwrap();
        let record = RecordNumber(RecordNumber::MAX);
        let stands = (outcome == Outcome::Applied && balance % 2 == 0).then_some(Decline::TopUpSpent);
        Entry { id, content: 0xdead_beef, record, outcome, balance, stands }
    }

    proptest! {
        /// A lost id would be a second charge: memory against a plain list, over several wallets.
        #[test]
        fn memory_is_exact(
            steps in proptest::collection::vec((0_usize..4, 1_u64..40, -(1_i64 << 39) + 1..1_i64 << 39), 0..200)
        ) {
            let mut memory = Memory::default();
            let mut wallets = vec![Wallet::EMPTY; 4];
            let mut model: Vec<Vec<Entry>> = vec![Vec::new(); 4];
            for (wallet, counter, balance) in steps {
                let id = 7 << 40 | counter;
                let known = memory.find(&wallets[wallet], RequestId::new(id).unwrap());
                let expected = model[wallet].iter().position(|entry| entry.id.get() == id);
                prop_assert_eq!(known.map(|(_, entry)| entry), expected.map(|at| model[wallet][at]));
                if let (Some((place, _)), Some(at)) = (known, expected) {
                    let rewritten = entry(id, balance, Outcome::Declined(Decline::Cancelled));
                    memory.rewrite(place, &rewritten);
                    model[wallet][at] = rewritten;
                } else {
                    let new = entry(id, balance, Outcome::Applied);
                    memory.remember(&mut wallets[wallet], &new);
                    model[wallet].push(new);
                }
                let newest: Vec<_> = memory.newest_first(&wallets[wallet]).collect();
                prop_assert!(newest.iter().eq(model[wallet].iter().rev()));
            }
        }
    }
}
