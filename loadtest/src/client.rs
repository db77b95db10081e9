//! Owns: the terminal's side of the protocol as the specification's state machine says it: ids, resending, giving up.
//! Must never: make a new id for a request whose old id is undecided; take anything but `applied` for a yes.
//! Laws: checks L4 from outside (an answer nobody asked for, or one that can't be, stops the run).
//!
//! [`Terminal`] is the state machine, without sockets or clock; [`Swarm`] runs thousands of them on one thread over
//! non-blocking connections that may break at any moment. For measured load on connections that must not break
//! there is `driver`.

mod flight;
mod judge;
mod link;
mod swarm;
mod terminal;

pub use judge::Ending;
pub use swarm::{Counts, Errands, Impatience, Swarm};
pub use terminal::{Habits, Settled, Terminal};

use wire::{Command, RequestId, WireError};

/// What a server said that can't be, or a connection that can't go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// Bytes that are not of the protocol.
    #[error("the server broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// An answer to something that is not in flight.
    #[error("the server answered request {id} (command {command}), which is not in flight")]
    Unasked {
        /// The id in the answer.
        id: RequestId,
        /// The command in the answer.
        command: u8,
    },
    /// An answer that does not fit what was asked.
    #[error("the server answered request {id} ({}): {problem}", command.name())]
    Insane {
        /// The request.
        id: RequestId,
        /// What had been asked.
        command: Command,
        /// What does not fit.
        problem: &'static str,
    },
    /// A frame at the wrong moment.
    #[error("the server sent {0} at the wrong moment")]
    OutOfTurn(&'static str),
    /// The server's ledger has been replaced by a newer one.
    #[error("the server is of incarnation {found}, but {seen} has been seen; use the newer server")]
    OldServer {
        /// What the welcome says.
        found: u64,
        /// What the terminal has seen.
        seen: u64,
    },
    /// The server ended the connection with a fault that another try does not heal.
    #[error("the server refused the terminal: {name} ({text})")]
    Refused {
        /// The code's name.
        name: &'static str,
        /// The text of the fault.
        text: String,
    },
    /// The operating system refused something.
    #[error("{what}: {problem}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        problem: String,
    },
}

#[cfg(test)]
mod tests;
