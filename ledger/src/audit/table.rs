//! Tables of the auditor: the standard map with a hasher fit for ids, which are numbers already.
//! Not meant for keys an attacker chooses freely at no cost: the auditor reads one finished file.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map whose order depends on nothing but its keys and their history.
pub(super) type Table<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Folds each word in by a 128-bit product, so that counters and tag numbers spread alike.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mix(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Mix {
    #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are used")]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x51_7c_c1_b7_27_22_0a_95) * u128::from(ODD);
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.fold((*byte).into());
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.fold(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.fold(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.fold(value.into());
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        self.fold(value);
    }

    fn write_isize(&mut self, value: isize) {
        self.fold(value.unsigned_abs() as u64);
    }
}
