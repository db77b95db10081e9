//! A second reader of the format, written from `FORMAT.md` and from nothing else: it walks the
//! bytes and says what each group of them is. It shares no code with the codec, so the document,
//! the codec and this reader can only agree if all three are right.

use std::fmt::Write;

/// Groups of bytes with a note each.
#[derive(Default)]
pub struct Notes {
    lines: Vec<(Vec<u8>, String)>,
}

impl Notes {
    fn add(&mut self, bytes: &[u8], note: impl Into<String>) {
        self.lines.push((bytes.to_vec(), note.into()));
    }

    /// As it stands in the document: at most 16 bytes a line, the note behind the first.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (bytes, note) in &self.lines {
            for (index, row) in bytes.chunks(16).enumerate() {
                let hex = row.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
                let note = if index == 0 { note.as_str() } else { "..." };
                writeln!(text, "{hex:<47} | {note}").unwrap();
            }
        }
        text
    }
}

/// What a block's records share, as far as notes need it.
pub struct Shared {
    pub base: i64,
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    notes: Notes,
}

const PURSES: [u8; 4] = [1, 2, 3, 4];

impl<'a> Walk<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        taken
    }

    fn note(&mut self, count: usize, note: impl Into<String>) -> &'a [u8] {
        let taken = self.take(count);
        self.notes.add(taken, note);
        taken
    }

    fn u16(&mut self, note: &str) -> u16 {
        let value = u16::from_le_bytes(self.take(2).try_into().unwrap());
        self.notes.add(&value.to_le_bytes(), format!("{note} {value}"));
        value
    }

    fn u32(&mut self, note: &str) -> u32 {
        let value = u32::from_le_bytes(self.take(4).try_into().unwrap());
        self.notes.add(&value.to_le_bytes(), format!("{note} {value}"));
        value
    }

    fn u64(&mut self, note: &str) -> u64 {
        let value = u64::from_le_bytes(self.take(8).try_into().unwrap());
        self.notes.add(&value.to_le_bytes(), format!("{note} {value}"));
        value
    }

    fn id(&mut self, note: &str) {
        let value = u64::from_le_bytes(self.take(8).try_into().unwrap());
        self.notes.add(&value.to_le_bytes(), format!("{note} {value:016x}"));
    }

    fn request(&mut self, note: &str) {
        let value = u64::from_le_bytes(self.take(8).try_into().unwrap());
        let (device, counter) = (value >> 40, value & ((1 << 40) - 1));
        self.notes.add(&value.to_le_bytes(), format!("{note}: device {device}, counter {counter}"));
    }

    fn raw_leb(&mut self) -> (&'a [u8], u64) {
        let start = self.at;
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        (&self.bytes[start..self.at], value)
    }

    fn leb(&mut self, note: &str) -> u64 {
        let (bytes, value) = self.raw_leb();
        self.notes.add(bytes, format!("{note} {value}"));
        value
    }

    fn signed(&mut self, note: &str) -> i64 {
        let (bytes, value) = self.raw_leb();
        let value = zigzag(value);
        self.notes.add(bytes, format!("{note} {value}"));
        value
    }

    /// Several numbers in one line.
    fn row<const N: usize>(&mut self, note: impl FnOnce([u64; N]) -> String) {
        let start = self.at;
        let values = std::array::from_fn(|_| self.raw_leb().1);
        self.notes.add(&self.bytes[start..self.at], note(values));
    }

    fn record(&mut self, shared: &Shared) {
        self.u32("length");
        let head = self.take(2);
        self.notes.add(head, format!("kind {} ({}), version {}", head[0], kind_name(head[0]), head[1]));
        let presence = u32::from_le_bytes(self.take(4).try_into().unwrap());
        let bits: Vec<_> = (0..32).filter(|bit| presence >> bit & 1 == 1).map(bit_name).collect();
        let present = if bits.is_empty() { "nothing".into() } else { bits.join(", ") };
        self.notes.add(&presence.to_le_bytes(), format!("present: {present}"));
        let (bytes, elapsed) = self.raw_leb();
        let at = shared.base + elapsed as i64;
        self.notes.add(bytes, format!("at: base + {elapsed} us = {at}"));
        self.envelope(presence);
        self.body(head[0], presence);
        if presence >> 18 & 1 == 1 {
            self.postings();
        }
    }

    fn envelope(&mut self, presence: u32) {
        for bit in (0..23).filter(|bit| presence >> bit & 1 == 1) {
            let name = bit_name(bit);
            match bit {
                0 | 6 | 15 => self.id(&name),
                1 => {
                    self.request(&name);
                    self.note(4, "content check");
                }
                4 => {
                    self.signed("happened: us before at:");
                }
                8 => {
                    let byte = self.take(1);
                    self.notes.add(byte, format!("mode: offline {}, training {}", byte[0] & 1, byte[0] >> 1));
                }
                12 => self.request(&name),
                13 | 14 => {
                    self.note(16, name);
                }
                17 => {
                    let byte = self.take(1);
                    self.notes.add(byte, format!("decline code {}", byte[0]));
                }
                18..=20 => {}
                21 => self.row(|[from, number]| format!("taken: from shard {from}, message {number}")),
                22 => {
                    for _ in 0..self.leb("messages sent") {
                        self.row(|[to, number]| format!("to shard {to}, message {number}"));
                        self.message();
                    }
                }
                _ => {
                    self.leb(&name);
                }
            }
        }
    }

    fn body(&mut self, kind: u8, presence: u32) {
        match kind {
            1 => {
                self.note(16, "ledger");
                self.u16("shards");
                self.u16("level");
                self.note(16, "key id");
            }
            2 => {
                self.leb("epoch");
            }
            3 => {
                self.row(|[version, part]| format!("version {version}, part {part}"));
                let length = self.leb("bytes that follow");
                self.note(length as usize, "the part");
            }
            4 => {
                self.row(|[version, parts]| format!("version {version}, parts {parts}"));
                self.note(32, "BLAKE3 of the parts");
            }
            16 => {
                self.id("tag check");
                self.leb("festival");
            }
            17 => {
                let tender = self.take(1);
                self.notes.add(tender, format!("tender {}", tender[0]));
                self.signed("amount");
            }
            18 => self.purchase(),
            19 => {
                self.request("sale");
                if presence >> 20 & 1 == 1 {
                    self.leb("position");
                }
            }
            20 => {
                self.leb("position");
            }
            21 => self.id("tag check"),
            22 => {
                self.id("payee");
                self.signed("amount");
            }
            34 | 35 => self.message(),
            36 => self.row(|[to, up_to]| format!("shard {to}, up to message {up_to}")),
            37 => {
                self.leb("vendor");
                self.signed("amount");
            }
            deed => self.later_deed(deed),
        }
    }

    /// Tags, holds, allowances, payouts.
    fn later_deed(&mut self, kind: u8) {
        match kind {
            23 => {
                self.id("tag check");
                self.id("wallet");
                self.id("tag that is replaced, 0 none");
            }
            24 => {
                self.id("tag");
                let blocked = self.take(1);
                self.notes.add(blocked, format!("blocked {}", blocked[0]));
            }
            25 => {
                self.signed("amount");
                self.leb("seconds");
            }
            26 => {
                self.request("hold");
                for purse in ["paid in", "bonus", "deposit"] {
                    self.signed(purse);
                }
                self.purchase();
            }
            27 | 39 => self.request("hold"),
            28 => {
                self.id("child");
                self.signed("target");
                self.signed("mark");
            }
            29 => {
                self.signed("amount");
            }
            40 => {
                self.id("parent");
                self.signed("amount");
            }
            _ => {}
        }
    }

    fn message(&mut self) {
        let kind = self.take(1);
        match kind[0] {
            1 => {
                self.notes.add(kind, "transfer");
                self.leb("festival");
                self.id("payer");
                self.id("payee");
                self.money();
            }
            2 => {
                self.notes.add(kind, "swept");
                self.leb("vendor");
                self.money();
            }
            3 => {
                self.notes.add(kind, "paired");
                self.leb("festival");
                for name in ["tag", "tag check", "wallet", "tag that is replaced, 0 none"] {
                    self.id(name);
                }
            }
            4 => {
                self.notes.add(kind, "configuration part");
                self.row(|[version, part]| format!("version {version}, part {part}"));
                let length = self.leb("bytes that follow");
                self.note(length as usize, "the part");
            }
            5 => {
                self.notes.add(kind, "configuration order");
                self.row(|[version, parts]| format!("version {version}, parts {parts}"));
                self.note(32, "BLAKE3 of the parts");
            }
            6 => {
                self.notes.add(kind, "allowance");
                self.leb("festival");
                self.id("parent");
                self.id("child");
                self.signed("target");
                self.signed("mark");
                self.money();
            }
            7 => {
                self.notes.add(kind, "allowance asked");
                self.leb("festival");
                self.id("child");
                self.id("parent");
                self.money();
            }
            128 => {
                self.notes.add(kind, "returned");
                self.leb("message");
                let why = self.take(1);
                self.notes.add(why, format!("decline code {}", why[0]));
                assert_ne!(self.bytes[self.at], 128, "a return of a return");
                self.message();
            }
            other => panic!("message {other} is not in the document"),
        }
    }

    fn money(&mut self) {
        self.u16("currency");
        self.signed("amount");
    }

    fn purchase(&mut self) {
        for _ in 0..self.leb("lines") {
            self.row(|[item, quantity, price, rate]| {
                format!("item {item}, quantity {quantity}, unit price {price}, rate {rate}")
            });
        }
        for _ in 0..self.leb("taxes") {
            self.row(|[rate, base, tax]| format!("rate {rate}, base {}, tax {}", zigzag(base), zigzag(tax)));
        }
    }

    fn postings(&mut self) {
        for _ in 0..self.leb("postings") {
            let start = self.at;
            let first = self.take(1)[0];
            let (kind, own, other) = (first & 0x3f, first & 0x80 != 0, first & 0x40 != 0);
            assert!(!own || PURSES.contains(&kind), "only purses lie in the record's wallet");
            let owner = if own { "own".into() } else { self.raw_leb().1.to_string() };
            let currency = if other {
                let code = u16::from_le_bytes(self.take(2).try_into().unwrap());
                format!(", currency {code}")
            } else {
                String::new()
            };
            let (_, value) = self.raw_leb();
            let minor = zigzag(value);
            let side = if minor > 0 { "debit" } else { "credit" };
            let note = format!("{side} account kind {kind}, owner {owner}{currency}: {minor}");
            self.notes.add(&self.bytes[start..self.at], note);
        }
    }

    fn header(&mut self) {
        self.note(16, "ledger");
        self.u16("level");
        self.u16("shard");
        self.u32("epoch");
        self.u64("sequence number");
        self.note(32, "hash of the block before");
        self.u64("first record");
        self.u32("records");
        self.u32("bytes of payload");
        self.note(32, "BLAKE3 of the payload");
        self.note(32, "BLAKE3 of the 112 bytes above");
    }

    fn prologue(&mut self) -> Shared {
        let base = self.u64("base") as i64;
        self.u32("configuration version");
        self.u32("catalogue version");
        self.u32("policy version");
        self.u16("currency");
        Shared { base }
    }
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

fn kind_name(kind: u8) -> &'static str {
    match kind {
        1 => "ledger opened",
        2 => "epoch opened",
        3 => "configuration staged",
        4 => "configuration adopted",
        16 => "wallet opened",
        17 => "topped up",
        18 => "purchased",
        19 => "voided",
        20 => "cancelled",
        21 => "burned",
        32 => "quarantined",
        33 => "released",
        22 => "transfer sent",
        23 => "tag paired",
        24 => "tag set",
        25 => "held",
        26 => "captured",
        27 => "hold released",
        28 => "allowance set",
        29 => "paid out",
        34 => "delivered",
        35 => "dead-lettered",
        36 => "acknowledged",
        37 => "swept",
        38 => "told",
        39 => "hold expired",
        40 => "allowance returned",
        other => panic!("kind {other} is not in the document"),
    }
}

fn bit_name(bit: u32) -> String {
    const NAMES: [&str; 23] = [
        "wallet",
        "request",
        "device",
        "till",
        "happened",
        "operator",
        "tag",
        "tag counter",
        "mode",
        "configuration",
        "catalogue",
        "policy",
        "replaces",
        "signature",
        "order",
        "long id",
        "zone",
        "decline",
        "postings",
        "confirmed",
        "position",
        "taken",
        "sent",
    ];
    NAMES[bit as usize].to_string()
}

fn walk(bytes: &[u8], what: impl FnOnce(&mut Walk<'_>)) -> Notes {
    let mut walk = Walk { bytes, at: 0, notes: Notes::default() };
    what(&mut walk);
    assert_eq!(walk.at, bytes.len(), "bytes that the document does not explain");
    walk.notes
}

/// The notes of one record.
pub fn record(bytes: &[u8], shared: &Shared) -> Notes {
    walk(bytes, |walk| walk.record(shared))
}

/// The notes of a whole block: header, prologue, records.
pub fn block(bytes: &[u8]) -> Notes {
    walk(bytes, |walk| {
        walk.header();
        let shared = walk.prologue();
        while walk.at < bytes.len() {
            walk.record(&shared);
        }
    })
}

/// The notes of a segment's first page, as far as it is not zero.
pub fn segment(bytes: &[u8]) -> Notes {
    walk(bytes, |walk| {
        walk.note(8, "FANSEGMT");
        walk.note(4, "CRC-32 of bytes 12 to 39");
        walk.u32("version");
        walk.u64("segment");
        walk.u64("generation");
        walk.u64("bytes of the file");
    })
}

/// The notes of a frame without the zeros at its end.
pub fn frame(bytes: &[u8]) -> Notes {
    walk(bytes, |walk| {
        walk.note(8, "FANFRAME");
        walk.note(4, "CRC-32 of everything after itself, the zeros at the end included");
        let blocks = walk.u32("blocks");
        walk.u32("bytes of blocks");
        walk.note(4, "reserved");
        walk.u64("generation");
        walk.u64("segment");
        walk.u64("offset");
        walk.u64("frame");
        walk.note(8, "reserved");
        for _ in 0..blocks {
            walk.header();
            let header = &bytes[..walk.at];
            let length = header[header.len() - 68..header.len() - 64].try_into().unwrap();
            walk.note(u32::from_le_bytes(length) as usize, "the payload of the block");
        }
    })
}

/// The notes of one page of the MARK, as far as it is not zero.
pub fn mark(bytes: &[u8]) -> Notes {
    walk(bytes, |walk| {
        walk.note(8, "FANMARK1");
        walk.note(4, "CRC-32 of bytes 12 to 51");
        walk.u64("counter");
        walk.u64("generation");
        walk.u64("segment");
        walk.u64("offset");
        walk.u64("frame");
    })
}
