//! Addresses: from a wristband's UID to the number of its tag, its wallet and its shard; and the
//! keyed check of a request's content. A UID in clear stays in front of this module.

use std::hash::Hasher as _;

use ledger::ids::TagNumber;
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::command::{Command, Request};

/// A tag as the ledger knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    /// First 8 bytes of the keyed hash of its UID: its name.
    pub number: TagNumber,
    /// The other 8 bytes, compared in the slot: two tags with one number are told apart.
    pub check: u64,
}

/// The keys under which tags and contents are hashed, derived from the ledger's own key. Without
/// a key a terminal could choose colliding names, and a journal would give UIDs away.
#[derive(Clone, Debug)]
pub struct Keys {
    tag: [u8; 16],
    content: [u8; 16],
    id: [u8; 16],
}

impl Keys {
    /// From the ledger's key.
    pub fn derive(ledger_key: &[u8; 32]) -> Self {
        let part = |context: &str| {
            let mut key = [0; 16];
            key.copy_from_slice(&blake3::derive_key(context, ledger_key)[..16]);
            key
        };
        Self {
            tag: part("fanfare 2026 tag number"),
            content: part("fanfare 2026 content check"),
            id: part("fanfare 2026 key id"),
        }
    }

    /// Names the key in block 0 without giving it away.
    pub const fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The tag with this UID.
    #[inline]
    pub fn tag(&self, uid: &[u8]) -> Tag {
        let mut hasher = SipHasher24::new_with_key(&self.tag);
        hasher.write(uid);
        let hash = hasher.finish128();
        // A number of zero means "absent"; one UID in 2^64 shares the number 1.
        let number = TagNumber::new(hash.h1).or(TagNumber::new(1));
        Tag { number: number.unwrap_or_else(|| unreachable!("1 is not zero")), check: hash.h2 }
    }

    /// The check of what must be the same when a request is sent again: business content only,
    /// never transport, waiting time, clock or "was offline".
    #[inline]
    pub fn content(&self, request: &Request) -> u32 {
        let mut hasher = SipHasher13::new_with_key(&self.content);
        hasher.write_u8(request.command.number());
        hasher.write_u64(request.tag.number.get());
        hasher.write_u32(request.till.map_or(0, ledger::ids::TillId::get));
        match &request.command {
            Command::Open | Command::Balance | Command::Cancel | Command::Lookup => {}
            Command::TopUp { tender, amount } => {
                hasher.write_u8(*tender as u8);
                hasher.write_i64(*amount);
            }
            Command::Purchase { lines, amount, .. } => {
                hasher.write_i64(*amount);
                for line in lines {
                    let packed = u64::from(line.unit_price) << 16 | u64::from(line.quantity);
                    hasher.write_u64(packed);
                    hasher.write_u32(line.item);
                }
            }
            Command::Void { sale } => hasher.write_u64(sale.get()),
            Command::Transfer { payee, amount } => {
                hasher.write_u64(payee.get());
                hasher.write_i64(*amount);
            }
            Command::PayOut { amount } => hasher.write_i64(*amount),
        }
        // The low half: 32 bits are what a remembered id has room for.
        #[expect(clippy::cast_possible_truncation)]
        let check = hasher.finish() as u32;
        check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_number_is_the_first_half_of_siphash_2_4_128() {
        // The first two vectors of the authors' test table (key 00..0f, input of 0 and of 1 byte).
        let mut key = [0; 16];
        (0_u8..).zip(&mut key).for_each(|(value, byte)| *byte = value);
        let keys = Keys { tag: key, content: [0; 16], id: [0; 16] };
        let table: [(&[u8], u128); 2] = [
            (&[], 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293),
            (&[0], 0xda87_c1d8_6b99_af44_3476_5911_9b22_fc45),
        ];
        #[expect(clippy::big_endian_bytes, reason = "the vectors are written in reading order")]
        for (uid, expected) in table {
            let tag = keys.tag(uid);
            let bytes = [tag.number.get().to_le_bytes(), tag.check.to_le_bytes()].concat();
            let expected = expected.to_be_bytes().to_vec();
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn another_ledger_has_other_names_for_the_same_band() {
        let uid = [4, 1, 2, 3, 4, 5, 6];
        let (one, other) = (Keys::derive(&[1; 32]), Keys::derive(&[2; 32]));
        assert_ne!(one.tag(&uid).number, other.tag(&uid).number);
        assert_ne!(one.id(), other.id());
        assert_eq!(one.tag(&uid), Keys::derive(&[1; 32]).tag(&uid));
    }
}
