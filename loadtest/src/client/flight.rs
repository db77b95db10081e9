//! Owns: the table of a terminal's undecided requests, found by counter, with the bytes to send again.
//! Must never: allocate once each place has been used; hold more than its places; free a place while an answer on
//! this connection is owed for it.
//! Laws: checks L4 from outside (an answer is owed once for each copy sent); L12 (bounded).

use wire::{Command, Name, RequestId};

/// What is being asked about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The request itself.
    Asking,
    /// What became of it.
    LookingUp,
    /// To undo or burn it.
    Cancelling,
}

/// Never due by itself: waits for an answer or for a connection.
pub const NEVER: u64 = u64::MAX;

/// One undecided request.
#[derive(Debug)]
pub struct Slot {
    // 0: the place is free. Counters start at 1.
    counter: u64,
    /// The request's id.
    pub id: RequestId,
    /// Its tag, for lookups and cancels.
    pub name: Option<Name>,
    /// Its own command.
    pub command: Command,
    /// What the caller wants back with the ending.
    pub token: u64,
    /// When it was made.
    pub since_ns: u64,
    /// When to send again; [`NEVER`] while an answer is awaited.
    pub due_ns: u64,
    /// What is asked at present.
    pub step: Step,
    /// Whether a copy was sent whose answer was lost or said neither yes nor no.
    pub doubt: bool,
    /// Whether the caller has been told the ending.
    pub settled: bool,
    /// Whether it stands in the queue of what to send.
    pub queued: bool,
    /// Tries since the last step began.
    pub tries: u32,
    /// The request as encoded.
    pub bytes: Vec<u8>,
    // One bit for each command byte whose answer is owed on this connection.
    owed: u32,
}

impl Slot {
    fn free() -> Self {
        Self {
            counter: 0,
            id: RequestId::NONE,
            name: None,
            command: Command::Lookup,
            token: 0,
            since_ns: 0,
            due_ns: NEVER,
            step: Step::Asking,
            doubt: false,
            settled: true,
            queued: false,
            tries: 0,
            bytes: Vec::new(),
            owed: 0,
        }
    }

    /// The command that the present step sends.
    pub fn asks(&self) -> Command {
        match self.step {
            Step::Asking => self.command,
            Step::LookingUp => Command::Lookup,
            Step::Cancelling => Command::Cancel,
        }
    }

    /// Whether an answer to this command is owed on this connection.
    pub fn owes(&self, command: Command) -> bool {
        self.owed & bit(command) != 0
    }

    /// A copy of this command leaves: one more answer is owed.
    pub fn sent(&mut self, command: Command) {
        self.owed |= bit(command);
        self.due_ns = NEVER;
        self.tries = self.tries.saturating_add(1);
    }

    /// Goes on to another step, from its first try.
    pub fn turn_to(&mut self, step: Step) {
        self.step = step;
        self.tries = 0;
    }
}

fn bit(command: Command) -> u32 {
    // Each command has a bit of its own: the highest number given out is below 32.
    1 << (command.number() & 31)
}

/// The undecided requests of one device.
#[derive(Debug)]
pub struct Flight {
    slots: Vec<Slot>,
    undecided: usize,
    owed: usize,
}

impl Flight {
    /// Places for `capacity` requests, at least twice as many: decisions come out of order.
    pub fn new(capacity: usize) -> Self {
        let places = capacity.max(1).next_power_of_two() * 2;
        Self { slots: (0..places).map(|_| Slot::free()).collect(), undecided: 0, owed: 0 }
    }

    fn place(&self, counter: u64) -> usize {
        let mask = self.slots.len() - 1;
        usize::try_from(counter).unwrap_or(usize::MAX) & mask
    }

    /// Requests whose ending nobody has been told.
    pub fn undecided(&self) -> usize {
        self.undecided
    }

    /// Answers owed on this connection.
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// The place for a new request, taken for it; none while an older one holds it.
    pub fn take_place(&mut self, id: RequestId) -> Option<&mut Slot> {
        let place = self.place(id.counter());
        let slot = self.slots.get_mut(place).filter(|slot| slot.counter == 0)?;
        let bytes = std::mem::take(&mut slot.bytes);
        *slot = Slot { counter: id.counter(), id, settled: false, bytes, ..Slot::free() };
        slot.bytes.clear();
        self.undecided += 1;
        Some(slot)
    }

    /// Gives a place back that was taken and not used.
    pub fn give_back(&mut self, counter: u64) {
        self.settle(counter);
    }

    /// The request with this counter.
    pub fn find(&mut self, counter: u64) -> Option<&mut Slot> {
        let place = self.place(counter);
        self.slots.get_mut(place).filter(|slot| counter != 0 && slot.counter == counter)
    }

    /// A copy of what the present step asks leaves.
    pub fn sent(&mut self, counter: u64) {
        let Some(slot) = self.find(counter) else { return };
        let command = slot.asks();
        let more = !slot.owes(command);
        slot.sent(command);
        self.owed += usize::from(more);
    }

    /// An answer has come; false when none was owed.
    pub fn answered(&mut self, counter: u64, command: Command) -> bool {
        let Some(slot) = self.find(counter).filter(|slot| slot.owes(command)) else { return false };
        slot.owed &= !bit(command);
        if slot.settled && slot.owed == 0 {
            slot.counter = 0;
        }
        self.owed -= 1;
        true
    }

    /// The ending is known. The place is kept while answers are owed for it.
    pub fn settle(&mut self, counter: u64) {
        let Some(slot) = self.find(counter).filter(|slot| !slot.settled) else { return };
        slot.settled = true;
        slot.due_ns = NEVER;
        if slot.owed == 0 {
            slot.counter = 0;
        }
        self.undecided -= 1;
    }

    /// The connection is gone: nothing is owed any more, and what was is in doubt.
    pub fn disconnected(&mut self) {
        for slot in &mut self.slots {
            if slot.settled {
                slot.counter = 0;
            }
            slot.doubt |= slot.owed != 0;
            (slot.owed, slot.queued, slot.due_ns) = (0, false, NEVER);
        }
        self.owed = 0;
    }

    /// All undecided requests.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.slots.iter_mut().filter(|slot| slot.counter != 0 && !slot.settled)
    }

    /// All undecided requests, to look at.
    pub fn look(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(|slot| slot.counter != 0 && !slot.settled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_owed_an_answer_of_its_own() {
        // Two commands on one bit: the answer to one settles what was owed for the other, and a late
        // one counts as an answer that nobody asked for.
        let all = Command::ALL.iter().fold(0_u32, |all, command| all | bit(*command));
        assert_eq!(all.count_ones() as usize, Command::ALL.len());
    }
}
