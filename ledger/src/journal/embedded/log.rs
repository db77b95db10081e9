//! The log as a whole: created, opened, shared by handles, closed. See the parent module for how the
//! parts work together.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::disk::{Disk, DiskLock, Page};
use super::frame::{MAX_BLOCK_COST, Place};
use super::mark::{MARK_NAME, MarkFile};
use super::port::Port;
use super::recovery::{Recovered, Visit, look, recover, segment_numbers};
use super::scan::{BIG_READ, Found, Window, damaged, each_block};
use super::segment::{self, FIRST_FRAME, MIN_SEGMENT, Making, SegmentHeader};
use super::shared::{Ended, Parts, Shared, Tail};
use super::stats::Stats;
use super::worker::{Maker, Worker};
use super::writer::Writer;
use crate::block::{Block, Head};
use crate::ids::ShardId;
use crate::journal::{Replay, ReplayError, Waker, advance};

/// A monotonic clock, in microseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How a log is to behave.
#[derive(Clone)]
pub struct LogConfig {
    /// Bytes of segments made from now on: 320 KiB to 1 GiB, whole pages.
    pub segment_bytes: u64,
    /// Sure room that segments made ahead have at least; there is always one. See [`Log::want_room`].
    pub ahead_bytes: u64,
    /// Bytes of the disk that no segment made ahead may take: a torn tail is copied before it is cut, and a
    /// start that had no room for the copy would fail until a person makes some.
    pub spare_bytes: u64,
    /// Bytes that [`crate::journal::Journal::room`] keeps back.
    pub reserve_bytes: u64,
    /// Most ready bytes that a commit writes on the caller's own thread.
    pub inline_bytes: usize,
    /// A write and flush above this many microseconds is slow. After two in a row the worker writes,
    /// until one is fast again: a single hiccup of a good disk shall not cost every tap a thread
    /// switch, and a slow disk shall not hold up a core loop.
    pub slow_flush_micros: u64,
    /// How often the MARK is written.
    pub mark_every_micros: u64,
    /// Most look-ups that wait.
    pub lookups: usize,
    /// Generation of the first segment of a new log: any number that an earlier log in the same
    /// place, or on the same sectors, did not have.
    pub generation: u64,
    /// The clock.
    pub now: Clock,
}

impl LogConfig {
    /// What a server runs with.
    pub fn new(now: Clock) -> Self {
        Self {
            segment_bytes: 64 << 20,
            ahead_bytes: 32 << 20,
            spare_bytes: 16 << 20,
            reserve_bytes: 1 << 20,
            inline_bytes: 64 << 10,
            slow_flush_micros: 5_000,
            mark_every_micros: 1_000_000,
            lookups: 1_024,
            generation: 1,
            now,
        }
    }

    /// The smallest segments, nothing kept back: for tests that want many rotations.
    pub fn small(now: Clock) -> Self {
        let ahead_bytes = MAX_BLOCK_COST as u64;
        let segment_bytes = 2 * MIN_SEGMENT;
        Self { segment_bytes, ahead_bytes, spare_bytes: 0, reserve_bytes: 0, ..Self::new(now) }
    }
}

/// Why a log could not be created or opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it.
    #[error(
        "the journal is in use: stop the server that has it, or let the command that reads it end (`verify`, \
         `inspect`, `explain`)"
    )]
    Locked,
    /// There is none.
    #[error("there is no journal here: create one first")]
    Missing,
    /// There is one already.
    #[error("there is a journal here already: choose an empty directory")]
    Exists,
    /// No segment can have this size.
    #[error("segments of {0} bytes: take 320 KiB to 1 GiB in whole pages of 4 KiB")]
    SegmentSize(u64),
    /// It could not be read, or it is damaged.
    #[error(transparent)]
    Journal(#[from] ReplayError),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Journal(error.into())
    }
}

/// What was found when a log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Last confirmed block of each shard, by number.
    pub heads: Vec<Head>,
    /// Frames read.
    pub frames: u64,
    /// Blocks read.
    pub blocks: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Names of the files that keep the bytes of a torn tail, if one was cut.
    pub torn: Vec<String>,
}

/// What [`Log::look`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Last block of each shard that was read, by number.
    pub heads: Vec<Head>,
    /// Frames read.
    pub frames: u64,
    /// Blocks read.
    pub blocks: u64,
    /// Bytes of the frames.
    pub bytes: u64,
    /// Whether something torn lies behind the last good frame; the next start cuts it.
    pub torn: bool,
    /// Whether a process has the log open: then only what its MARK had passed was read.
    pub in_use: bool,
}

/// A handle to an open log; clones are handles to the same one.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
}

fn take_lock(disk: &dyn Disk) -> Result<Box<dyn DiskLock>, OpenError> {
    disk.lock().map_err(|error| match error.kind() {
        ErrorKind::WouldBlock => OpenError::Locked,
        _ => error.into(),
    })
}

impl Log {
    /// Makes an empty log in a directory that has none. Durable when it returns.
    pub fn create(disk: Arc<dyn Disk>, config: LogConfig) -> Result<Self, OpenError> {
        if !segment::valid_size(config.segment_bytes) {
            return Err(OpenError::SegmentSize(config.segment_bytes));
        }
        let lock = take_lock(&*disk)?;
        let used = match MarkFile::open(&*disk) {
            Ok(mark) => mark.is_none_or(|mark| mark.place.frame > 0),
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error.into()),
        };
        if used || !segment_numbers(&*disk)?.is_empty() {
            return Err(OpenError::Exists);
        }
        // The MARK first: without a segment there is no log, so an attempt cut short can be repeated.
        for name in disk.list()?.iter().filter(|name| name.starts_with(MARK_NAME)) {
            disk.remove(name)?;
        }
        let mark = MarkFile::create(&*disk)?;
        let header = SegmentHeader { number: 1, generation: config.generation, bytes: config.segment_bytes };
        let mut making = Making::begin(&*disk, header)?;
        let zeros = vec![Page::ZERO; 256];
        while !making.fill(&zeros)? {}
        let current = making.finish(&*disk)?;
        let recovered = Recovered {
            current,
            ready: VecDeque::new(),
            heads: Vec::new(),
            index: super::index::Index::default(),
            mark,
            last: Place::default(),
            blocks: 0,
            bytes: 0,
            torn: Vec::new(),
        };
        Ok(Self::start(disk, config, lock, recovered))
    }

    /// Opens a log and reads all of it once: every frame, payload and chain is checked (L7), every
    /// block goes to `visit` in the order of the log. Only after it returned without an error is
    /// what was visited confirmed: the tail is made durable last (L3).
    pub fn open(
        disk: Arc<dyn Disk>,
        config: LogConfig,
        visit: Visit<'_>,
    ) -> Result<(Self, Opened), OpenError> {
        if !segment::valid_size(config.segment_bytes) {
            return Err(OpenError::SegmentSize(config.segment_bytes));
        }
        let lock = take_lock(&*disk)?;
        let recovered = recover(&*disk, visit)?.ok_or(OpenError::Missing)?;
        let opened = Opened {
            heads: recovered.heads.clone(),
            frames: recovered.last.frame,
            blocks: recovered.blocks,
            bytes: recovered.bytes,
            torn: recovered.torn.clone(),
        };
        Ok((Self::start(disk, config, lock, recovered), opened))
    }

    /// Reads a log and changes nothing, a disk that cannot be written to will do. Every frame,
    /// payload and chain is checked (L7), every block goes to `visit` in the order of the log. Of a
    /// log that a process has open, only what its MARK has passed.
    pub fn look(disk: &dyn Disk, visit: Visit<'_>) -> Result<Look, OpenError> {
        let lock = take_lock(disk);
        let in_use = matches!(lock, Err(OpenError::Locked));
        if let Err(error) = lock
            && !in_use
        {
            return Err(error);
        }
        let looked = look(disk, in_use, visit)?.ok_or(OpenError::Missing)?;
        let super::recovery::Looked { heads, frames, blocks, bytes, torn } = looked;
        Ok(Look { heads, frames, blocks, bytes, torn, in_use })
    }

    fn start(disk: Arc<dyn Disk>, config: LogConfig, lock: Box<dyn DiskLock>, recovered: Recovered) -> Self {
        let Recovered { current, ready, heads, mut index, mark, last, .. } = recovered;
        let newest = ready.back().unwrap_or(&current).header;
        let next = SegmentHeader {
            number: newest.number + 1,
            generation: newest.generation.wrapping_add(1),
            bytes: config.segment_bytes,
        };
        index.add_segment(current.header);
        let shared = Arc::new(Shared::new(Parts {
            disk,
            config,
            lock,
            writer: Writer::new(current, last.frame, heads),
            maker: Maker::new(next),
            mark,
            tail: Tail { confirmed: last, index },
            ready,
        }));
        // Room from the first moment on; a disk without space shows in `room`, not here.
        while shared.needs_work() && shared.make_ahead() {}
        Self { shared }
    }

    /// From now on segments are made so far ahead that `room` says at least this much, as long as the disk has
    /// it. The first of them are there when this returns.
    pub fn want_room(&self, bytes: u64) {
        self.shared.want_room(bytes);
        while self.shared.needs_work() && self.shared.make_ahead() {}
    }

    /// Another door. `waker` is called when another thread has put an event into its inbox.
    pub fn port(&self, waker: Option<Waker>) -> Port {
        Port::new(Arc::clone(&self.shared), waker)
    }

    /// What a journal thread drives.
    pub fn worker(&self) -> Worker {
        Worker::new(Arc::clone(&self.shared))
    }

    /// Parks the calling thread until the worker is wanted, the store has ended, or `timeout`.
    pub fn wait_for_work(&self, timeout: Duration) {
        self.shared.wait_for_work(timeout);
    }

    /// Serves one look-up on the calling thread; `false` if none waits.
    pub fn serve_lookup(&self) -> bool {
        self.shared.serve_lookup()
    }

    /// Parks the calling thread until a look-up waits, somebody nudges, or `timeout`.
    pub fn wait_for_lookup(&self, timeout: Duration) {
        self.shared.lookups.wait(timeout);
    }

    /// Wakes whoever waits for work or look-ups.
    pub fn nudge(&self) {
        self.shared.nudge();
    }

    /// Ends the store's life, as a failed flush would: every port hears `Dead`.
    pub fn kill(&self, cause: &str) {
        self.shared.die(cause);
    }

    /// What ended the store's life, if something did.
    pub fn dead(&self) -> Option<String> {
        self.shared.dead()
    }

    /// Counters since it was opened.
    pub fn stats(&self) -> Stats {
        self.shared.counters.read()
    }

    /// Writes what waits and the MARK, and lets the directory go. Whatever is submitted later meets
    /// a dead store. An error if the store was dead, or died of this; the directory is let go anyway.
    pub fn close(&self) -> io::Result<()> {
        let shared = &*self.shared;
        if let Ok(mut writer) = shared.writer.lock() {
            while writer.cycle(shared, None).is_some() {}
        } else {
            shared.die("a thread died while it wrote");
        }
        // Nobody makes a segment or a MARK after the directory was let go.
        let maker = shared.maker.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.dead().is_none() {
            shared.write_mark();
        }
        let mut queue = shared.queue();
        let dead = queue.ended.get_or_insert(Ended::Closed);
        let result = match dead {
            Ended::Dead(cause) => Err(io::Error::other(cause.clone())),
            Ended::Closed => Ok(()),
        };
        shared.publish_room(&queue);
        drop(queue);
        drop(maker);
        shared.unlock();
        shared.nudge();
        result
    }
}

impl Replay for Log {
    fn replay(
        &self,
        only: Option<ShardId>,
        visit: &mut dyn FnMut(Block<'_>) -> Result<(), ReplayError>,
    ) -> Result<Vec<Head>, ReplayError> {
        let confirmed = self.shared.tail().confirmed;
        let mut window = Window::new(BIG_READ);
        let mut heads = Vec::new();
        let mut next_frame = 1;
        for number in 1..=confirmed.segment {
            let header = self.shared.tail().index.segment(number);
            let header = header.ok_or_else(|| damaged(number, 0, "the segment is missing"))?;
            let (disk, name) = (&self.shared.disk, header.name());
            let closed = number < confirmed.segment;
            window.enter(if closed { disk.open_cached(&name)? } else { disk.open(&name)? }, header.bytes);
            let mut place = Place {
                generation: header.generation,
                segment: number,
                offset: FIRST_FRAME,
                frame: next_frame,
            };
            while place.frame <= confirmed.frame {
                let Found::Frame(frame) = window.frame(&place)? else { break };
                each_block(&frame, &place, |block| {
                    if only.is_none_or(|only| only == block.header.shard) {
                        block.check()?;
                        advance(&mut heads, &block.header)?;
                        visit(block)?;
                    }
                    Ok(())
                })?;
                place.offset += frame.header.total() as u64;
                place.frame += 1;
            }
            next_frame = place.frame;
        }
        if next_frame <= confirmed.frame {
            let what = format!("frame {next_frame} is not what was written; it was confirmed once");
            return Err(damaged(confirmed.segment, confirmed.offset, what));
        }
        Ok(heads)
    }
}
