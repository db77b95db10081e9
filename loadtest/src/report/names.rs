//! Owns: the names under which a report prints classes and codes.
//! Must never: invent one: they are the wire specification's.
//! Laws: none.

/// The name of a class of answers.
pub fn class_name(class: u8) -> &'static str {
    wire::codes::Class::from_u8(class).map_or("other", wire::codes::Class::name)
}

/// The name of a code.
pub fn code_name(code: u16) -> &'static str {
    wire::codes::name(code)
}
