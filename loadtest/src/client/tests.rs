//! Owns: the client's tests: the state machine against a scripted and an erratic server without sockets, the swarm
//! against a tiny server that breaks connections.
//! Must never: sleep, or judge by time that passed.
//! Laws: checks L4.

mod fake;
mod spec;
mod swarm;
mod terminal;
