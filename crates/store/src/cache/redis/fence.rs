//! The script by which every entry is written.

use ::redis::Script;

use super::entry::{FORM, HEADER, RANK};

/// The script, told what entries look like.
pub(super) fn script() -> Script {
    let form = format!("local FORM, RANK, HEADER = '{FORM}', {RANK}, {HEADER}\n");
    Script::new(&(form + include_str!("fence.lua")))
}
