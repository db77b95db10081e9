//! Owns: the bars: what must be reached, the lanes that measure it, the verdict.
//! Must never: bend a measurement: a bar that is missed says by how much.
//! Laws: none.

mod measure;
pub mod table;
mod watched;

pub use measure::{Scale, groups_of, measure};
