//! From numbers to places in an array of what has them: wallets to slots, devices to what they may do. One
//! array of 32-bit entries, open addressing, at most half full. One cache line answers most look-ups, and it
//! can be asked for ahead: that is why this is no table of a library, whose place of an entry nobody outside
//! can name.

/// See the module. An entry is a place plus one in the bits that the array's size needs, and above them as
/// many bits of the hash as there is room for; 0 is free. Places are given out in order, from 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    entries: Box<[u32]>,
    places: u32,
}

/// Entries of the smallest array.
const SMALLEST: usize = 16;

impl Index {
    /// The place that `is` the one looked for, among those whose number has this hash.
    #[inline]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = self.entries.len().checked_sub(1)?;
        let (low, tag) = (self.low_bits(), self.tag(hash));
        let mut at = home(hash, mask);
        loop {
            let entry = self.entries[at];
            let place = (entry & low).checked_sub(1)?;
            if entry & !low == tag && is(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Asks the processor for the line that [`Index::find`] will read first.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        if let Some(mask) = self.entries.len().checked_sub(1) {
            crate::prefetch::soon(&self.entries[home(hash, mask)]);
        }
    }

    /// Gives the next place to a number of this hash. `hash_of` gives the hashes of those before.
    pub(crate) fn push(&mut self, hash: u64, hash_of: impl Fn(u32) -> u64) {
        if (self.places as usize + 1) * 2 > self.entries.len() {
            let size = (self.entries.len() * 2).max(SMALLEST);
            self.entries = vec![0; size].into_boxed_slice();
            (0..self.places).for_each(|place| self.put(hash_of(place), place));
        }
        self.put(hash, self.places);
        self.places += 1;
    }

    fn put(&mut self, hash: u64, place: u32) {
        let mask = self.entries.len() - 1;
        let mut at = home(hash, mask);
        while self.entries[at] != 0 {
            at = (at + 1) & mask;
        }
        self.entries[at] = (place + 1) | self.tag(hash);
    }

    /// The bits of an entry that name the place: there are at most half as many places as entries.
    #[inline]
    fn low_bits(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 2^32: no array in memory has more")]
        let low = (self.entries.len() - 1) as u32;
        low
    }

    /// The bits of a hash that stand in an entry, in their place: its highest, which say nothing of where
    /// the entry lies.
    #[inline]
    fn tag(&self, hash: u64) -> u32 {
        let high = (hash >> 32) as u32;
        high & !self.low_bits()
    }
}

/// Where the look-up of a hash begins.
#[inline]
fn home(hash: u64, mask: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "masked")]
    let home = hash as usize & mask;
    home
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::hash_of;

    #[test]
    fn a_slot_is_found_by_its_number_and_by_no_other() {
        // A wallet that is not found any more after its shard grew: the guest's money is gone.
        let mut index = Index::default();
        assert_eq!(index.find(hash_of(7), |_| true), None);
        let number = |slot: u32| u64::from(slot) * 32 + 5;
        for slot in 0..40_000 {
            index.push(hash_of(number(slot)), |slot| hash_of(number(slot)));
        }
        for slot in 0..40_000 {
            let found = index.find(hash_of(number(slot)), |found| number(found) == number(slot));
            assert_eq!(found, Some(slot));
            assert_eq!(
                index.find(hash_of(number(slot) + 1), |found| number(found) == number(slot) + 1),
                None
            );
        }
        assert!(index.entries.len() <= 4 * 40_000, "{} entries", index.entries.len());
    }

    proptest! {
        /// Whatever the hashes are, equal ones and those of one place among them.
        #[test]
        fn it_finds_what_a_plain_list_finds(numbers in proptest::collection::hash_set(0_u64..60, 0..40), bad in 0_u32..3) {
            let hash = |number: u64| match bad {
                0 => hash_of(number),
                1 => number << 40,
                _ => number % 3,
            };
            let numbers: Vec<u64> = numbers.into_iter().collect();
            let mut index = Index::default();
            for number in &numbers {
                index.push(hash(*number), |slot| hash(numbers[slot as usize]));
            }
            for number in 0..60 {
                let found = index.find(hash(number), |slot| numbers[slot as usize] == number);
                let listed = numbers.iter().position(|known| *known == number);
                prop_assert_eq!(found.map(|slot| slot as usize), listed);
            }
        }
    }
}
