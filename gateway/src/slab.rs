//! Owns: a loop's connections by token. A token names one connection and never the next one in the
//! same place, so an answer whose terminal has gone finds nobody.

use crate::connection::Connection;

/// A loop's connections.
#[derive(Debug, Default)]
pub(crate) struct Slab {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Connection>,
}

/// Place and generation.
const PLACE_BITS: u32 = 32;

impl Slab {
    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many places there are, empty ones included.
    pub(crate) fn places(&self) -> u32 {
        // `insert` hands out no more than 2^32 - 1.
        u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
    }

    /// Puts a connection in and returns its token; `None` when the slab cannot name any more.
    pub(crate) fn insert(&mut self, connection: Connection) -> Option<u64> {
        if let Some(place) = self.free.pop() {
            let slot = self.slots.get_mut(place as usize)?;
            slot.connection = Some(connection);
            return Some(token(place, slot.generation));
        }
        let place = u32::try_from(self.slots.len()).ok()?;
        self.slots.push(Slot { generation: 0, connection: Some(connection) });
        Some(token(place, 0))
    }

    /// The place a token names and the connection there, if it is still that one.
    #[inline]
    pub(crate) fn find(&mut self, token: u64) -> Option<(u32, &mut Connection)> {
        let (place, generation) = split(token);
        let slot = self.slots.get_mut(place as usize).filter(|slot| slot.generation == generation)?;
        slot.connection.as_mut().map(|connection| (place, connection))
    }

    /// The connection at a place, with its token.
    #[inline]
    pub(crate) fn at(&mut self, place: u32) -> Option<(u64, &mut Connection)> {
        let slot = self.slots.get_mut(place as usize)?;
        let token = token(place, slot.generation);
        slot.connection.as_mut().map(|connection| (token, connection))
    }

    /// Takes the connection at a place out; its token names nobody from here on.
    pub(crate) fn remove(&mut self, place: u32) -> Option<Connection> {
        let slot = self.slots.get_mut(place as usize)?;
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(place);
        Some(connection)
    }
}

const fn token(place: u32, generation: u32) -> u64 {
    (generation as u64) << PLACE_BITS | place as u64
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of a token")]
const fn split(token: u64) -> (u32, u32) {
    (token as u32, (token >> PLACE_BITS) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType};

    #[test]
    fn an_answer_for_a_connection_that_has_gone_finds_nobody() {
        let connection = || {
            let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            Connection::new(socket, 0)
        };
        let mut slab = Slab::default();
        let first = slab.insert(connection()).unwrap();
        let (place, _) = slab.find(first).unwrap();
        assert!(slab.remove(place).is_some());
        let second = slab.insert(connection()).unwrap();
        assert_eq!(slab.at(place).map(|(token, _)| token), Some(second));
        assert!(slab.find(first).is_none() && slab.find(second).is_some());
        assert_eq!((slab.len(), slab.places()), (1, 1));
    }
}
