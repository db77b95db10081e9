//! Hash tables keyed by numbers. The hasher has no random seed, so that two runs over the same
//! records do the same; the keys are the output of a keyed hash, or numbers that the organiser
//! or the ledger gave out, so nobody outside can choose colliding ones.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;

/// A table from numbers to anything.
pub(crate) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// The hash of a number, for tables that keep their keys elsewhere.
#[inline]
pub(crate) fn hash_of(number: u64) -> u64 {
    let mut mix = Mix::default();
    mix.write_u64(number);
    mix.finish()
}

/// One multiplication and a rotation a word: wallet numbers of one shard are equal modulo the
/// number of shards, so they have to be mixed once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    #[inline]
    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
