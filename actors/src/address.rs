//! Addresses: from a wristband's UID to the number of its tag, its wallet and its shard; and the
//! keyed check of a request's content. A UID in clear stays in front of this module.

use std::hash::Hasher as _;

use ledger::ids::{Office, TagNumber};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::command::{AskedLine, Command, Request};

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
    ticket: [u8; 16],
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
            ticket: part("fanfare 2026 ticket number"),
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
        named(&self.tag, uid)
    }

    /// What stands in the place of a tag in a wallet that was opened from the ticket of this reference.
    pub fn ticket(&self, reference: &[u8]) -> Tag {
        named(&self.ticket, reference)
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
            Command::Open
            | Command::Balance
            | Command::Cancel
            | Command::Lookup
            | Command::BlockTag
            | Command::UnblockTag => {}
            Command::TopUp { tender, amount } => {
                hasher.write_u8(*tender as u8);
                hasher.write_i64(*amount);
            }
            Command::Purchase { lines, amount, .. } => write_sale(&mut hasher, lines, *amount),
            Command::StageConfiguration { version, part, bytes } => {
                hasher.write_u32(version.get());
                hasher.write_u16(*part);
                hasher.write(bytes);
            }
            Command::AdoptConfiguration { version, parts, hash } => {
                hasher.write_u32(version.get());
                hasher.write_u16(*parts);
                hasher.write(hash);
            }
            Command::Void { sale } => hasher.write_u64(sale.get()),
            Command::Authorise { amount, seconds } => {
                hasher.write_i64(*amount);
                hasher.write_u32(*seconds);
            }
            Command::Capture { hold, lines, amount } => {
                hasher.write_u64(hold.get());
                write_sale(&mut hasher, lines, *amount);
            }
            Command::ReleaseHold { hold } => hasher.write_u64(hold.get()),
            Command::Transfer { payee, amount } => {
                hasher.write_u64(payee.get());
                hasher.write_i64(*amount);
            }
            Command::Pair { wallet, replaces } => {
                hasher.write_u64(wallet.get());
                hasher.write_u64(replaces.map_or(0, TagNumber::get));
            }
            Command::SetAllowance { child, target, mark } => {
                hasher.write_u64(child.get());
                hasher.write_i64(*target);
                hasher.write_i64(*mark);
            }
            Command::PayOut { amount } => hasher.write_i64(*amount),
        }
        // The low half: 32 bits are what a remembered id has room for.
        #[expect(clippy::cast_possible_truncation)]
        let check = hasher.finish() as u32;
        check
    }
}

/// The name that `bytes` have under `key`. The numbers below [`Office::NUMBERS`] are not given to tags:
/// one UID in 2^31 gets a number with the top bit set instead.
#[inline]
fn named(key: &[u8; 16], bytes: &[u8]) -> Tag {
    let mut hasher = SipHasher24::new_with_key(key);
    hasher.write(bytes);
    let hash = hasher.finish128();
    Tag { number: tag_number(hash.h1), check: hash.h2 }
}

const fn tag_number(hash: u64) -> TagNumber {
    let number = if hash < Office::NUMBERS { hash | 1 << 63 } else { hash };
    match TagNumber::new(number) {
        Some(number) => number,
        None => unreachable!(),
    }
}

#[inline]
fn write_sale(hasher: &mut SipHasher13, lines: &[AskedLine], amount: i64) {
    hasher.write_i64(amount);
    for line in lines {
        let packed = u64::from(line.unit_price) << 16 | u64::from(line.quantity);
        hasher.write_u64(packed);
        hasher.write_u32(line.item);
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
        let keys = Keys { tag: key, ticket: [0; 16], content: [0; 16], id: [0; 16] };
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
    fn no_tag_has_the_number_of_an_office() {
        // A guest whose band had a vendor's number would pay out of the vendor's account.
        for (hash, number) in [
            (0, 1 << 63),
            (7, 1 << 63 | 7),
            (Office::NUMBERS - 1, 1 << 63 | (Office::NUMBERS - 1)),
            (Office::NUMBERS, Office::NUMBERS),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(tag_number(hash).get(), number);
            assert_eq!(Office::of(tag_number(hash).as_wallet()), None);
        }
    }

    #[test]
    fn a_ticket_is_no_tag() {
        let keys = Keys::derive(&[1; 32]);
        assert_ne!(keys.ticket(&[9; 10]), keys.tag(&[9; 10]));
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
