//! The write cycle: gather the ready blocks of all shards, seal them, frame them, write, flush,
//! confirm. Whoever holds the writer holds the commit token, so one write is in flight per log (L3).
//! A write or a flush that fails ends the store's life; it is never tried again and believed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::frame::{FRAME_HEADER, FrameBuffer, MAX_FRAME, Place};
use super::segment::Segment;
use super::shared::{Inbox, Queue, Shared};
use super::stats::add;
use crate::block::{Draft, HEADER_BYTES, Head};
use crate::ids::{RecordNumber, ShardId};
use crate::journal::{Event, head_of, set_head};
use crate::mutant::{self, Mutant};

/// See the module.
pub struct Writer {
    current: Segment,
    /// Number of the last frame written.
    last_frame: u64,
    /// Last confirmed block of each shard.
    heads: Vec<Head>,
    frame: FrameBuffer,
    batch: Vec<Taken>,
    owners: Vec<(ShardId, Arc<Inbox>)>,
}

/// A block of the write under way.
struct Taken {
    draft: Box<Draft>,
    /// Its shard's head once it is confirmed, and its first record; `None` if it was refused.
    sealed: Option<(Head, RecordNumber)>,
}

/// What one cycle wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Blocks in the frame.
    pub blocks: u32,
    /// Bytes of the frame.
    pub bytes: usize,
}

impl Writer {
    pub(super) fn new(current: Segment, last_frame: u64, heads: Vec<Head>) -> Self {
        let (frame, batch, owners) = (FrameBuffer::default(), Vec::with_capacity(64), Vec::with_capacity(64));
        Self { current, last_frame, heads, frame, batch, owners }
    }

    /// Tells the queue what room the current segment has.
    pub(super) fn tell_room(&self, queue: &mut Queue) {
        queue.current_room = self.current.sure_room();
        queue.current_used = self.current.offset * 256 / self.current.header.bytes;
    }

    /// One cycle. `own`: the inbox whose owner called; it is not woken. `None` if nothing was ready
    /// or the store is dead.
    pub(super) fn cycle(&mut self, shared: &Shared, own: Option<&Arc<Inbox>>) -> Option<Written> {
        if !self.gather(shared) {
            return None;
        }
        self.seal(shared);
        let place = Place {
            generation: self.current.header.generation,
            segment: self.current.header.number,
            offset: self.current.offset,
            frame: self.last_frame + 1,
        };
        let bytes = match self.write(shared, &place) {
            Ok(bytes) => bytes,
            Err(error) => {
                self.batch.clear();
                shared.die_of(
                    &format!("writing to segment {}, offset {}", place.segment, place.offset),
                    &error,
                );
                return None;
            }
        };
        let blocks = self.frame.blocks();
        self.confirm(shared, own, &place).then_some(Written { blocks, bytes })
    }

    /// Takes what is ready, the oldest first and one block of a shard, as far as one frame holds it.
    fn gather(&mut self, shared: &Shared) -> bool {
        let mut queue = shared.queue();
        if queue.ended.is_some() {
            return false;
        }
        let mut total = FRAME_HEADER;
        while let Some(next) = queue.waiting.front() {
            let (length, of) = (next.draft.sealed_len(), next.draft.shard());
            if queue.flying.iter().any(|(flying, _)| *flying == of) || total + length > MAX_FRAME {
                break;
            }
            if (total + length) as u64 > self.current.left() {
                if !self.batch.is_empty() {
                    break;
                }
                // There is always one: `submit` took no block without a place for it.
                let Some(next) = queue.ready.pop_front() else { break };
                self.current = next;
                self.tell_room(&mut queue);
            }
            total += length;
            if let Some(draft) = queue.take_off() {
                self.batch.push(Taken { draft, sealed: None });
            }
        }
        !self.batch.is_empty()
    }

    /// Hashes the blocks and puts those that continue their shards (L7, L8) into the frame.
    fn seal(&mut self, shared: &Shared) {
        self.frame.begin();
        for Taken { draft, sealed } in &mut self.batch {
            let header = draft.seal();
            if header.continues(&head_of(&self.heads, header.shard)).is_err() {
                add(&shared.counters.refused, 1);
                continue;
            }
            self.frame.push(&header, draft.payload());
            *sealed = Some((header.head(), header.first));
        }
    }

    /// Writes and flushes the frame; how many bytes it has.
    fn write(&mut self, shared: &Shared, place: &Place) -> io::Result<usize> {
        if self.frame.blocks() == 0 {
            return Ok(0);
        }
        let pages = self.frame.finish(place);
        let began = shared.now();
        self.current.file.write_at(pages, place.offset)?;
        let flushed = self.current.file.sync();
        if !mutant::on(Mutant::FailedFlushBelieved) {
            flushed?;
        }
        let took = shared.now().saturating_sub(began);
        shared.counters.flushed(took);
        if took > shared.config.slow_flush_micros {
            add(&shared.counters.slow, 1);
            shared.slow_in_a_row.fetch_add(1, Ordering::Relaxed);
        } else {
            shared.slow_in_a_row.store(0, Ordering::Relaxed);
        }
        let bytes = pages.len() * super::disk::PAGE;
        self.current.offset += bytes as u64;
        self.last_frame = place.frame;
        add(&shared.counters.frames, 1);
        add(&shared.counters.frame_bytes, bytes as u64);
        Ok(bytes)
    }

    /// The frame is durable: heads move, its blocks are reported. `false` if the store's life was
    /// ended meanwhile; then nobody is told.
    fn confirm(&mut self, shared: &Shared, own: Option<&Arc<Inbox>>, place: &Place) -> bool {
        if self.frame.blocks() > 0 {
            let mut tail = shared.tail();
            tail.confirmed = *place;
            tail.index.add_segment(self.current.header);
            for Taken { draft, sealed } in &self.batch {
                if let Some((head, first)) = sealed {
                    set_head(&mut self.heads, draft.shard(), *head);
                    tail.index.note(draft.shard(), *first, head.next_record, place);
                }
            }
        }
        let mut queue = shared.queue();
        self.owners.append(&mut queue.flying);
        queue.landed();
        self.tell_room(&mut queue);
        shared.publish_room(&queue);
        let ended = queue.ended.is_some();
        drop(queue);
        if ended {
            self.batch.clear();
            self.owners.clear();
            return false;
        }
        self.report(shared, own);
        true
    }

    fn report(&mut self, shared: &Shared, own: Option<&Arc<Inbox>>) {
        let counters = &shared.counters;
        for (Taken { draft, sealed }, (shard, inbox)) in self.batch.drain(..).zip(&self.owners) {
            inbox.put(match sealed {
                Some((head, _)) => {
                    add(&counters.blocks, 1);
                    add(&counters.sealed_bytes, (HEADER_BYTES + draft.payload().len()) as u64);
                    Event::Confirmed { head, draft }
                }
                None => Event::Fenced { shard: *shard },
            });
        }
        // Each owner once, and not the one who is writing himself.
        for at in 0..self.owners.len() {
            let inbox = &self.owners[at].1;
            let known = self.owners[..at].iter().any(|(_, other)| Arc::ptr_eq(other, inbox));
            if !known && !own.is_some_and(|own| Arc::ptr_eq(own, inbox)) {
                inbox.wake();
            }
        }
        self.owners.clear();
    }
}
