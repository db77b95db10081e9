//! Rot: bytes of the durable log change behind everybody's back. Tried on a copy at each power loss,
//! so that it disturbs nothing: a start must refuse what was confirmed and is no longer right, and
//! may cut it only if it is the very end and the MARK had not passed it (L3, L7).

use std::sync::Arc;

use ledger::journal::ReplayError;
use ledger::journal::embedded::{Log, LogConfig, OpenError, PAGE, SECTOR, SimDisk};
use ledger::law::Law;

use super::World;
use super::tally::Row;
use crate::laws::watch::FramePlace;
use crate::laws::{Verdict, Violation};

impl World {
    /// Spoils one durable frame of a copy and opens it.
    pub(super) fn rot_audit(&mut self) -> Verdict {
        let frames = self.laws.frames();
        let Some(last) = frames.len().checked_sub(1) else { return Ok(()) };
        let at = if self.rng.bool() { last } else { self.rng.usize(0..=last) };
        let frame = frames[at];
        let other = frames[self.rng.usize(0..=last)];
        let image = self.disk.image();
        image.set_free(u64::MAX);
        if !spoil(&image, frame, other, &mut self.rng) {
            return Ok(());
        }
        let marked = marked_frame(&image);
        let number = at as u64 + 1;
        let opened = Log::open(Arc::new(image), LogConfig::small(Arc::new(|| 0)), &mut |_| Ok(()));
        let refused = matches!(opened, Err(OpenError::Journal(ReplayError::Damaged { .. })));
        let row = match (at < last, number <= marked, &opened) {
            (true, _, _) if refused => Row::DamageByFrame,
            (_, true, _) if refused => Row::DamageByMark,
            (false, false, Ok((_, opened))) if opened.frames == last as u64 => Row::RotAfterMark,
            (_, _, opened) => {
                let found = opened.as_ref().map(|(_, opened)| opened).map_err(ToString::to_string);
                let what = format!("frame {number} of {} rotted, MARK {marked}: {found:?}", last + 1);
                return Err(Violation::new(Law::DurableBeforeTold, what));
            }
        };
        self.tally.hit(row);
        Ok(())
    }
}

/// Flips a bit, zeroes a sector, or puts another frame in its place; `false` if nothing changed.
fn spoil(image: &SimDisk, frame: FramePlace, other: FramePlace, rng: &mut fastrand::Rng) -> bool {
    let name = frame.name();
    let Some(before) = image.durable(&name, frame.offset, frame.length) else { return false };
    let mut bytes = before.clone();
    match rng.u8(0..3) {
        0 => {
            let sector = rng.usize(0..frame.length / SECTOR) * SECTOR;
            bytes[sector..sector + SECTOR].fill(0);
        }
        1 if other.length == frame.length => {
            let Some(theirs) = image.durable(&other.name(), other.offset, other.length) else { return false };
            bytes = theirs;
        }
        _ => bytes[rng.usize(0..frame.length)] ^= 1 << rng.u8(0..8),
    }
    bytes != before && image.poke(&name, frame.offset, &bytes)
}

/// The frame that the newest MARK names, read from the format document's drawing.
fn marked_frame(image: &SimDisk) -> u64 {
    let Some(bytes) = image.peek("MARK") else { return 0 };
    let number = |page: &[u8], at: usize| {
        let bytes: Option<[u8; 8]> = page.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u64::from_le_bytes)
    };
    let newest = bytes.chunks(PAGE).max_by_key(|page| number(page, 12));
    newest.map_or(0, |page| number(page, 44))
}
