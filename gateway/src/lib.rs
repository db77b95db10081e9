//! Receives: terminals over the binary protocol, operators over the command line, monitoring over
//! HTTP. Knows sockets and files; decides nothing.

pub mod commands;
pub mod directory;
pub mod festival_file;
