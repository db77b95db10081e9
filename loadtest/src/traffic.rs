//! Owns: what terminals ask for, by profile, and the tester's own books: what each wallet must hold.
//! Must never: accept an answer it did not check; have two requests of one wallet in flight (their order would be
//! the server's to choose and no balance could be checked exactly).
//! Laws: checks L2, L4 and L9 from outside, answer by answer.

mod fixed;
mod wallets;

pub use fixed::Fixed;
pub use wallets::{Wallets, uid_of};
