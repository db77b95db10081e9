//! Rot: bytes of the durable log change behind everybody's back, files are gone, a cut was interrupted.
//! Tried on a copy at each power loss, so that it disturbs nothing: a start must refuse what was
//! confirmed and is no longer right, and may cut it only if it is the very end and the MARK had not
//! passed it (L3, L7).

use std::sync::Arc;

use ledger::journal::ReplayError;
use ledger::journal::embedded::{Disk as _, Log, LogConfig, OpenError, PAGE, SECTOR, SimDisk};
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

/// What else can have become of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wreck {
    /// Everything from the frame on that the MARK names is zero, as if it had never been written.
    Short,
    /// The first page of a segment has a wrong bit.
    Header,
    /// A segment is gone.
    Gap,
    /// The newer page of the MARK has a wrong bit.
    HalfMark,
    /// Both have.
    NoMark,
    /// The last frame is torn, and the copy of a torn tail that an earlier start had begun lies there.
    LeftOver,
}

impl World {
    /// Wrecks a copy of what is durable and opens it.
    pub(super) fn wreck_audit(&mut self) -> Verdict {
        use Wreck::{Gap, HalfMark, Header, LeftOver, NoMark, Short};
        let frames = self.laws.frames().to_vec();
        let image = self.disk.image();
        image.set_free(u64::MAX);
        let marked = marked_frame(&image);
        let wreck = [Short, Header, Gap, HalfMark, NoMark, LeftOver][self.rng.usize(0..6)];
        if !wreck.befalls(&image, &frames, marked, &mut self.rng) {
            return Ok(());
        }
        let opened = Log::open(Arc::new(image.clone()), LogConfig::small(Arc::new(|| 0)), &mut |_| Ok(()));
        let damage = match &opened {
            Err(OpenError::Journal(ReplayError::Damaged { what, .. })) => Some(what.as_str()),
            _ => None,
        };
        let left = opened.as_ref().ok().map(|(_, opened)| opened.frames);
        let whole = frames.len() as u64;
        let (row, right) = match wreck {
            Short => (Row::DamageShort, damage.is_some_and(|what| what.starts_with("the MARK says"))),
            Header => (Row::DamageByHeader, damage.is_some()),
            Gap => (Row::DamageByGap, damage.is_some()),
            HalfMark => (Row::HalfMark, left == Some(whole)),
            NoMark => (Row::DamageNoMark, damage.is_some_and(|what| what.starts_with("neither"))),
            LeftOver => (Row::LeftOver, left == Some(whole - 1) && image.peek(TORN_MAKING).is_none()),
        };
        if !right {
            let found = opened.as_ref().map(|(_, opened)| opened).map_err(ToString::to_string);
            let what = format!("{wreck:?} of {whole} frames, MARK {marked}: {found:?}");
            return Err(Violation::new(Law::DurableBeforeTold, what));
        }
        self.tally.hit(row);
        Ok(())
    }
}

/// The name under which a torn tail is copied before it is cut.
const TORN_MAKING: &str = "torn.tmp";

impl Wreck {
    /// Lets it happen; `false` if there is nothing that it could happen to.
    fn befalls(self, image: &SimDisk, frames: &[FramePlace], marked: u64, rng: &mut fastrand::Rng) -> bool {
        let Some(last) = frames.last() else { return false };
        match self {
            Self::Short => {
                let from = usize::try_from(marked).unwrap_or_default();
                let passed = from.checked_sub(1).and_then(|from| frames.get(from..)).unwrap_or_default();
                let zeroed =
                    |frame: &FramePlace| image.poke(&frame.name(), frame.offset, &vec![0; frame.length]);
                !passed.is_empty() && passed.iter().all(zeroed)
            }
            Self::Header => {
                let frame = frames[rng.usize(0..frames.len())];
                image.flip(&frame.name(), rng.usize(0..8), rng.u8(0..8))
            }
            // Without a segment and with a MARK that names no frame there may have been no log.
            Self::Gap => marked > 0 && image.remove(&frames[0].name()).is_ok(),
            Self::HalfMark => image.flip("MARK", newest_page(image) * PAGE + rng.usize(12..52), rng.u8(0..8)),
            Self::NoMark => (0..2).all(|page| image.flip("MARK", page * PAGE + 20, 1)),
            Self::LeftOver => {
                let torn = image.create(TORN_MAKING).is_ok() && image.sync_dir().is_ok();
                marked < frames.len() as u64 && torn && image.flip(&last.name(), last.offset, 1)
            }
        }
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
    mark_number(image, newest_page(image), 44)
}

/// Which page of the MARK is the newer one.
fn newest_page(image: &SimDisk) -> usize {
    usize::from(mark_number(image, 1, 12) > mark_number(image, 0, 12))
}

fn mark_number(image: &SimDisk, page: usize, at: usize) -> u64 {
    let bytes = image.peek("MARK").unwrap_or_default();
    let at = page * PAGE + at;
    let bytes: Option<[u8; 8]> = bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(0, u64::from_le_bytes)
}
