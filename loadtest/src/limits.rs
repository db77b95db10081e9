//! Owns: the machine's own limits, measured with the same loop and sizes as what they are compared with.
//! Must never: be measured at another time than the figure they stand beside: machines drift within minutes.
//! Laws: none.

pub mod disk;
